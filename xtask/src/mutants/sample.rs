//! The mutants there are, and a sample of them.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

/// One small fault, as cargo-mutants describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// Such as `provider/spec/src/x.rs:12:5: replace > with >= in y`.
    pub(super) name: String,
    pub(super) package: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Mutant {
    /// A regular expression that this mutant matches and no other.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::from("^");
        for character in self.name.chars() {
            if "\\.+*?()|[]{}^$#&-~".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + "$"
    }
}

/// What `cargo mutants --list --json` prints.
pub(super) fn read(printed: &str) -> Result<Vec<Mutant>> {
    let listed: Vec<Value> = serde_json::from_str(printed).context("cargo-mutants printed no list")?;
    let mutant = |value: &Value| {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Mutant { name: text("name")?, package: text("package")? })
    };
    listed.iter().map(|value| mutant(value).context("cargo-mutants describes a mutant in another way")).collect()
}

/// A sample that depends on the seed and on nothing else, in the order of the list. A mutant that stays in the list stays in
/// the sample as long as no other takes its place, so that rates of two versions of the code can be compared.
pub(super) fn draw<T: fmt::Display>(mutants: Vec<T>, size: usize, seed: u64) -> Vec<T> {
    let mut ranks: Vec<(u64, usize)> =
        mutants.iter().enumerate().map(|(number, it)| (rank(&without_place(&it.to_string()), seed), number)).collect();
    ranks.sort_unstable();
    let drawn: BTreeSet<usize> = ranks.into_iter().take(size).map(|(_, number)| number).collect();
    mutants.into_iter().enumerate().filter(|(number, _)| drawn.contains(number)).map(|(_, it)| it).collect()
}

/// The packages of these mutants.
pub(super) fn packages(mutants: &[Mutant]) -> BTreeSet<&str> {
    mutants.iter().map(|mutant| mutant.package.as_str()).collect()
}

/// A name without its line and column: those change with every line above it.
pub(super) fn without_place(name: &str) -> String {
    let Some((place, what)) = name.split_once(": ") else { return name.to_owned() };
    format!("{}: {what}", place.split(':').next().unwrap_or(place))
}

/// FNV-1a, which is the same on all machines and in all versions of Rust.
fn rank(text: &str, seed: u64) -> u64 {
    let begin = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text.bytes().fold(begin, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutants(names: &[&str]) -> Vec<Mutant> {
        names.iter().map(|name| Mutant { name: (*name).to_owned(), package: "p".to_owned() }).collect()
    }

    #[test]
    fn a_sample_depends_on_its_seed_alone() {
        let names: Vec<String> = (0..100).map(|number| format!("a.rs:{number}:1: replace f{number} with ()")).collect();
        let all = mutants(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let first = draw(all.clone(), 10, 1);
        assert_eq!(first.len(), 10);
        assert_eq!(first, draw(all.clone(), 10, 1));
        assert_ne!(first, draw(all.clone(), 10, 2));
        // Lines that were added above move everything, and change nothing.
        let moved: Vec<String> =
            (0..100).map(|number| format!("a.rs:9{number}:1: replace f{number} with ()")).collect();
        let moved = draw(mutants(&moved.iter().map(String::as_str).collect::<Vec<_>>()), 10, 1);
        let plain = |drawn: &[Mutant]| drawn.iter().map(|it| without_place(&it.name)).collect::<Vec<_>>();
        assert_eq!(plain(&moved), plain(&first));
        assert_eq!(draw(all.clone(), 1000, 1), all);
    }

    #[test]
    fn a_pattern_means_one_mutant() {
        let mutant = &mutants(&["a.rs:1:2: replace f -> Option<(u8, [u8; 2])> with Some((1, [0, 1]))"])[0];
        assert_eq!(
            mutant.pattern(),
            r"^a\.rs:1:2: replace f \-> Option<\(u8, \[u8; 2\]\)> with Some\(\(1, \[0, 1\]\)\)$"
        );
    }
}
