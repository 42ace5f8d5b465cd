//! Embeds the addons: every folder under `addons/` becomes an entry of the catalog, so nothing else lists their names.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let addons = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("addons");
    println!("cargo::rerun-if-changed={}", addons.display());
    let mut catalog = String::from("&[\n");
    for folder in sorted(&addons)?.into_iter().filter(|path| path.is_dir()) {
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
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    fs::write(out.join("addons.rs"), catalog)?;
    Ok(())
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
