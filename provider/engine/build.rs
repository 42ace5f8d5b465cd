//! Embeds `versions/*.toml`, and makes one test of each file in `tests/plans`, so that adding either is adding a file.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("versions.rs"), versions(&root.join("versions"))?)?;
    fs::write(out.join("plan_cases.rs"), plan_cases(&root.join("tests/plans"))?)
}

fn versions(folder: &Path) -> io::Result<String> {
    let mut code = String::from("&[\n");
    for file in files(folder, "toml")? {
        // Writing into a string cannot fail.
        let _ = writeln!(code, "    ({:?}, include_str!({:?})),", stem(&file), file.display().to_string());
    }
    code.push_str("]\n");
    Ok(code)
}

fn plan_cases(folder: &Path) -> io::Result<String> {
    let mut code = String::new();
    for file in files(folder, "txt")? {
        let (name, path) = (stem(&file), file.display().to_string());
        let _ = writeln!(code, "#[test]\nfn {name}() {{\n    check_case({path:?});\n}}");
    }
    Ok(code)
}

fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
