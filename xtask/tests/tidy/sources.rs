//! The shape of source files: what they open with, how long they grow, what they are called.

use crate::{files, read, report, rust_files};

/// A file past this length is asking to be split by purpose.
const LONGEST: usize = 600;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust_files().filter(|file| !read(file).starts_with("//! "));
    let silent: Vec<_> = silent.map(|file| file.display().to_string()).collect();
    report("a Rust file opens with one `//!` sentence", &silent);
}

#[test]
fn every_script_says_what_it_is_for() {
    let scripts = files().into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "sh"));
    let silent = scripts.filter(|file| {
        let text = read(file);
        let mut lines = text.lines().filter(|line| !line.starts_with("#!"));
        !lines.next().is_some_and(|line| line.starts_with("# "))
    });
    let silent: Vec<_> = silent.map(|file| file.display().to_string()).collect();
    report("a script opens with a comment that says what it does", &silent);
}

#[test]
fn files_stay_small() {
    let mut violations = Vec::new();
    for file in rust_files() {
        let lines = read(&file).lines().count();
        let excused = LONGER.iter().any(|(name, _)| file.as_os_str() == *name);
        if lines > LONGEST && !excused {
            violations.push(format!("{} has {lines} lines", file.display()));
        }
    }
    report("split the file by purpose, or add it to LONGER with a reason", &violations);
}

#[test]
fn modules_have_names_that_say_something() {
    let banned = ["utils", "util", "helpers", "helper", "common", "manager", "misc"];
    let violations = rust_files().filter(|file| {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        banned.contains(&stem)
            || file.components().any(|part| banned.contains(&part.as_os_str().to_str().unwrap_or_default()))
    });
    let violations: Vec<_> = violations.map(|file| file.display().to_string()).collect();
    report("name the module after what it holds", &violations);
}
