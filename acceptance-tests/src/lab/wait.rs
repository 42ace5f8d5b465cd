//! Waits for named conditions with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Conditions here are files and sockets of this very machine, cheap to look at.
const INTERVAL: Duration = Duration::from_millis(25);

/// Looks again and again until the condition holds.
pub(crate) fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        if Instant::now() >= deadline {
            bail!("waited {} s in vain until {what}", limit.as_secs());
        }
        std::thread::sleep(INTERVAL);
    }
    Ok(())
}
