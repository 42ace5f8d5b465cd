//! Follows the provider's own log of an apply, to know which action runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The folder into which the provider writes.
#[derive(Debug)]
pub(super) struct Progress {
    folder: PathBuf,
}

/// One apply's file.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// In the order in which they began.
    pub(super) began: Vec<Began>,
    pub(super) ended: BTreeSet<usize>,
}

/// An action that began.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Began {
    pub(super) number: usize,
    pub(super) kind: String,
    pub(super) host: Option<String>,
}

impl Began {
    /// What makes two actions the same, however far an earlier one got.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.host.as_deref().unwrap_or("cluster"), self.kind)
    }
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    ActionBegan(Began),
    ActionEnded {
        number: usize,
    },
    #[serde(other)]
    Other,
}

impl Progress {
    /// An empty folder.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        let progress = Self { folder: folder.to_owned() };
        progress.clear()?;
        Ok(progress)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Before the next apply.
    pub(super) fn clear(&self) -> Result<()> {
        for file in self.files()? {
            fs::remove_file(&file).with_context(|| format!("could not remove {}", file.display()))?;
        }
        Ok(())
    }

    /// What the current apply has told so far.
    pub(super) fn look(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        for file in self.files()?.iter().filter(|file| file.extension().is_some_and(|it| it == "jsonl")) {
            let text = fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
            for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
                match line {
                    Line::ActionBegan(began) => seen.began.push(began),
                    Line::ActionEnded { number } => _ = seen.ended.insert(number),
                    Line::Other => {}
                }
            }
        }
        Ok(seen)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let list = fs::read_dir(&self.folder).with_context(|| format!("could not list {}", self.folder.display()))?;
        list.map(|entry| Ok(entry?.path())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_what_runs() {
        let folder = tempfile::tempdir().unwrap();
        let progress = Progress::new(folder.path()).unwrap();
        let text = r#"{"time":"2026-01-01T00:00:00Z","seconds":0.1,"event":"stage_began","stage":1,"of":2,"title":"x"}
            {"seconds":0.2,"event":"action_began","number":1,"kind":"prepare_host","host":"w-1","text":"w-1: prepare"}
            {"seconds":0.3,"event":"action_began","number":2,"kind":"apply_addon","text":"cluster: apply"}
            {"seconds":0.4,"event":"action_ended","number":1,"kind":"prepare_host","took":0.2,"outcome":"done"}
            {"seconds":0.5,"event":"action_be"#;
        fs::write(folder.path().join("prod-1-create.jsonl"), text).unwrap();
        let seen = progress.look().unwrap();
        let keys: Vec<_> = seen.began.iter().map(Began::key).collect();
        assert_eq!(keys, ["w-1 prepare_host", "cluster apply_addon"]);
        assert_eq!(seen.ended, BTreeSet::from([1]));
        progress.clear().unwrap();
        assert!(progress.look().unwrap().began.is_empty());
    }
}
