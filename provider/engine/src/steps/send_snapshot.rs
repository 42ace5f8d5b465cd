//! A copy of a snapshot on its way from the machine that runs Terraform to a host. It goes in parts, as it may be larger
//! than memory; the host puts them together and checks the whole.

use std::io::Read;
use std::path::{Path, PathBuf};

use kubeone_facts::Snapshot;
use kubeone_hosts::{Host, Os, RemoteFile};
use tokio::task::spawn_blocking;

use super::RESTORE_UNIT;
use super::stop_control_plane::INCOMING;
use crate::bundle::{self, Bundle, BundleError};
use crate::cx::Cx;
use crate::error::StepError;

const PART: u64 = 4 << 20;

/// A snapshot as it lies on a host.
pub(super) struct Arrival {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

impl Arrival {
    /// Where a snapshot lies that was sent.
    pub(super) fn path_of(snapshot: &Snapshot) -> PathBuf {
        Path::new(INCOMING).join(format!("{}.db", snapshot.name))
    }
}

/// Opens a copy and checks all of it.
pub(super) async fn open(cx: &Cx<'_>, path: &Path) -> Result<Bundle, StepError> {
    let path = cx.local.path(&path.to_string_lossy())?;
    let identities = cx.local.identities()?;
    let opened = spawn_blocking(move || bundle::open(&path, &identities)).await;
    Ok(opened.map_err(|error| unreadable(&error))??)
}

/// Sends it, and checks what arrived.
pub(super) async fn send(cx: &Cx<'_>, host: &dyn Host, bundle: &Bundle) -> Result<Arrival, StepError> {
    let folder = Path::new(INCOMING);
    let snapshot = &bundle.snapshot;
    let receive = Os::common().script("receive_snapshot")?.var("INCOMING", INCOMING).var("SIZE", snapshot.content.size);
    host.run(&receive).await?;
    let mut parts = Vec::new();
    let mut reader = bundle.database()?;
    loop {
        if cx.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let read = spawn_blocking(move || {
            let mut part = Vec::new();
            let read = reader.by_ref().take(PART).read_to_end(&mut part);
            (reader, read.map(|_| part))
        });
        let (rest, part) = read.await.map_err(|error| unreadable(&error))?;
        reader = rest;
        let path = folder.join(format!("{}.part-{:06}", snapshot.name, parts.len()));
        let part = part.map_err(|source| BundleError::Read { path: path.clone(), source })?;
        if part.is_empty() {
            break;
        }
        parts.push(path.to_string_lossy().into_owned());
        host.write(&RemoteFile::private(path, part)).await?;
    }
    let arrival = Arrival { path: Arrival::path_of(snapshot), sha256: snapshot.content.sha256.clone() };
    check(host, &arrival, &parts).await?;
    Ok(arrival)
}

/// Checks a snapshot, which is put together first where it came in parts, and the room that a restore needs.
pub(super) async fn check(host: &dyn Host, arrival: &Arrival, parts: &[String]) -> Result<(), StepError> {
    let check = Os::common()
        .script("check_snapshot")?
        .var("SNAPSHOT", arrival.path.display())
        .lines("PARTS", parts)
        .var("SHA256", &arrival.sha256);
    host.run_unit(RESTORE_UNIT, &check).await?;
    Ok(())
}

fn unreadable(error: &tokio::task::JoinError) -> StepError {
    StepError::Unreadable { what: "the copy of the snapshot".to_owned(), reason: error.to_string() }
}
