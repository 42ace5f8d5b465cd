//! What became of the mutants, in a table, one line for each crate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::sample::{self, Mutant};

/// Mutants that change nothing observable, each with a word why: `file: what — why`.
const EQUIVALENT: &str = include_str!("equivalent.txt");

/// Of one crate.
#[derive(Default)]
struct Count {
    caught: usize,
    missed: usize,
    unviable: usize,
    equivalent: usize,
}

#[derive(Default)]
pub(super) struct Outcomes {
    crates: BTreeMap<String, Count>,
    /// The names of those that no test noticed.
    missed: Vec<String>,
}

impl Outcomes {
    /// Reads what cargo-mutants wrote. A mutant that it says nothing of was not tried.
    pub(super) fn read(file: &Path, tried: &[Mutant]) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
        let written: Value = serde_json::from_str(&text).context("cargo-mutants wrote no JSON")?;
        let mut outcomes = Self::default();
        let entries = written["outcomes"].as_array().context("cargo-mutants wrote no outcomes")?;
        for entry in entries {
            let mutant = &entry["scenario"]["Mutant"];
            let (Some(name), Some(package)) = (mutant["name"].as_str(), mutant["package"].as_str()) else { continue };
            outcomes.count(name, package, entry["summary"].as_str().unwrap_or_default())?;
        }
        let counted: usize = outcomes.crates.values().map(Count::all).sum();
        anyhow::ensure!(counted == tried.len(), "cargo-mutants tried {counted} mutants, not {}", tried.len());
        Ok(outcomes)
    }

    fn count(&mut self, name: &str, package: &str, summary: &str) -> Result<()> {
        let count = self.crates.entry(package.to_owned()).or_default();
        match summary {
            // One that makes the tests hang is noticed as well.
            "CaughtMutant" | "Timeout" => count.caught += 1,
            "Unviable" => count.unviable += 1,
            "MissedMutant" if is_equivalent(name) => count.equivalent += 1,
            "MissedMutant" => {
                count.missed += 1;
                self.missed.push(name.to_owned());
            }
            other => anyhow::bail!("`{other}` is what became of {name}, which is unknown here"),
        }
        Ok(())
    }

    /// The share of those that were noticed among those that could be, in percent.
    pub(super) fn rate(&self) -> f64 {
        let sum = |of: fn(&Count) -> usize| self.crates.values().map(of).sum();
        rate(sum(|count| count.caught), sum(|count| count.missed))
    }

    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "{:<28} {:>7} {:>7} {:>7} {:>11} {:>9} {:>6}\n",
            "crate", "mutants", "caught", "missed", "equivalent", "unviable", "rate"
        );
        for (name, count) in &self.crates {
            let Count { caught, missed, unviable, equivalent } = count;
            let (all, rate) = (count.all(), rate(*caught, *missed));
            // Writing into a string cannot fail.
            let _ = writeln!(
                table,
                "{name:<28} {all:>7} {caught:>7} {missed:>7} {equivalent:>11} {unviable:>9} {rate:>4.0} %"
            );
        }
        for name in &self.missed {
            let _ = writeln!(table, "missed: {name}");
        }
        table
    }
}

impl Count {
    fn all(&self) -> usize {
        self.caught + self.missed + self.unviable + self.equivalent
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are a few thousand mutants")]
fn rate(caught: usize, missed: usize) -> f64 {
    if caught + missed == 0 { 100.0 } else { caught as f64 * 100.0 / (caught + missed) as f64 }
}

fn is_equivalent(name: &str) -> bool {
    let name = sample::without_place(name);
    let lines = EQUIVALENT.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" — ")).any(|(mutant, _)| mutant == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(summaries: &[&str]) -> Result<Outcomes> {
        let entry = |(number, summary): (usize, &&str)| {
            let name = format!("provider/x/src/a.rs:{number}:1: replace f with ()");
            serde_json::json!({ "scenario": { "Mutant": { "name": name, "package": "x" } }, "summary": summary })
        };
        let mut outcomes: Vec<Value> = summaries.iter().enumerate().map(entry).collect();
        outcomes.push(serde_json::json!({ "scenario": "Baseline", "summary": "Success" }));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("outcomes.json");
        std::fs::write(&file, serde_json::json!({ "outcomes": outcomes }).to_string()).unwrap();
        let mutant = Mutant { name: String::new(), package: "x".to_owned() };
        Outcomes::read(&file, &vec![mutant; 4])
    }

    #[test]
    fn those_that_were_missed_are_named_and_lower_the_rate() {
        let outcomes = written(&["CaughtMutant", "Timeout", "Unviable", "MissedMutant"]).unwrap();
        assert!((outcomes.rate() - 200.0 / 3.0).abs() < 0.01, "{}", outcomes.rate());
        let table = outcomes.table();
        assert!(table.contains("missed: provider/x/src/a.rs:3:1: replace f with ()"), "{table}");
        assert!(table.lines().nth(1).unwrap().ends_with("67 %"), "{table}");
    }

    /// A run that was cut off proves nothing.
    #[test]
    fn all_must_have_been_tried() {
        assert!(written(&["CaughtMutant"]).is_err());
        assert!(written(&["CaughtMutant", "CaughtMutant", "CaughtMutant", "Failure"]).is_err());
    }

    #[test]
    fn whatever_is_called_equivalent_has_a_reason() {
        for line in EQUIVALENT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (mutant, why) = line.split_once(" — ").unwrap_or_else(|| panic!("no reason: {line}"));
            assert!(mutant.contains(".rs: ") && why.len() > 10, "{line}");
        }
    }
}
