//! Programs of this machine for images that need more than one static binary: packet filter, routes, connections.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::lab::command::{command, output_of};
use crate::lab::files;

/// What kube-proxy, Felix and flannel call.
const PROGRAMS: [&str; 6] = ["ip", "nft", "ipset", "conntrack", "xtables-nft-multi", "xtables-legacy-multi"];

/// Where programs are in the image, whatever folder of the machine they come from.
const FOLDER: &str = "usr/sbin";

/// Tables of names that programs look up.
const TABLES: [&str; 3] = ["/etc/protocols", "/etc/services", "/etc/ethertypes"];

/// Copies the programs, the modules of iptables, and every library that these need, into the root of an image.
///
/// There are no links between the image's top folders: `/bin` and `/lib` are real folders.
pub(super) fn copy_into(root: &Path) -> Result<()> {
    let mut libraries = BTreeSet::new();
    for program in PROGRAMS {
        let source = find(program)?;
        copy(&source, &root.join(FOLDER).join(program))?;
        libraries.extend(libraries_of(&source)?);
    }
    link_packet_filter(&root.join(FOLDER))?;
    for module in packet_filter_modules()? {
        libraries.extend(libraries_of(&module)?);
        libraries.insert(module);
    }
    for path in libraries.iter().map(PathBuf::as_path).chain(TABLES.map(Path::new)) {
        if path.exists() {
            copy(path, &inside(root, path))?;
        }
    }
    Ok(())
}

/// The versions of the programs, so that an image is made again when the machine's programs change.
pub(super) fn fingerprint() -> Result<String> {
    let mut parts = Vec::new();
    for program in PROGRAMS {
        let metadata = fs::metadata(find(program)?)?;
        parts.push(format!("{program} {} {:?}", metadata.len(), metadata.modified()?));
    }
    Ok(parts.join("\n"))
}

/// The packet filter is one program per kernel interface that looks at the name it is called by. The plain names mean
/// the newer one, as on Debian; Felix and kube-proxy look for the others too.
fn link_packet_filter(folder: &Path) -> Result<()> {
    for family in ["iptables", "ip6tables"] {
        for action in ["", "-save", "-restore"] {
            for (kind, program) in
                [("", "xtables-nft-multi"), ("-nft", "xtables-nft-multi"), ("-legacy", "xtables-legacy-multi")]
            {
                symlink(program, folder.join(format!("{family}{kind}{action}")))?;
            }
        }
    }
    Ok(())
}

fn packet_filter_modules() -> Result<Vec<PathBuf>> {
    let mut modules = Vec::new();
    for folder in files::list(Path::new("/usr/lib"))?.iter().map(|folder| folder.join("xtables")) {
        if folder.is_dir() {
            let found = files::list(&folder)?;
            modules.extend(found.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "so")));
        }
    }
    modules.sort();
    Ok(modules)
}

fn libraries_of(binary: &Path) -> Result<Vec<PathBuf>> {
    let listed = output_of(&mut command("ldd", [binary]))?;
    Ok(listed.lines().filter_map(library).map(PathBuf::from).collect())
}

/// The path in a line of ldd: `libc.so.6 => /lib/…/libc.so.6 (0x…)`, or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn library(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with('/'))
}

fn find(program: &str) -> Result<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    let found = found.with_context(|| format!("the program `{program}` is not installed"))?;
    found.canonicalize().with_context(|| format!("could not follow {}", found.display()))
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Copies contents and mode; links are followed.
fn copy(source: &Path, target: &Path) -> Result<()> {
    if let Some(folder) = target.parent() {
        files::create_folder(folder)?;
    }
    fs::copy(source, target).with_context(|| format!("could not copy {}", source.display())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_the_lines_of_ldd() {
        assert_eq!(
            library("\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)"),
            Some("/lib/x86_64-linux-gnu/libc.so.6")
        );
        assert_eq!(library("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)"), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007ffd)"), None);
        assert_eq!(library("\tstatically linked"), None);
    }
}
