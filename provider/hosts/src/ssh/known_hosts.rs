//! What known_hosts files say about a host, and what that means for the key it shows: as OpenSSH's client decides it.

mod line;
mod pattern;
mod record;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use line::Marker;
pub(super) use record::record;
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};

use super::host_certificate;
use super::public_key::is_same_kind;

/// The names under which a server is looked up, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `host`, or `[host]:port` where the port is not 22.
    full: String,
    /// The same without a port: a key that is known under it is known on all ports.
    bare: String,
}

impl Names {
    pub(super) fn of(address: &str, port: u16) -> Self {
        let bare = canonical(address);
        Self { full: if port == 22 { bare.clone() } else { format!("[{bare}]:{port}") }, bare }
    }

    /// The host itself, as a certificate names it.
    pub(super) fn host(&self) -> &str {
        &self.bare
    }
}

/// An address has many spellings, and a name has no case.
fn canonical(address: &str) -> String {
    let address = address.to_lowercase();
    let (ip, zone) = address.split_once('%').map_or((address.as_str(), None), |(ip, zone)| (ip, Some(zone)));
    match (ip.parse::<Ipv6Addr>(), zone) {
        (Ok(ip), Some(zone)) => format!("{ip}%{zone}"),
        (Ok(ip), None) => ip.to_string(),
        (Err(_), _) => address,
    }
}

/// A line about a host.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    marker: Marker,
    pub(super) key: PublicKey,
    pub(super) file: PathBuf,
    pub(super) line: usize,
    /// The line is about this host alone, or names it among others.
    is_own: bool,
}

/// What follows from the lines about a host for the key or certificate it shows.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The key is its own, or a certificate of an authority for this host.
    Known,
    /// Nothing speaks of the host. Why its certificate says nothing, should an authority for this host have issued it.
    New {
        certificate: Option<&'static str>,
    },
    /// Other keys are its own.
    Changed(Box<Entry>),
    Revoked {
        file: PathBuf,
    },
    /// The certificate is forged or damaged.
    Forged,
}

/// Content of the files, read once.
pub(super) struct KnownHosts(Vec<(PathBuf, Vec<u8>)>);

impl KnownHosts {
    /// Files that do not exist say nothing.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, (PathBuf, std::io::Error)> {
        let mut contents = Vec::new();
        for file in files {
            match fs::read(file) {
                Ok(content) => contents.push((file.clone(), content)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err((file.clone(), error)),
            }
        }
        Ok(Self(contents))
    }

    /// The lines about a name, in their order.
    fn entries(&self, name: &str) -> Vec<Entry> {
        self.0.iter().flat_map(|(file, content)| entries_of(file, content, name)).collect()
    }

    /// The lines about a host with its port, and those without one where that is another name.
    fn about(&self, names: &Names) -> (Vec<Entry>, Vec<Entry>) {
        let bare = if names.bare == names.full { Vec::new() } else { self.entries(&names.bare) };
        (self.entries(&names.full), bare)
    }

    /// Decides as OpenSSH does. Keys in `gone` are those of machines that had this address before: the lines that were
    /// written for them say nothing about the one that has it now.
    pub(super) fn judge(&self, names: &Names, shown: &PublicKeyOrCertificate, gone: &[PublicKey]) -> Verdict {
        let (full, bare) = self.about(names);
        if let Some(file) = revoked(full.iter().chain(&bare), shown) {
            return Verdict::Revoked { file };
        }
        let mut certificate = None;
        if let Some(shown) = shown.certificate() {
            if !host_certificate::is_intact(shown) {
                return Verdict::Forged;
            }
            let issued =
                |entry: &Entry| entry.marker == Marker::CertAuthority && entry.key.key_data() == shown.signature_key();
            if full.iter().chain(&bare).any(issued) {
                match host_certificate::check(shown, names.host(), SystemTime::now()) {
                    Ok(()) => return Verdict::Known,
                    Err(reason) => certificate = Some(reason),
                }
            }
        }
        // Without a certificate that helps, the key in it counts like any other.
        let key = shown.public_key();
        let is_it = |entry: &Entry| entry.marker == Marker::None && entry.key.key_data() == key.key_data();
        if full.iter().any(is_it) {
            return Verdict::Known;
        }
        let other = full.iter().filter(|entry| entry.marker == Marker::None).find(|entry| !entry.is_about(gone));
        if let Some(other) = other {
            return Verdict::Changed(Box::new(other.clone()));
        }
        if bare.iter().any(is_it) { Verdict::Known } else { Verdict::New { certificate } }
    }

    /// Where this key is marked as revoked for the host.
    pub(super) fn revoked(&self, names: &Names, shown: &PublicKeyOrCertificate) -> Option<PathBuf> {
        let (full, bare) = self.about(names);
        revoked(full.iter().chain(&bare), shown)
    }

    /// Whether something is known by which the host can be told from others.
    pub(super) fn knows(&self, names: &Names, gone: &[PublicKey]) -> bool {
        let (full, bare) = self.about(names);
        full.iter().chain(&bare).any(|entry| match entry.marker {
            Marker::None => !entry.is_about(gone),
            Marker::CertAuthority => true,
            Marker::Revoked => false,
        })
    }

    /// Of these algorithms the ones of keys that are known of the host first, so that it shows a key that can be compared;
    /// and whether its certificate is of use.
    pub(super) fn preference(&self, names: &Names, gone: &[PublicKey], all: &[Algorithm]) -> (Vec<Algorithm>, bool) {
        let (full, bare) = self.about(names);
        let known: Vec<_> = full
            .iter()
            .filter(|entry| entry.marker == Marker::None && !entry.is_about(gone))
            .map(|entry| entry.key.algorithm())
            .collect();
        let is_known = |algorithm: &Algorithm| known.iter().any(|known| is_same_kind(known, algorithm));
        let (first, last): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_known);
        let is_marked = |entry: &Entry| entry.marker != Marker::None;
        let certificates = full.iter().chain(&bare).any(is_marked);
        (first.into_iter().chain(last).collect(), certificates)
    }
}

impl Entry {
    /// Whether it was written for a machine with one of these keys.
    fn is_about(&self, gone: &[PublicKey]) -> bool {
        self.is_own && gone.iter().any(|key| key.key_data() == self.key.key_data())
    }
}

fn entries_of(file: &Path, content: &[u8], name: &str) -> Vec<Entry> {
    let lines = (1..).zip(content.split(|byte| *byte == b'\n'));
    let entry = |(number, text)| {
        let line = line::split(text)?;
        if !pattern::matches(name, line.hosts)? {
            return None;
        }
        let key = line::key(line.rest)?;
        let is_own = pattern::names_only(name, line.hosts) || pattern::without(name, line.hosts).is_some();
        Some(Entry { marker: line.marker, key, file: file.to_owned(), line: number, is_own })
    };
    lines.filter_map(entry).collect()
}

fn revoked<'a>(mut entries: impl Iterator<Item = &'a Entry>, shown: &PublicKeyOrCertificate) -> Option<PathBuf> {
    let key = shown.public_key();
    let authority = shown.certificate().map(russh::keys::Certificate::signature_key);
    let is_it = |entry: &&Entry| {
        let revoked = entry.key.key_data();
        entry.marker == Marker::Revoked && (revoked == key.key_data() || authority == Some(revoked))
    };
    entries.find(is_it).map(|entry| entry.file.clone())
}
