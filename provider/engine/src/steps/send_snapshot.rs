//! A copy of a snapshot on its way from the machine that runs Terraform to a host. It goes in parts, as it may be larger
//! than memory; the host puts them together.

use std::io::Read;
use std::path::{Path, PathBuf};

use kubeone_hosts::{Host, RemoteFile};
use tokio::task::spawn_blocking;

use super::stop_control_plane::INCOMING;
use crate::bundle::{self, Bundle, BundleError};
use crate::cx::Cx;
use crate::error::StepError;

const PART: u64 = 4 << 20;

/// Where a snapshot is on a host, and how it gets there.
pub(super) struct Arrival {
    pub(super) path: PathBuf,
    /// It is put together from these.
    pub(super) parts: Vec<String>,
    pub(super) sha256: String,
}

/// Opens a copy and checks all of it.
pub(super) async fn open(cx: &Cx<'_>, path: &Path) -> Result<Bundle, StepError> {
    let path = cx.local.path(&path.to_string_lossy())?;
    let identities = cx.local.identities()?;
    let opened = spawn_blocking(move || bundle::open(&path, &identities)).await;
    Ok(opened.map_err(|error| unreadable(&error))??)
}

pub(super) async fn send(cx: &Cx<'_>, host: &dyn Host, bundle: &Bundle) -> Result<Arrival, StepError> {
    let folder = Path::new(INCOMING);
    let snapshot = &bundle.snapshot;
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
    let path = folder.join(format!("{}.db", snapshot.name));
    Ok(Arrival { path, parts, sha256: snapshot.content.sha256.clone() })
}

fn unreadable(error: &tokio::task::JoinError) -> StepError {
    StepError::Unreadable { what: "the copy of the snapshot".to_owned(), reason: error.to_string() }
}
