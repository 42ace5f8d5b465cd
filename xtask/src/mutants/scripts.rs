//! Faults in the scripts of hosts, one at a time: the tests that run a script for real must notice.
//!
//! Which tests run a script is learned in a run without a fault, so each fault costs a few tests, and no build. They run one by
//! one, those first that run little else, until one fails. The answer is printed at once, so a long run that is ended early keeps
//! what it found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};

use super::sample;
use super::script_faults::{self, Fault};
use crate::project;
use crate::run::{self, Journal, say};

const LIST: &str = "tests/scripts/mutants.txt";
/// What the tests know these by: `provider/hosts/tests/scripts/mutant.rs`.
const MUTANT: &str = "KUBEONE_SCRIPT_MUTANT";
const USES: &str = "KUBEONE_SCRIPT_USES";

/// How the list of faults is worked on.
pub(super) struct Attempt<'a> {
    pub(super) files: &'a [String],
    /// So many of them, drawn with the seed.
    pub(super) sample: Option<usize>,
    pub(super) seed: u64,
    pub(super) jobs: usize,
    pub(super) list: bool,
    pub(super) goal: u32,
}

pub(super) fn run(attempt: &Attempt<'_>, journal: &mut Journal) -> Result<()> {
    let root = project::root().join("provider/hosts");
    let text = std::fs::read_to_string(root.join(LIST)).with_context(|| format!("could not read {LIST}"))?;
    let mut faults = script_faults::parse(&text)?;
    faults.retain(|fault| attempt.files.is_empty() || attempt.files.iter().any(|file| fault.script.contains(file)));
    ensure!(!faults.is_empty(), "no fault matches");
    let count = faults.len();
    if let Some(size) = attempt.sample {
        faults = sample::draw(faults, size, attempt.seed);
    }
    for fault in &faults {
        let script = std::fs::read_to_string(root.join(&fault.script));
        fault.apply(&script.with_context(|| format!("could not read {}", fault.script))?)?;
        if attempt.list {
            say(&fault.to_string());
        }
    }
    if attempt.list {
        return Ok(());
    }
    say(&format!("  {} of {count} faults are tried", faults.len()));
    let program = journal.part("build the tests of scripts", test_program)?;
    let uses = journal.part("run them without a fault", || without_fault(&program))?;
    let missed = journal.part("try the faults", || attempt_all(&root, &program, &faults, &uses, attempt.jobs))?;
    report(&faults, &missed, attempt.goal)
}

/// The program with the tests of scripts, built.
fn test_program() -> Result<PathBuf> {
    let mut command = project::cargo();
    command.args(["test", "--package", "kubeone-hosts", "--test", "scripts", "--no-run"]);
    let mut programs = project::built(&mut command)?.into_iter().filter_map(|message| {
        let is_it = message["target"]["name"] == "scripts" && message["profile"]["test"] == true;
        is_it.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    programs.next_back().context("cargo names no program")
}

/// The tests that run each script. What fails now would be taken for the notice of a fault.
fn without_fault(program: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let uses = tempfile::NamedTempFile::new().context("could not make a file")?;
    run::quiet(Command::new(program).env(USES, uses.path()).env_remove(MUTANT))?;
    tests_of_scripts(&std::fs::read_to_string(uses.path()).context("could not read which tests run which script")?)
}

/// The tests of each script, from lines that name a script and a test each time it is run. Those that run fewer scripts look at
/// each of them more closely, and take less time, so they come first.
fn tests_of_scripts(uses: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut pairs = BTreeSet::new();
    let mut runs: BTreeMap<&str, usize> = BTreeMap::new();
    for line in uses.lines() {
        let (script, test) = line.split_once('\t').context("a line names a script and a test")?;
        pairs.insert((script, test));
        *runs.entry(test).or_default() += 1;
    }
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (script, test) in pairs {
        tests.entry(script.to_owned()).or_default().push(test.to_owned());
    }
    for tests in tests.values_mut() {
        tests.sort_by_key(|test| runs.get(test.as_str()));
    }
    Ok(tests)
}

/// The places of the faults that no test noticed.
fn attempt_all(
    root: &Path,
    program: &Path,
    faults: &[Fault],
    uses: &BTreeMap<String, Vec<String>>,
    jobs: usize,
) -> Result<BTreeSet<usize>> {
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Ok(BTreeSet::new())));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(fault) = faults.get(at) else { return };
            let noticed = is_noticed(root, program, fault, uses.get(&fault.script));
            if let Ok(noticed) = &noticed {
                let answer = if *noticed { "noticed" } else { "missed" };
                say(&format!("  {} of {} {answer}: {fault}", at + 1, faults.len()));
            }
            let Ok(mut missed) = missed.lock() else { return };
            match (noticed, missed.as_mut()) {
                (Ok(false), Ok(missed)) => {
                    missed.insert(at);
                }
                (Ok(true), _) | (_, Err(_)) => {}
                (Err(error), Ok(_)) => *missed = Err(error),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(work);
        }
    });
    missed.into_inner().unwrap_or_else(|_| bail!("a thread came to a bad end"))
}

fn is_noticed(root: &Path, program: &Path, fault: &Fault, tests: Option<&Vec<String>>) -> Result<bool> {
    // What no test runs, no test notices.
    let Some(tests) = tests else { return Ok(false) };
    let folder = tempfile::tempdir().context("could not make a folder")?;
    let script = std::fs::read_to_string(root.join(&fault.script)).context("the script was there a moment ago")?;
    let mutant = folder.path().join(&fault.script);
    std::fs::create_dir_all(mutant.parent().context("a script lies in a folder")?)
        .context("could not make a folder")?;
    std::fs::write(&mutant, fault.apply(&script)?).context("could not write the script")?;
    for test in tests {
        let mut command = Command::new(program);
        command.args(["--exact", test]).env(MUTANT, folder.path()).env_remove(USES);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !status.context("could not start the tests")?.success() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A table, one line for each script, the faults that no test noticed, and whether they are few enough.
fn report(faults: &[Fault], missed: &BTreeSet<usize>, goal: u32) -> Result<()> {
    let mut scripts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut excused = 0_u32;
    let mut text = String::new();
    let mut without_need = String::new();
    for (at, fault) in faults.iter().enumerate() {
        let is_missed = missed.contains(&at);
        match (&fault.excuse, is_missed) {
            (Some(_), true) => excused += 1,
            (Some(_), false) => writeln!(without_need, "{fault}").context("a text takes all")?,
            (None, _) => {
                let count = scripts.entry(&fault.script).or_default();
                count.1 += 1;
                if is_missed {
                    writeln!(text, "missed: {fault}").context("a text takes all")?;
                } else {
                    count.0 += 1;
                }
            }
        }
    }
    for (script, (noticed, of)) in &scripts {
        writeln!(text, "{noticed:>4} of {of:<4} {script}").context("a text takes all")?;
    }
    let noticed: u32 = scripts.values().map(|(noticed, _)| noticed).sum();
    let all: u32 = scripts.values().map(|(_, of)| of).sum();
    let rate = f64::from(noticed) * 100.0 / f64::from(all.max(1));
    say(&format!(
        "{text}{noticed} of {all} faults in {} scripts are noticed: {rate:.0} % ({excused} excused)",
        scripts.len()
    ));
    ensure!(without_need.is_empty(), "these faults are noticed, so they need no excuse:\n{without_need}");
    ensure!(rate >= f64::from(goal), "only {rate:.0} % of the faults are noticed; the goal is {goal} %");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_run_little_else_come_first() {
        let tests = tests_of_scripts("a.sh\tall\nb.sh\tall\na.sh\tone\nb.sh\tall\nb.sh\ttwice\nb.sh\ttwice\n").unwrap();
        assert_eq!(tests["a.sh"], ["one", "all"]);
        assert_eq!(tests["b.sh"], ["twice", "all"]);
        assert!(tests_of_scripts("a.sh").is_err());
    }
}
