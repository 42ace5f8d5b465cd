//! How much a script may print and how long it may take. A host that passes a limit gave an unusable answer.

use std::time::Duration;

use super::Script;
use super::capture::Capture;

/// Scripts print lines and small files. Whoever reads more says how much.
const MOST_PRINTED: usize = 4 << 20;

/// Of what a script says on stderr only the end is shown.
const KEPT_OF_STDERR: usize = 256 << 10;
const MOST_ON_STDERR: usize = 16 << 20;

/// Most scripts take a second; a few wait for a service to start. What takes longer is a unit.
const DEADLINE: Duration = Duration::from_mins(5);

/// A unit installs packages over a slow line, or restores gigabytes.
const UNIT_DEADLINE: Duration = Duration::from_mins(90);

/// What a script may take and print, where it is not the default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    deadline: Option<Duration>,
    printed: Option<usize>,
}

impl Script {
    /// The script may take so long from its start, instead of 5 minutes, or 90 as a unit. The time to connect is not part
    /// of it.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.limits.deadline = Some(deadline);
        self
    }

    /// The script may print so many bytes on stdout, instead of 4 MiB.
    #[must_use]
    pub fn prints_at_most(mut self, bytes: usize) -> Self {
        self.limits.printed = Some(bytes);
        self
    }

    /// How long one run may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.limits.deadline.unwrap_or(DEADLINE)
    }

    /// How long it may take as a unit.
    pub(crate) fn unit_deadline(&self) -> Duration {
        self.limits.deadline.unwrap_or(UNIT_DEADLINE)
    }

    pub(crate) fn most_printed(&self) -> usize {
        self.limits.printed.unwrap_or(MOST_PRINTED)
    }

    /// Places for what it will print on stdout and stderr.
    pub(crate) fn captures(&self) -> (Capture, Capture) {
        (Capture::all(self.most_printed()), Capture::tail(KEPT_OF_STDERR, MOST_ON_STDERR))
    }
}
