//! Reads a copy of a snapshot and checks every byte of it.

use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use age::{DecryptError, Decryptor};
use kubeone_facts::Snapshot;
use kubeone_hosts::RemoteFile;
use kubeone_spec::Secret;
use tar::Archive;

use super::content::{Extent, Weighed};
use super::{Bundle, BundleError, Identity, MAGIC, open_file};
use crate::shared_path::shared_path;

/// Far more than any of these files has. A bundle is encrypted, but anyone can make one.
const LARGEST_FILE: u64 = 1 << 20;
const MOST_FILES: usize = 64;

/// Opens `NAME.age` with one of the identities, or `NAME.db` with the description `NAME.json` beside it, which may be
/// named as well. What is answered is whole: the checksum of the snapshot was compared.
pub fn open(path: &Path, identities: &[Identity]) -> Result<Bundle, BundleError> {
    if path.extension().is_some_and(|kind| kind == "json") {
        return open_plain(&path.with_extension("db"));
    }
    if is_encrypted(path)? { open_encrypted(path, identities) } else { open_plain(path) }
}

fn is_encrypted(path: &Path) -> Result<bool, BundleError> {
    let mut begin = Vec::new();
    let read = open_file(path)?.take(MAGIC.len() as u64).read_to_end(&mut begin);
    read.map_err(|error| BundleError::reading(path, error))?;
    // A file that was cut within its first line is a bundle still.
    let is_beginning = !begin.is_empty() && MAGIC.starts_with(&begin);
    Ok(is_beginning || path.extension().is_some_and(|kind| kind == "age") && begin.is_empty())
}

/// The bytes of the archive, or of the snapshot itself.
pub(super) fn plaintext(path: &Path, identities: &[Identity]) -> Result<Box<dyn Read + Send>, BundleError> {
    if !is_encrypted(path)? {
        return Ok(Box::new(open_file(path)?));
    }
    if identities.is_empty() {
        return Err(BundleError::NoIdentity { path: path.to_owned() });
    }
    let refused = |error| refused(path, error);
    let decryptor = Decryptor::new_buffered(BufReader::new(open_file(path)?)).map_err(refused)?;
    let reader = decryptor.decrypt(identities.iter().map(Identity::as_age)).map_err(refused)?;
    Ok(Box::new(reader))
}

fn refused(path: &Path, error: DecryptError) -> BundleError {
    match error {
        DecryptError::Io(error) => BundleError::reading(path, error),
        DecryptError::NoMatchingKeys => BundleError::WrongIdentity { path: path.to_owned() },
        error => BundleError::damaged(path, error.to_string()),
    }
}

fn open_encrypted(path: &Path, identities: &[Identity]) -> Result<Bundle, BundleError> {
    let reading = |error| BundleError::reading(path, error);
    let damaged = |problem: String| BundleError::damaged(path, problem);
    let mut archive = Archive::new(plaintext(path, identities)?);
    let (mut snapshot, mut files, mut database) = (None, Vec::new(), None);
    for entry in archive.entries().map_err(reading)? {
        let mut entry = entry.map_err(reading)?;
        let name = entry.path().map_err(reading)?.into_owned();
        if !entry.header().entry_type().is_file() || database.is_some() || files.len() == MOST_FILES {
            return Err(damaged(format!("`{}` does not belong into it", name.display())));
        }
        match (name.parent(), name.extension().and_then(|kind| kind.to_str()), &snapshot) {
            (Some(folder), Some("json"), None) if folder == Path::new("") => {
                let text = whole(&mut entry).map_err(reading)?;
                snapshot = Some(describe(path, &text)?);
            }
            (Some(folder), Some("db"), Some(snapshot)) if folder == Path::new("") => {
                let begin = entry.raw_file_position();
                let mut weighed = Weighed::new(&mut entry);
                let size = io::copy(&mut weighed, &mut io::sink()).map_err(reading)?;
                check(path, weighed, snapshot)?;
                database = Some(Extent { begin, size });
            }
            _ => files.push(file(path, &name, &mut entry)?),
        }
    }
    // What follows the last file is padding, and the end without which the bundle is not whole.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(reading)?;
    let snapshot = snapshot.ok_or_else(|| damaged("there is no description in it".to_owned()))?;
    let database = database.ok_or_else(|| damaged("there is no snapshot in it".to_owned()))?;
    Ok(Bundle { snapshot, files, path: path.to_owned(), identities: identities.to_vec(), database })
}

/// A file of a control plane.
fn file<R: Read>(bundle: &Path, name: &Path, entry: &mut tar::Entry<'_, R>) -> Result<RemoteFile, BundleError> {
    let is_plain = name.components().count() > 1 && name.components().all(|it| matches!(it, Component::Normal(_)));
    let path = is_plain.then(|| name.to_str()).flatten().map(|name| format!("/{name}"));
    let Some(path) = path else {
        let name = name.to_string_lossy();
        return Err(BundleError::damaged(bundle, format!("`{}` does not belong into it", name.escape_debug())));
    };
    let path = shared_path(&path).map_err(|error| BundleError::damaged(bundle, error.to_string()))?.to_owned();
    let reading = |error| BundleError::reading(bundle, error);
    let mode = entry.header().mode().map_err(reading)? & 0o644;
    let content = Secret::new(whole(entry).map_err(reading)?);
    Ok(RemoteFile { path, content, mode })
}

fn open_plain(path: &Path) -> Result<Bundle, BundleError> {
    let not_a_bundle = || BundleError::NotABundle { path: path.to_owned() };
    let description = path.with_extension("json");
    if path.extension().is_none_or(|kind| kind != "db") || !description.is_file() {
        open_file(path)?;
        return Err(not_a_bundle());
    }
    let reading = |error| BundleError::reading(&description, error);
    let text = whole(&mut open_file(&description)?).map_err(reading)?;
    let snapshot = describe(&description, &text)?;
    let mut weighed = Weighed::new(open_file(path)?);
    let size = io::copy(&mut weighed, &mut io::sink()).map_err(|error| BundleError::reading(path, error))?;
    if size < snapshot.content.size {
        return Err(BundleError::Truncated { path: path.to_owned() });
    }
    check(path, weighed, &snapshot)?;
    let database = Extent { begin: 0, size };
    Ok(Bundle { snapshot, files: Vec::new(), path: path.to_owned(), identities: Vec::new(), database })
}

fn describe(path: &Path, text: &[u8]) -> Result<Snapshot, BundleError> {
    let unreadable = |error| BundleError::damaged(path, format!("its description cannot be understood: {error}"));
    serde_json::from_slice(text).map_err(unreadable)
}

fn check<R: Read>(path: &Path, weighed: Weighed<R>, snapshot: &Snapshot) -> Result<(), BundleError> {
    if weighed.is(&snapshot.content) {
        return Ok(());
    }
    Err(BundleError::damaged(path, "the checksum of the snapshot is not the one in its description"))
}

fn whole(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "one of its files is too large"));
    }
    Ok(bytes)
}
