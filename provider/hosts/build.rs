//! Embeds every folder of `os/`: a new operating system needs no change of code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new("os").canonicalize()?;
    watch(&root)?;
    let mut code = String::from("[\n");
    for folder in entries(&root)?.into_iter().filter(|path| path.is_dir()) {
        writeln!(
            code,
            "  Folder {{ id: {:?}, manifest: {}, scripts: &[",
            name(&folder),
            include(&folder.join("os.toml"))
        )
        .map_err(io::Error::other)?;
        for script in scripts(&folder)? {
            writeln!(code, "    ({:?}, {}),", name(&script), include(&script)).map_err(io::Error::other)?;
        }
        code.push_str("  ], functions: &[\n");
        for part in scripts(&folder.join("functions"))? {
            writeln!(code, "    ({:?}, {}),", name(&part), include(&part)).map_err(io::Error::other)?;
        }
        code.push_str("  ] },\n");
    }
    code.push_str("]\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is set by cargo"))?;
    fs::write(PathBuf::from(out).join("os_folders.rs"), code)
}

/// Cargo notices a new file only in a folder that it was told of.
fn watch(folder: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    entries(folder)?.iter().filter(|path| path.is_dir()).try_for_each(|path| watch(path))
}

fn scripts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    Ok(entries(folder)?.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "sh")).collect())
}

/// In a fixed order, so that builds are repeatable.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn include(path: &Path) -> String {
    format!("include_str!({:?})", path.display().to_string())
}
