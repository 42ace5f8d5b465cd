//! Embeds `addons/*/` and `versions/*.toml`, so that adding either is adding a folder or a file.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not set CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    fs::write(out.join("addons.rs"), addons(&root.join("addons"))?)?;
    fs::write(out.join("versions.rs"), versions(&root.join("versions"))?)?;
    Ok(())
}

fn versions(folder: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut code = String::from("&[\n");
    for file in sorted(folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let minor = file.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({minor:?}, include_str!({:?})),", file.display().to_string())?;
    }
    code.push_str("]\n");
    Ok(code)
}

fn addons(addons: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", addons.display());
    let mut catalog = String::from("&[\n");
    for folder in sorted(addons)?.into_iter().filter(|path| path.is_dir()) {
        // A new file changes its folder, not the folder above it.
        println!("cargo::rerun-if-changed={}", folder.display());
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let manifest = folder.join("addon.toml").display().to_string();
        writeln!(catalog, "    Folder {{\n        name: {name:?},\n        manifest: include_str!({manifest:?}),")?;
        writeln!(catalog, "        templates: &[")?;
        for template in sorted(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
            let file = template.file_name().unwrap_or_default().to_string_lossy();
            let template = template.display().to_string();
            writeln!(catalog, "            ({file:?}, include_str!({template:?})),")?;
        }
        writeln!(catalog, "        ],\n    }},")?;
    }
    catalog.push(']');
    Ok(catalog)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
