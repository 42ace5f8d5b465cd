//! Remembers the arguments and the environment of every process that runs, on this machine and so on all hosts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};

/// Short enough to see a kubeadm; what runs for less can be missed.
const PAUSE: Duration = Duration::from_millis(100);

/// Watches until it is told to stop.
pub(crate) struct ProcessWatch {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl ProcessWatch {
    pub(crate) fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let watcher = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !told.load(Ordering::Relaxed) {
                look(&mut seen);
                std::thread::sleep(PAUSE);
            }
            seen
        });
        Self { stop, watcher }
    }

    /// All that was seen, as text.
    pub(crate) fn end(self) -> Result<String> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.watcher.join().map_err(|_| anyhow!("the watcher died"))?;
        Ok(seen.iter().map(|bytes| String::from_utf8_lossy(bytes) + "\n").collect())
    }
}

/// Processes come and go while they are looked at; what is gone was seen earlier or never.
fn look(seen: &mut BTreeSet<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        for file in ["cmdline", "environ"] {
            if let Ok(content) = std::fs::read(entry.path().join(file)) {
                seen.insert(content);
            }
        }
    }
}
