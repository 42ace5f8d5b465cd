//! Words that must not occur: places of one machine, unfinished code, operating systems outside their folders.

use std::path::Path;

use crate::{files, read, report, rust_files};

fn is_text(file: &Path) -> bool {
    let extensions = ["rs", "sh", "toml", "md", "tf", "yaml", "yml", "go", "txt", "json", "service", "cfg"];
    file.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| extensions.contains(&extension))
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/.cache"), concat!("/tmp/", "jobs")];
    let mut violations = Vec::new();
    for file in files().into_iter().filter(|file| is_text(file)) {
        for (number, line) in read(&file).lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                violations.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    report("paths of one machine do not belong in the repository", &violations);
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("FIX", "ME"), concat!("#[ig", "nore")];
    let mut violations = Vec::new();
    for file in rust_files() {
        for (number, line) in read(&file).lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                violations.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    report("finish it or delete it", &violations);
}

/// What differs between operating systems is data and scripts in `provider/hosts/os`, asked for in one place.
#[test]
fn operating_systems_are_named_in_their_folders_only() {
    let names = ["debian", "ubuntu", "flatcar", "rocky", "rhel"];
    let mut violations = Vec::new();
    for file in rust_files() {
        let path = file.to_string_lossy();
        let acting = ["provider/engine/src", "provider/kubernetes/src", "provider/terraform/src"];
        if !acting.iter().any(|folder| path.starts_with(folder)) || path.contains("test") || path.ends_with("world.rs")
        {
            continue;
        }
        let text = read(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            if names.iter().any(|name| line.contains(&format!("\"{name}"))) {
                violations.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    report("ask the operating system's folder instead", &violations);
}
