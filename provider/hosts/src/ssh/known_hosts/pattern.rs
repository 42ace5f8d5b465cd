//! Host names and patterns in a known_hosts line, matched as OpenSSH's match.c and hostfile.c match them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// OpenSSH copies each pattern into a buffer of 1024 bytes and gives the list up where one does not fit.
const LONGEST_PATTERN: usize = 1022;

const HASHED: &[u8] = b"|1|";
const SALT_BYTES: usize = 20;

/// Whether the host field of a line means `host`, which is in lower case. `None`: the field is malformed.
pub(super) fn matches(host: &str, field: &[u8]) -> Option<bool> {
    if field.first() == Some(&b'|') { matches_hashed(host, field) } else { Some(matches_list(host, field)) }
}

/// Whether the field names `host` itself and no other host: hashed, or written out.
pub(super) fn names_only(host: &str, field: &[u8]) -> bool {
    field.first() == Some(&b'|') || field.eq_ignore_ascii_case(host.as_bytes())
}

/// The field without `host`; `None` unless `host` stands there by itself beside others.
pub(super) fn without(host: &str, field: &[u8]) -> Option<Vec<u8>> {
    let patterns = field.split(|byte| *byte == b',');
    let (its, others): (Vec<_>, Vec<_>) = patterns.partition(|it| it.eq_ignore_ascii_case(host.as_bytes()));
    let rest = others.join(&b',');
    // What still means the host, such as a wildcard, was not written for this machine alone.
    (!its.is_empty() && !others.is_empty() && !matches_list(host, &rest)).then_some(rest)
}

/// `|1|salt|hash`, compared as text: OpenSSH hashes the name with the salt and compares the whole field.
fn matches_hashed(host: &str, field: &[u8]) -> Option<bool> {
    let rest = field.strip_prefix(HASHED)?;
    let end = rest.iter().position(|byte| *byte == b'|')?;
    let salt = STANDARD.decode(&rest[..end]).ok().filter(|salt| salt.len() == SALT_BYTES)?;
    let hash = Hmac::<Sha1>::new_from_slice(&salt).ok()?.chain_update(host).finalize().into_bytes();
    Some(rest[end + 1..] == *STANDARD.encode(hash).as_bytes())
}

/// A list with commas. A negated pattern that matches takes the host out of the list, wherever it stands.
fn matches_list(host: &str, list: &[u8]) -> bool {
    let mut found = false;
    // An empty rest after the last comma is no pattern.
    let list = list.strip_suffix(b",").unwrap_or(list);
    for pattern in list.split(|byte| *byte == b',') {
        let (negated, pattern) = match pattern.strip_prefix(b"!") {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if pattern.len() > LONGEST_PATTERN {
            return false;
        }
        if matches_pattern(host.as_bytes(), &pattern.to_ascii_lowercase()) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// `*` is any text, `?` any byte. Takes time in proportion to both lengths at most.
pub(super) fn matches_pattern(mut text: &[u8], mut pattern: &[u8]) -> bool {
    // Where to go on should what follows the last asterisk not fit.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((text, rest));
                pattern = rest;
            }
            (Some((wanted, pattern_rest)), Some((byte, text_rest))) if *wanted == b'?' || wanted == byte => {
                (pattern, text) = (pattern_rest, text_rest);
            }
            (None, None) => return true,
            _ => {
                let Some((start, after)) = retry else { return false };
                let Some((_, start)) = start.split_first() else { return false };
                (text, pattern) = (start, after);
                retry = Some((start, after));
            }
        }
    }
}
