//! What an apply leaves for those who watch: the log, line by line, and the report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Passes when the newest change of this kind is told from its beginning to its end, without failures.
pub(crate) fn tell_of(folder: &Path, operation: &str) -> Result<()> {
    let log = newest(folder, &format!("-{operation}.jsonl"))?;
    let text = fs::read_to_string(&log).with_context(|| format!("could not read {}", log.display()))?;
    let events: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        anyhow::bail!("{} is empty", log.display())
    };
    ensure!(first["event"] == "run_began" && first["operation"] == operation, "it begins with {first}");
    ensure!(last["event"] == "run_ended" && last["outcome"] == "succeeded", "it ends with {last}");
    let stages = first["stages"].as_array().context("there are no stages")?;
    let planned: usize = stages.iter().filter_map(|stage| stage["actions"].as_array()).map(Vec::len).sum();
    for event in ["action_began", "action_ended"] {
        let told = events.iter().filter(|it| it["event"] == event).count();
        ensure!(told == planned && planned > 0, "{told} times {event} of {planned} actions");
    }
    let report = fs::read_to_string(log.with_extension("html")).context("there is no report beside the log")?;
    ensure!(report.contains("succeeded") && report.contains("control-plane-1"), "the report is not of this change");
    ensure!(!report.contains("http://") && !report.contains("https://"), "the report links to something");
    Ok(())
}

fn newest(folder: &Path, ending: &str) -> Result<PathBuf> {
    let files = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let files = files.filter_map(Result::ok).map(|entry| entry.path());
    files
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .max()
        .with_context(|| format!("no file ends with {ending} in {}", folder.display()))
}
