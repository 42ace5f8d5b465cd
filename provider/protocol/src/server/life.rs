//! When the process ends: asked to, signalled, or left alone.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often to see whether the parent is still there. No portable event tells.
const PARENT_CHECK: Duration = Duration::from_millis(500);

/// Ctrl-C in a terminal reaches every process in it. Terraform handles it and tells us in its own words; a provider that died
/// of the signal would take the state of running resources with it.
#[cfg(unix)]
pub(super) fn ignore_interrupt() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler stays installed when the stream is dropped.
    signal(SignalKind::interrupt()).map(drop)
}

#[cfg(not(unix))]
pub(super) fn ignore_interrupt() -> std::io::Result<()> {
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    Ok(())
}

/// Fires `stop` on SIGTERM, and on SIGHUP: closing the terminal must not cut work in half.
#[cfg(unix)]
pub(super) fn stop_on_terminate(stop: CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn stop_on_terminate(_stop: CancellationToken) -> std::io::Result<()> {
    Ok(())
}

/// Fires `stop` on Ctrl-C, for a process that a person started.
pub(super) fn stop_on_interrupt(stop: CancellationToken) {
    tokio::spawn(async move {
        tokio::signal::ctrl_c().await.ok();
        stop.cancel();
    });
}

/// Fires `stop` when the process that started us is gone. A provider would otherwise outlive a killed Terraform for ever.
#[cfg(unix)]
pub(super) fn stop_without_parent(stop: CancellationToken) {
    use std::os::unix::process::parent_id;
    let parent = parent_id();
    tokio::spawn(async move {
        let mut check = tokio::time::interval(PARENT_CHECK);
        while parent_id() == parent {
            check.tick().await;
        }
        tracing::warn!(parent, "the process that started the provider is gone");
        stop.cancel();
    });
}

#[cfg(not(unix))]
pub(super) fn stop_without_parent(_stop: CancellationToken) {}
