//! One line of a known_hosts file, read as OpenSSH's hostfile.c reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

use super::super::public_key::is_too_short;

/// What the key of a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// It is a host's own key.
    None,
    CertAuthority,
    Revoked,
}

/// The parts of a line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) marker: Marker,
    pub(super) hosts: &'a [u8],
    /// The kind of key, the key and a comment.
    pub(super) rest: &'a [u8],
}

/// Kinds of keys that OpenSSH knows, and how the key itself names them. Lines with others say nothing.
const KINDS: [(&str, &str); 10] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("ssh-rsa", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("ssh-dss", "ssh-dss"),
    ("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com"),
    ("sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
];

/// `None` for a blank line, a comment, and a line that OpenSSH skips.
pub(super) fn split(line: &[u8]) -> Option<Line<'_>> {
    let line = skip_blanks(line);
    if line.is_empty() || line[0] == b'#' {
        return None;
    }
    let (marker, line) = marker(line)?;
    // OpenSSH works on strings of C: one ends at a NUL, and so do the names of hosts.
    let end = line.iter().position(|byte| is_blank(*byte) || *byte == 0)?;
    let rest = line[end + 1..].split(|byte| *byte == 0).next().unwrap_or_default();
    Some(Line { marker, hosts: &line[..end], rest: skip_blanks(rest) })
}

fn marker(line: &[u8]) -> Option<(Marker, &[u8])> {
    if line[0] != b'@' {
        return Some((Marker::None, line));
    }
    let end = line.iter().position(|byte| is_blank(*byte))?;
    let rest = skip_blanks(&line[end..]);
    // OpenSSH looks for a space before it looks for a tab, so it skips a line that has the tab first. What would widen
    // trust is read exactly so; what takes trust away is read as it was meant.
    let as_openssh = line[end] == b' ' || !line.contains(&b' ');
    match &line[..end] {
        _ if rest.first() == Some(&b'@') => None,
        b"@revoked" => Some((Marker::Revoked, rest)),
        b"@cert-authority" if as_openssh => Some((Marker::CertAuthority, rest)),
        _ => None,
    }
}

/// The key in the rest of a line; `None` where OpenSSH finds none.
pub(super) fn key(rest: &[u8]) -> Option<PublicKey> {
    let end = rest.iter().position(|byte| is_blank(*byte))?;
    let kind = std::str::from_utf8(&rest[..end]).ok()?;
    let text = skip_blanks(&rest[end..]);
    let text = text.split(|byte| is_blank(*byte)).next()?;
    // The decoder of OpenSSH passes over white space, such as the end of a line from Windows.
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | 0x0b | 0x0c)).collect();
    let key = PublicKey::from_bytes(&STANDARD.decode(text).ok()?).ok()?;
    let own = key.algorithm().to_string();
    (KINDS.contains(&(kind, own.as_str())) && !is_too_short(&key)).then_some(key)
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_blank(*byte)).unwrap_or(text.len());
    &text[start..]
}
