//! Generates one test for each file in `tests/plans`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("plan_cases.rs"), plan_cases(&root.join("tests/plans"))?)
}

fn plan_cases(folder: &Path) -> io::Result<String> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    let mut code = String::new();
    for file in files.iter().filter(|path| path.extension().is_some_and(|found| found == "txt")) {
        let (name, path) = (file.file_stem().unwrap_or_default().to_string_lossy(), file.display().to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(code, "#[test]\nfn {name}() {{\n    check_case({path:?});\n}}");
    }
    Ok(code)
}
