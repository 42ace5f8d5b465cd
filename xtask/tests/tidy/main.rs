//! House rules that a machine can check: run by `cargo test`, told apart by name when one breaks.

mod circles;
mod layers;
mod sources;
mod words;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

/// Every file that git tracks or would track, relative to the root.
fn files() -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files failed");
    let text = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let files: Vec<_> = text.lines().map(PathBuf::from).filter(|file| root().join(file).is_file()).collect();
    assert!(files.len() > 50, "git ls-files found only {} files", files.len());
    files
}

fn rust_files() -> impl Iterator<Item = PathBuf> {
    files().into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(root().join(file)).expect("files that git tracks can be read")
}

/// Fails with all violations of a rule at once.
fn report(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}
