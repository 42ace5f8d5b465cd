//! Begins etcd anew with other data and starts this control plane. All others were stopped before and join again.
//!
//! The marker is its last move: until it says what was restored, the next plan has this step again, which then finds what
//! was done already.

use kubeone_hosts::Host;
use kubeone_spec::{Restore, RestoreSource, Role};

use super::send_snapshot::{Arrival, open, send};
use super::stop_control_plane::end;
use super::{
    API_DEADLINE, RESTORE_UNIT, await_earlier, host_spec, lost_nodes, os_of, record_files, repair_node,
    unless_cancelled,
};
use crate::cx::Cx;
use crate::error::StepError;
use crate::kubeadm;
use crate::observe::{now, observe_host};
use crate::observed::{HostFacts, Marker};
use crate::report::Outcome;
use crate::restore::{is_remembered, remembered};
use crate::snapshots::Snapshot;

pub(crate) async fn run(cx: &Cx<'_>, name: &str, what: &str) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, RESTORE_UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    if is_remembered(&marker, what) {
        return Ok(Outcome::Skipped("it was restored already".to_owned()));
    }
    let Some(uid) = marker.uid.clone() else { return Err(refused("the host was never a node of the cluster")) };
    let has_data = facts.restore.as_ref().is_some_and(|begun| begun.replaced && begun.what == what);
    let arrival = if has_data { None } else { arrival(cx, host, &facts, &uid).await? };
    let os = os_of(&facts)?;
    let restore = os
        .script("restore_etcd")?
        .var("WHAT", what)
        .var("SNAPSHOT", arrival.as_ref().map_or_else(String::new, |it| it.path.display().to_string()))
        .lines("PARTS", arrival.iter().flat_map(|it| &it.parts))
        .var("SHA256", arrival.as_ref().map_or("", |it| &it.sha256))
        .var("API_PORT", kubeadm::api_server_port(cx.spec, host_spec));
    host.run_unit(RESTORE_UNIT, &restore).await?;

    let cluster = cx.cluster().await?;
    let found = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    if found != uid {
        return Err(refused(&format!(
            "the restored data are those of another cluster, with the uid {found}. The data before are in \
             /var/lib/etcd/before-restore: `restore = {{ survivor = \"{name}\" }}` brings them back"
        )));
    }
    // A machine that came after the snapshot was taken.
    if !cluster.nodes(API_DEADLINE).await?.contains_key(name) {
        repair_node::register(cx, name, Role::ControlPlane, &facts, marker.clone(), &os).await?;
    }
    let lost = lost_nodes::forget(cx).await?;
    record_files(host).await?;
    host.write(&Marker { restored: Some(remembered(now(), what)), ..marker }.file()?).await?;
    end(host).await?;
    Ok(if lost.is_empty() {
        Outcome::Done
    } else {
        Outcome::Warning(format!("no machine stands behind these Nodes, so they were deleted: {}", lost.join(", ")))
    })
}

fn refused(reason: &str) -> StepError {
    StepError::Refused { reason: reason.to_owned() }
}

/// The snapshot as it is on the host, or comes there; `None` for the host's own data.
async fn arrival(cx: &Cx<'_>, host: &dyn Host, facts: &HostFacts, uid: &str) -> Result<Option<Arrival>, StepError> {
    let source = cx.spec.restore.as_ref().and_then(Restore::source);
    match source.ok_or_else(|| refused("the settings ask for no restore"))? {
        RestoreSource::Survivor(_) => Ok(None),
        RestoreSource::OnHost(name) => {
            let held = facts.snapshots.iter().find(|it| it.held && it.snapshot.name == name);
            let held = held.ok_or_else(|| refused(&format!("the host does not hold the snapshot {name} any more")))?;
            of_this_cluster(&held.snapshot, uid)?;
            let (path, sha256) = (held.snapshot.database(), held.snapshot.content.sha256.clone());
            Ok(Some(Arrival { path, parts: Vec::new(), sha256 }))
        }
        RestoreSource::Local(path) => {
            let bundle = open(cx, path).await?;
            of_this_cluster(&bundle.snapshot, uid)?;
            Ok(Some(send(cx, host, &bundle).await?))
        }
    }
}

/// Nothing trusts what another cluster signed.
fn of_this_cluster(snapshot: &Snapshot, uid: &str) -> Result<(), StepError> {
    if snapshot.cluster_uid == uid {
        return Ok(());
    }
    Err(refused(&format!(
        "the snapshot {} is one of another cluster, with the uid {}; nothing was restored",
        snapshot.name, snapshot.cluster_uid
    )))
}
