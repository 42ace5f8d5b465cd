//! Writes a host that is met for the first time into a known_hosts file, in the place of the machine it replaces.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use russh::keys::PublicKey;

use super::super::public_key::known_hosts_form;
use super::line::{self, Marker};
use super::{Names, pattern};

/// Adds a line for this key. Lines that were written for machines with the keys in `gone` go.
pub(in crate::ssh) fn record(file: &Path, names: &Names, key: &PublicKey, gone: &[PublicKey]) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        create_private_folder(folder)?;
    }
    let content = match fs::read(file) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let unfinished = content.last().is_some_and(|last| *last != b'\n');
    let line = format!("{} {}\n", names.full, known_hosts_form(key));
    match without(&content, names, gone) {
        Some(mut rest) => {
            if rest.last().is_some_and(|last| *last != b'\n') {
                rest.push(b'\n');
            }
            rest.extend_from_slice(line.as_bytes());
            replace(file, &rest)
        }
        None => append(file, &if unfinished { format!("\n{line}") } else { line }),
    }
}

/// The content without what was written for these machines; `None` when there is nothing of it.
fn without(content: &[u8], names: &Names, gone: &[PublicKey]) -> Option<Vec<u8>> {
    let mut changed = false;
    let mut rest = Vec::with_capacity(content.len());
    for text in content.split_inclusive(|byte| *byte == b'\n') {
        match stale(text.strip_suffix(b"\n").unwrap_or(text), names, gone) {
            None => rest.extend_from_slice(text),
            Some(shorter) => {
                changed = true;
                rest.extend_from_slice(&shorter);
            }
        }
    }
    changed.then_some(rest)
}

/// What is left of a line that was written for one of these machines: nothing, or the other hosts that it names.
fn stale(text: &[u8], names: &Names, gone: &[PublicKey]) -> Option<Vec<u8>> {
    let line = line::split(text).filter(|line| line.marker == Marker::None)?;
    if !pattern::matches(&names.full, line.hosts)? {
        return None;
    }
    let key = line::key(line.rest)?;
    if !gone.iter().any(|gone| gone.key_data() == key.key_data()) {
        return None;
    }
    if pattern::names_only(&names.full, line.hosts) {
        return Some(Vec::new());
    }
    let others = pattern::without(&names.full, line.hosts)?;
    Some([&others, &b" "[..], line.rest, b"\n"].concat())
}

/// In one write, so that another process appending at the same time cannot mix with it.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(line.as_bytes())
}

/// In one move, so that no reader ever sees half of it. A link stays a link.
fn replace(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let file = fs::canonicalize(file)?;
    let temporary = PathBuf::from(format!("{}.{}", file.display(), std::process::id()));
    let permissions = fs::metadata(&file)?.permissions();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut new| {
        new.write_all(content)?;
        new.set_permissions(permissions)?;
        new.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&temporary, &file));
    if moved.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    moved
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
