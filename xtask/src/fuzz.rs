//! Runs the property tests for long: each with many random inputs, again and again, until the time is over or one fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::project;
use crate::run::{self, say, seconds};

#[derive(Args)]
pub(crate) struct Options {
    /// Run only the properties whose path contains this, such as `any_text_becomes_visible` or `os::observed`
    name: Option<String>,
    /// How long to go on
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many inputs each property gets in a round
    #[arg(long, default_value_t = 2000)]
    cases: u32,
}

/// The module or file that holds property tests, and how their names begin.
const MODULE: &str = "properties";
const PREFIX: &str = "any_";

/// A property, and the program of tests it is in.
struct Property {
    name: String,
    program: Program,
}

/// A program of tests that cargo built.
#[derive(Clone)]
struct Program {
    executable: PathBuf,
    /// Where cargo runs it: relative paths in tests are meant from there.
    folder: PathBuf,
    target: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = |property: &Property| options.name.as_ref().is_none_or(|part| property.name.contains(part.as_str()));
    let properties: Vec<Property> = properties()?.into_iter().filter(wanted).collect();
    if properties.is_empty() {
        bail!("there is no such property");
    }
    say(&format!("{} properties, {} min, {} inputs each in a round", properties.len(), options.minutes, options.cases));
    let (began, limit) = (Instant::now(), Duration::from_secs(options.minutes * 60));
    let mut spent: BTreeMap<&str, (u32, Duration)> = BTreeMap::new();
    // Every property gets its turn, however short the time is.
    for round in 1.. {
        for property in &properties {
            if round > 1 && began.elapsed() >= limit {
                return report(&spent);
            }
            let turn = Instant::now();
            check(property, options.cases)?;
            let entry = spent.entry(&property.name).or_default();
            *entry = (entry.0 + options.cases, entry.1 + turn.elapsed());
        }
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the end of a run that can fail")]
fn report(spent: &BTreeMap<&str, (u32, Duration)>) -> Result<()> {
    for (name, (cases, time)) in spent {
        say(&format!("{cases:>9} inputs  {:>9}  {name}", seconds(*time)));
    }
    Ok(())
}

/// proptest writes an input that fails to `proptest-regressions`, where the quick tests find it from then on.
fn check(property: &Property, cases: u32) -> Result<()> {
    let mut test = Command::new(&property.program.executable);
    test.args(["--exact", &property.name]).current_dir(&property.program.folder);
    test.env("PROPTEST_CASES", cases.to_string()).env("PROPTEST_MAX_SHRINK_ITERS", "10000");
    run::quiet(&mut test).with_context(|| format!("`{}` of `{}` does not hold", property.name, property.program.target))
}

/// All property tests of the workspace.
fn properties() -> Result<Vec<Property>> {
    let mut found = Vec::new();
    for program in programs()? {
        let mut list = Command::new(&program.executable);
        let listed = run::output(list.args(["--list", "--format", "terse"]).current_dir(&program.folder))?;
        let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
        let names = names.filter(|name| is_property(&program.target, name));
        found.extend(names.map(|name| Property { name: name.to_owned(), program: program.clone() }));
    }
    Ok(found)
}

fn is_property(target: &str, name: &str) -> bool {
    let (module, function) = name.rsplit_once("::").unwrap_or(("", name));
    let is_module = module.split("::").any(|part| part == MODULE) || target == MODULE;
    is_module && function.starts_with(PREFIX)
}

/// Builds all tests.
fn programs() -> Result<Vec<Program>> {
    let mut build = project::cargo();
    build.args(["test", "--workspace", "--no-run"]);
    let messages = project::built(&mut build).context("the tests do not build")?;
    let tests = messages.into_iter().filter(|message| message["profile"]["test"] == true);
    let program = |message: Value| {
        let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned();
        let target = message["target"]["name"].as_str()?.to_owned();
        Some(Program { executable: message["executable"].as_str()?.into(), folder, target })
    };
    Ok(tests.filter_map(program).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_told_from_other_tests() {
        for name in ["visible::tests::properties::any_text", "properties::deep::any_bytes"] {
            assert!(is_property("tfplugin", name), "{name}");
        }
        assert!(is_property("properties", "any_text"));
        for name in ["scripts::many_small_scripts_are_quick", "properties::text", "tests::any_text", "any_text"] {
            assert!(!is_property("tfplugin", name), "{name}");
        }
    }
}
