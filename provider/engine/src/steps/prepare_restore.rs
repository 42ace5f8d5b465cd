//! Brings the snapshot to the host on which etcd will be restored, and checks it there. The cluster still works: whatever is
//! wrong with the snapshot stops nothing.

use std::path::{Path, PathBuf};

use kubeone_facts::{HostFacts, Marker, Snapshot};
use kubeone_hosts::{Host, HostError, RemoteFile};
use kubeone_plan::restore::has_data_of;
use kubeone_plan::restore_record::is_recorded;
use kubeone_spec::{Restore, RestoreSource};

use super::send_snapshot::{Arrival, check, open, send};
use super::stop_control_plane::{INCOMING, end};
use super::{RESTORE_UNIT, await_earlier};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str, what: &str) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    await_earlier(host, RESTORE_UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    if is_recorded(&marker, what) {
        return Ok(Outcome::Skipped("it was restored already".to_owned()));
    }
    if has_data_of(&facts, what) {
        return Ok(Outcome::Skipped("etcd has the restored data already".to_owned()));
    }
    if facts.restore.as_ref().is_some_and(|begun| is_recorded(&marker, &begun.what)) {
        // Of a restore that came to its end. Taken away later, they would take with them what is brought now.
        end(host).await?;
    }
    let uid = uid_of(&marker)?;
    let source = source(cx)?;
    if let Some(there) = find(host, &facts, source, &uid).await? {
        match check(host, &there, &[]).await {
            // What was sent once can be sent again.
            Err(StepError::Host(HostError::Script(failure))) if matches!(source, RestoreSource::Local(_)) => {
                tracing::info!(host = name, %failure, "the snapshot that was sent is sent again");
            }
            checked => return checked.map(|()| Outcome::Done),
        }
    }
    bring(cx, host, source, &uid).await?;
    Ok(Outcome::Done)
}

/// The snapshot that the settings name, as it lies on the host. It is brought only when it is not there any more, as where
/// the host has become another one since.
pub(super) async fn snapshot_on(
    cx: &Cx<'_>,
    host: &dyn Host,
    facts: &HostFacts,
    uid: &str,
) -> Result<Option<Arrival>, StepError> {
    let source = source(cx)?;
    match find(host, facts, source, uid).await? {
        Some(there) => Ok(Some(there)),
        None => bring(cx, host, source, uid).await,
    }
}

pub(super) fn uid_of(marker: &Marker) -> Result<String, StepError> {
    marker.uid.clone().ok_or_else(|| refused("the host was never a node of the cluster"))
}

fn source<'a>(cx: &Cx<'a>) -> Result<RestoreSource<'a>, StepError> {
    cx.spec.restore.as_ref().and_then(Restore::source).ok_or_else(|| refused("the settings ask for no restore"))
}

/// `None` where nothing lies on the host yet, and for the host's own data.
async fn find(
    host: &dyn Host,
    facts: &HostFacts,
    source: RestoreSource<'_>,
    uid: &str,
) -> Result<Option<Arrival>, StepError> {
    let (path, snapshot) = match source {
        RestoreSource::Survivor(_) => return Ok(None),
        RestoreSource::OnHost(name) => {
            let held = facts.snapshots.iter().find(|it| it.held && it.snapshot.name == name);
            let held = held.ok_or_else(|| refused(&format!("the host does not hold the snapshot {name} any more")))?;
            (held.snapshot.database(), held.snapshot.clone())
        }
        RestoreSource::Local(_) => {
            let Some(content) = host.read(&receipt(source)).await? else { return Ok(None) };
            // What cannot be read was cut off.
            let Ok(snapshot) = serde_json::from_slice::<Snapshot>(content.expose()) else { return Ok(None) };
            (Arrival::path_of(&snapshot), snapshot)
        }
    };
    of_this_cluster(&snapshot, uid)?;
    Ok(Some(Arrival { path, sha256: snapshot.content.sha256 }))
}

/// `None` for the host's own data.
async fn bring(
    cx: &Cx<'_>,
    host: &dyn Host,
    source: RestoreSource<'_>,
    uid: &str,
) -> Result<Option<Arrival>, StepError> {
    let RestoreSource::Local(path) = source else { return Ok(None) };
    let bundle = open(cx, path).await?;
    of_this_cluster(&bundle.snapshot, uid)?;
    let arrival = send(cx, host, &bundle).await?;
    let description = serde_json::to_vec_pretty(&bundle.snapshot).map_err(|error| StepError::Unreadable {
        what: format!("the description of {}", bundle.snapshot.name),
        reason: error.to_string(),
    })?;
    host.write(&RemoteFile::private(receipt(source), description)).await?;
    Ok(Some(arrival))
}

/// Describes a snapshot that was sent, once it lies whole beside this file.
fn receipt(source: RestoreSource<'_>) -> PathBuf {
    Path::new(INCOMING).join(format!("{}.json", source.snapshot().unwrap_or_default()))
}

/// Nothing trusts what another cluster signed.
fn of_this_cluster(snapshot: &Snapshot, uid: &str) -> Result<(), StepError> {
    if snapshot.cluster_uid == uid {
        return Ok(());
    }
    Err(refused(&format!(
        "the snapshot {} is one of another cluster, with the uid {}, and this one has the uid {uid}",
        snapshot.name, snapshot.cluster_uid
    )))
}

fn refused(reason: &str) -> StepError {
    StepError::Refused { reason: reason.to_owned() }
}
