//! Who watches: the environment and the provider block, taken together.

use std::path::PathBuf;

use kubeone_spec::ProgressSettings;

/// What the surroundings of the program say. They are read by the caller.
#[derive(Clone, Debug, Default)]
pub struct ProgressEnvironment {
    /// `KUBEONE_PROGRESS`: `tty`, a folder, or both with a comma between.
    pub wish: Option<PathBuf>,
    /// Folder that a leading `~` stands for.
    pub home: Option<PathBuf>,
}

/// Where progress goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) folder: Option<PathBuf>,
    pub(super) terminal: bool,
}

impl ProgressEnvironment {
    /// A folder in the environment is for this one run, and wins over the one in the provider block.
    pub(super) fn with(&self, settings: &ProgressSettings) -> Destination {
        let wish = self.wish.as_ref().map(|wish| wish.to_string_lossy()).unwrap_or_default();
        let words = wish.split(',').map(str::trim).filter(|word| !word.is_empty());
        let (terminal, folders): (Vec<_>, Vec<_>) = words.partition(|word| *word == "tty");
        let folder = folders.first().copied().or(settings.folder.as_deref());
        Destination {
            folder: folder.map(|folder| self.expand(folder)),
            terminal: settings.terminal || !terminal.is_empty(),
        }
    }

    fn expand(&self, folder: &str) -> PathBuf {
        match (folder.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches(['/', '\\'])),
            _ => PathBuf::from(folder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wish: &str, settings: (Option<&str>, bool), folder: Option<&str>, terminal: bool) {
        let environment =
            ProgressEnvironment { wish: Some(PathBuf::from(wish)), home: Some(PathBuf::from("/home/ann")) };
        let settings = ProgressSettings { folder: settings.0.map(str::to_owned), terminal: settings.1 };
        assert_eq!(environment.with(&settings), Destination { folder: folder.map(PathBuf::from), terminal });
    }

    #[test]
    fn the_environment_and_the_block_are_taken_together() {
        check("", (None, false), None, false);
        check("tty", (None, false), None, true);
        check("tty", (Some("runs"), false), Some("runs"), true);
        check("today", (Some("runs"), true), Some("today"), true);
        check("tty, ~/runs", (None, false), Some("/home/ann/runs"), true);
    }
}
