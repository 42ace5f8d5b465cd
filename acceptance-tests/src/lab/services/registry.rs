//! The image registry: Debian's docker-registry over a folder of the cache.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::command::{command, output_of, succeeds};
use crate::lab::{files, paths, wait};

pub(super) const PID_FILE: &str = "registry.pid";

/// Where it listens in a lab's namespace: only the web server there reaches it.
pub(super) const INSIDE: &str = "127.0.0.1:5000";

/// Writes the configuration and answers the command that starts the registry in a session of its own.
pub(super) fn server(folder: &Path, address: &str) -> Result<Command> {
    let configuration = folder.join("registry.json");
    files::write(&configuration, &configuration_text(&storage()?, address))?;
    let mut registry = super::detached(folder, PID_FILE, "registry.log", Path::new("docker-registry"));
    registry.arg("serve").arg(configuration);
    // Docker's tracing would look for a collector.
    registry.env("OTEL_TRACES_EXPORTER", "none");
    Ok(registry)
}

/// The folder with everything ever pushed.
pub(super) fn storage() -> Result<PathBuf> {
    let folder = paths::cache()?.join("registry");
    files::create_folder(&folder)?;
    Ok(folder)
}

/// Runs a registry in the machine's own namespace for as long as the work takes; only one process at a time does.
pub(super) fn while_open<Answer>(work: impl FnOnce(&str) -> Result<Answer>) -> Result<Answer> {
    let folder = paths::cache()?.join("registry-filling");
    files::create_folder(&folder)?;
    super::end(&folder.join(PID_FILE))?;
    let address = free_address()?;
    output_of(&mut server(&folder, &address)?).context("could not start the image registry")?;
    let mut probe = command("curl", ["--silent", "--fail", "--output", "/dev/null", &format!("http://{address}/v2/")]);
    let answer = wait::until("the image registry answers", Duration::from_secs(20), || succeeds(&mut probe))
        .with_context(|| format!("its log is in {}", folder.display()))
        .and_then(|()| work(&address));
    super::end(&folder.join(PID_FILE))?;
    answer
}

/// Held while the cache of the stand-ins changes.
pub(super) fn lock() -> Result<File> {
    crate::lab::lock_file(&paths::cache()?.join("stand-ins.lock"))
}

fn free_address() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.to_string())
}

fn configuration_text(storage: &Path, address: &str) -> String {
    // JSON is YAML; no cache in memory, so that what another registry on the same folder pushes is seen.
    serde_json::json!({
        "version": "0.1",
        "log": { "level": "warn", "accesslog": { "disabled": true } },
        "storage": { "filesystem": { "rootdirectory": storage }, "maintenance": { "uploadpurging": { "enabled": false } } },
        "http": { "addr": address },
    })
    .to_string()
}
