//! Copies snapshots of etcd to the machine that runs Terraform, and notes on the host that it is done.
//!
//! A copy that cannot be made does not make the snapshot worse: it is a warning, and the next plan has it again.

mod parts;

use std::path::{Path, PathBuf};

use kubeone_desired::kubeadm;
use kubeone_facts::{Marker, Snapshot};
use kubeone_hosts::{Host, RemoteFile};
use kubeone_plan::snapshots::awaits_copy;
use parts::Supply;
use tokio::task::spawn_blocking;

use super::peer::{SHARED_PKI, shared_file};
use super::take_snapshot::description;
use crate::bundle::{self, NewCopy, Seal};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::{causes, observe_host};
use crate::report::Outcome;
use crate::shared_path::shared_path;

/// What is read of a host at once: large enough that its answer counts and not the way to it, and small enough for memory.
const PART: u64 = 4 << 20;

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let Some(to) = &cx.spec.backup.copy_to else { return Ok(Outcome::Skipped("no copy is wanted".to_owned())) };
    let host = cx.host(name)?;
    let facts = observe_host(host).await?;
    let uid = Marker::claim(cx.spec, &facts)?.uid;
    let waiting: Vec<_> = facts.snapshots.iter().filter(|it| awaits_copy(cx.spec, it, uid.as_deref())).collect();
    if waiting.is_empty() {
        return Ok(Outcome::Skipped("there is nothing left to copy".to_owned()));
    }
    let mut problems = Vec::new();
    for snapshot in waiting.into_iter().map(|held| &held.snapshot) {
        let copied = copy(cx, host, snapshot, to).await;
        match copied {
            Ok(path) => tracing::info!(snapshot = snapshot.name, path = %path.display(), "snapshot copied"),
            Err(_) if cx.cancel.is_cancelled() => return Err(StepError::Cancelled),
            Err(problem) => problems.push(format!("snapshot {} was not copied: {problem}", snapshot.name)),
        }
    }
    if problems.is_empty() {
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Warning(format!("{}. It is safe on {name}, and the next apply copies it", problems.join("; "))))
}

async fn copy(cx: &Cx<'_>, host: &dyn Host, snapshot: &Snapshot, to: &str) -> Result<PathBuf, String> {
    let folder = cx.local.path(to).map_err(|error| causes(&error))?;
    let seal = match cx.spec.backup.recipients.as_slice() {
        [] => None,
        recipients => Some(Seal::new(recipients, shared_files(host).await?).map_err(|error| causes(&error))?),
    };
    let new = NewCopy { folder, snapshot: snapshot.clone(), seal };
    let (supply, parts) = parts::channel();
    let writing = spawn_blocking(move || bundle::write(&new, parts));
    let fetched = fetch(cx, host, snapshot, supply).await;
    let written = writing.await.map_err(|error| causes(&error))?;
    // Without all of its parts a copy cannot be written, so that error would be the lesser one.
    fetched.map_err(|error| causes(&error))?;
    let path = written.map_err(|error| causes(&error))?;
    let described = description(snapshot, false).map_err(|error| causes(&error))?;
    host.write(&described).await.map_err(|error| causes(&error))?;
    Ok(path)
}

/// Reads the snapshot part by part, as fast as it is written.
async fn fetch(cx: &Cx<'_>, host: &dyn Host, snapshot: &Snapshot, supply: Supply) -> Result<(), StepError> {
    let path = snapshot.database();
    let mut offset = 0;
    while offset < snapshot.content.size {
        if cx.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let part = host.read_part(&path, offset, PART).await?;
        let length = part.expose().len() as u64;
        offset += length;
        // What is shorter or longer than it was is found by whoever writes it.
        if length == 0 || supply.send(part).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What a control plane needs to read this snapshot, and to be trusted by the nodes that are left.
async fn shared_files(host: &dyn Host) -> Result<Vec<RemoteFile>, String> {
    let manifest = read(host, &[kubeadm::API_SERVER_MANIFEST.to_owned()]).await?;
    let manifest = manifest.first().map(|file| String::from_utf8_lossy(file.content.expose()).into_owned());
    let mut paths: Vec<String> = SHARED_PKI.iter().map(ToString::to_string).collect();
    if let Some(path) = manifest.as_deref().and_then(kubeadm::encryption_configuration) {
        let refused = |error| format!("`--encryption-provider-config` of the API server on `{}`: {error}", host.name());
        shared_path(path).map_err(refused)?;
        paths.push(path.to_owned());
    }
    read(host, &paths).await
}

async fn read(host: &dyn Host, paths: &[String]) -> Result<Vec<RemoteFile>, String> {
    let paths: Vec<&Path> = paths.iter().map(Path::new).collect();
    let contents = host.read_all(&paths).await.map_err(|error| causes(&error))?;
    let files = paths.into_iter().zip(contents).map(|(path, content)| {
        let content = content.ok_or_else(|| format!("`{}` is missing on `{}`", path.display(), host.name()))?;
        Ok(shared_file(path, content))
    });
    files.collect()
}
