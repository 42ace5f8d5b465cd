//! What the provider must be told of the key that signs the lab's packages. It stands beside `signing.rs`, because a change
//! of that file rebuilds all packages.

use anyhow::{Context, Result};

use super::signing::key_folder;
use crate::lab::command::{command, output_of};

/// The fingerprint of the key.
pub(in crate::lab) fn of_signing_key() -> Result<String> {
    let mut gpg = command("gpg", ["--batch", "--no-tty", "--with-colons", "--list-keys", "--homedir"]);
    fingerprint(&output_of(gpg.arg(key_folder()?))?).context("gpg knows no fingerprint of the lab's key")
}

/// The first one in what gpg lists for programs.
fn fingerprint(listed: &str) -> Option<String> {
    let record = listed.lines().find(|line| line.starts_with("fpr:"))?;
    record.split(':').nth(9).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_found_in_gpgs_records() {
        let listed = "tru::1:1796093251:0:3:1:5\npub:u:255:22:4ADAC3DDFF693EF7:1796093250:::u:::scSC:::::ed25519:::0:\n\
                      fpr:::::::::CFCCEDAEE5F2734EC3DE32AC4ADAC3DDFF693EF7:\nuid:u::::1796093250::34::kubeone lab::::::::::0:\n";
        assert_eq!(fingerprint(listed).as_deref(), Some("CFCCEDAEE5F2734EC3DE32AC4ADAC3DDFF693EF7"));
        assert_eq!(fingerprint("tru::1:1796093251:0:3:1:5\n"), None);
    }
}
