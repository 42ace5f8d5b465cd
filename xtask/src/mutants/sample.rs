//! The mutants there are, and a sample of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fmt, fs};

use anyhow::{Context, Result};
use regex::RegexSet;
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

/// What `cargo mutants --list --json` prints.
pub(super) fn read(printed: &str) -> Result<Vec<Mutant>> {
    let listed: Vec<Value> = serde_json::from_str(printed).context("cargo-mutants printed no list")?;
    let mutant = |value: &Value| {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Mutant { name: text("name")?, package: text("package")? })
    };
    listed.iter().map(|value| mutant(value).context("cargo-mutants describes a mutant in another way")).collect()
}

/// Those whose names match one of these expressions, or all when there is none. cargo-mutants has an option for that, and does not
/// hold faults in the fields of structs to it.
pub(super) fn matching(mutants: &[Mutant], expressions: &[String]) -> Result<Vec<Mutant>> {
    let set = RegexSet::new(expressions).context("`--re` is no regular expression")?;
    Ok(mutants.iter().filter(|it| expressions.is_empty() || set.is_match(&it.name)).cloned().collect())
}

/// Prepares a folder of results so that `cargo mutants --iterate` tries the drawn ones alone: it passes over whatever a run before
/// it has caught. So the selection is exact, and no command line is too long for it.
pub(super) fn leave_out(results: &Path, all: &[Mutant], drawn: &[Mutant]) -> Result<()> {
    let before = results.join("mutants.out");
    if before.exists() {
        fs::remove_dir_all(&before).with_context(|| format!("could not remove {}", before.display()))?;
    }
    fs::create_dir_all(&before).with_context(|| format!("could not create {}", before.display()))?;
    let drawn: BTreeSet<&str> = drawn.iter().map(|it| it.name.as_str()).collect();
    let others = all.iter().map(|it| it.name.as_str()).filter(|name| !drawn.contains(name));
    let others: String = others.flat_map(|name| [name, "\n"]).collect();
    let file = before.join("previously_caught.txt");
    fs::write(&file, others).with_context(|| format!("could not write {}", file.display()))
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
    fn names_are_matched_whatever_the_kind_of_fault() {
        let all = mutants(&["a.rs:1:2: delete field x from struct X expression in f", "b.rs:1:2: replace g with ()"]);
        let names = |re: &[&str]| {
            let re: Vec<String> = re.iter().map(|it| (*it).to_owned()).collect();
            matching(&all, &re).unwrap().into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]).len(), 2);
        assert_eq!(names(&["^b", "none"]), ["b.rs:1:2: replace g with ()"]);
        assert!(names(&["none"]).is_empty());
        assert!(matching(&all, &["(".to_owned()]).is_err());
    }

    /// What a run before has left would be taken for mutants that were noticed.
    #[test]
    fn all_but_the_drawn_ones_are_left_out() {
        let all = mutants(&["a.rs:1:2: a", "a.rs:1:3: a", "b.rs:1:2: b"]);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join("mutants.out").join(name);
        leave_out(folder.path(), &all, &[]).unwrap();
        fs::write(file("caught.txt"), "a.rs:1:3: a\n").unwrap();
        leave_out(folder.path(), &all, &all[1..2]).unwrap();
        assert_eq!(fs::read_to_string(file("previously_caught.txt")).unwrap(), "a.rs:1:2: a\nb.rs:1:2: b\n");
        assert!(!file("caught.txt").exists());
    }
}
