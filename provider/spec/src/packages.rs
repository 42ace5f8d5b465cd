//! Where packages come from and which signatures they need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding};

/// Number of digits of an OpenPGP key's fingerprint, version 4.
const FINGERPRINT_DIGITS: usize = 40;

/// How hosts get their packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// Fingerprints of additional keys that may sign package repositories, for mirrors that sign with their own key: 40
    /// hexadecimal digits each, spaces allowed. The provider knows the keys of pkgs.k8s.io and Docker. A repository
    /// that offers any other key is refused before the key is installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_key_fingerprints: Vec<String>,
}

impl Packages {
    /// The fingerprints as gpg prints them: capital letters, no spaces.
    pub fn fingerprints(&self) -> impl Iterator<Item = String> {
        self.signing_key_fingerprints.iter().filter_map(|text| fingerprint(text))
    }
}

fn fingerprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    let is_one = digits.len() == FINGERPRINT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| digits.to_ascii_uppercase())
}

pub(crate) fn findings(packages: &Packages) -> Vec<Finding> {
    let path = FieldPath::root("packages").field("signing_key_fingerprints");
    let wrong = packages.signing_key_fingerprints.iter().enumerate().filter(|(_, text)| fingerprint(text).is_none());
    wrong
        .map(|(number, text)| {
            Finding::error(
                path.clone().index(number),
                format!("`{text}` is not the fingerprint of a key"),
                format!(
                    "Write all {FINGERPRINT_DIGITS} hexadecimal digits, as `gpg --show-keys` prints them. A short key ID \
                     is not enough: anyone can create a key with the same one."
                ),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "0123456789abcdef0123456789ABCDEF01234567";

    fn packages(text: &str) -> Packages {
        Packages { signing_key_fingerprints: vec![text.to_owned()] }
    }

    #[test]
    fn spaces_and_letter_case_make_no_difference() {
        for text in [DIGITS.to_owned(), "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567".to_owned()] {
            assert_eq!(findings(&packages(&text)), []);
            assert_eq!(packages(&text).fingerprints().collect::<Vec<_>>(), [DIGITS.to_ascii_uppercase()]);
        }
    }

    #[test]
    fn partial_fingerprints_are_refused() {
        let long = format!("{DIGITS}0");
        let bad = [
            "",
            "0EBFCD88",
            "8D81803C0EBFCD88",
            &DIGITS[1..],
            &long,
            &DIGITS.replace('0', "g"),
            &DIGITS.replace('0', "é"),
        ];
        for text in bad.iter().copied().chain([format!("0x{}", &DIGITS[2..]).as_str(), &format!("{DIGITS}\n")]) {
            let found = findings(&packages(text));
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].path.to_string(), "packages.signing_key_fingerprints[0]");
            assert_eq!(packages(text).fingerprints().count(), 0, "{text}");
        }
    }
}
