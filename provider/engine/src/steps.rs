//! What each action does, one file each, and the little they share.

pub(crate) mod adopt_host;
pub(crate) mod apply_addon;
pub(crate) mod await_api;
pub(crate) mod await_nodes;
pub(crate) mod configure_control_plane;
pub(crate) mod configure_node;
mod control_plane;
pub(crate) mod copy_snapshots;
mod emptied;
pub(crate) mod fetch_upgrade;
pub(crate) mod init_control_plane;
pub(crate) mod join_control_plane;
mod join_node;
pub(crate) mod join_worker;
mod lost_nodes;
mod peer;
pub(crate) mod preflight_upgrade;
pub(crate) mod prepare_host;
pub(crate) mod prepare_restore;
pub(crate) mod remove_node;
pub(crate) mod renew_certificates;
pub(crate) mod repair_cluster;
pub(crate) mod repair_node;
pub(crate) mod reset_host;
pub(crate) mod restore_etcd;
pub(crate) mod rewrite_marker;
mod send_snapshot;
pub(crate) mod stop_control_plane;
pub(crate) mod take_snapshot;
pub(crate) mod uncordon_node;
pub(crate) mod upgrade_containerd;
pub(crate) mod upgrade_control_plane;
pub(crate) mod upgrade_kubeadm_addons;
mod upgrade_kubelet;
pub(crate) mod upgrade_worker;

use std::time::Duration;

use kubeone_facts::{HostFacts, Marker};
use kubeone_hosts::{Host, HostError, Os, OsError};
use kubeone_kubernetes::{Cluster, ClusterError};
use kubeone_spec::{HostSpec, Role, Span};

use crate::configured;
use crate::cx::Cx;
use crate::error::StepError;
use crate::marker_file::marker_file;

/// Another program may keep apt's lock for as long as a new machine needs to install its first updates.
const LOCK_DEADLINE: Duration = Duration::from_mins(5);

/// For how long apt's lock is awaited. A quarter of the operation's time at most: then the error can still name the
/// program that holds it.
fn lock_seconds(operation: Span) -> u64 {
    LOCK_DEADLINE.min(operation.0 / 4).as_secs()
}

/// An API server answers within seconds, unless its host is short of everything.
const API_DEADLINE: Duration = Duration::from_mins(2);

/// The unit under which packages are installed and removed.
const PACKAGES_UNIT: &str = "kubeone-prepare";
const RESET_UNIT: &str = "kubeone-reset";
const RESTORE_UNIT: &str = "kubeone-restore";
const UPGRADE_UNIT: &str = "kubeone-upgrade";

/// Waits for a unit that an earlier run may have left. Whether it succeeded is seen from the host itself.
async fn await_earlier(host: &dyn Host, unit: &str) -> Result<(), StepError> {
    match host.attach_unit(unit).await {
        Err(HostError::Script(failure)) => {
            tracing::info!(host = host.name(), unit, %failure, "an earlier run failed");
            Ok(())
        }
        other => Ok(other.map(drop)?),
    }
}

/// Takes Kubernetes off a host, down to what was there before `kubeadm init` or `join`. On a node that joins its cluster
/// again, what others put beside kubeadm's files stays.
async fn clean_node(host: &dyn Host, os: &Os, joins_again: bool) -> Result<(), StepError> {
    host.run_unit(RESET_UNIT, &os.script("reset_node")?.var("JOINS_AGAIN", joins_again)).await?;
    Ok(())
}

/// Remembers kubeadm's files as they are, so that it is seen when somebody edits them.
pub(crate) async fn record_files(host: &dyn Host) -> Result<(), StepError> {
    host.run(&Os::common().script("record_files")?).await?;
    Ok(())
}

/// The last part of becoming a node: its labels and the like, the record of kubeadm's files, and the marker that says so.
async fn finish_node(cx: &Cx<'_>, name: &str, role: Role, marker: Marker, uid: &str) -> Result<(), StepError> {
    configure_node::set_on_node(cx, name, role, host_spec(cx, name)?).await?;
    let host = cx.host(name)?;
    record_files(host).await?;
    if role == Role::ControlPlane {
        host.write(&configured::record(&cx.desired)?).await?;
    }
    host.write(&marker_file(&marker.finished(cx.spec, uid))?).await?;
    Ok(())
}

fn os_of(facts: &HostFacts) -> Result<Os, OsError> {
    Os::lookup(&facts.os.id, &facts.os.id_like)
}

fn host_spec<'a>(cx: &Cx<'a>, name: &str) -> Result<&'a HostSpec, StepError> {
    let spec = cx.spec.control_plane.get(name).or_else(|| cx.spec.static_workers.get(name));
    spec.ok_or_else(|| StepError::UnknownHost { host: name.to_owned() })
}

/// The settings that kubeadm keeps in the cluster, and upgrades and joins by.
async fn kubeadm_configuration(cluster: &Cluster, patience: Duration) -> Result<String, StepError> {
    let missing = || StepError::Refused { reason: "the ConfigMap kube-system/kubeadm-config is missing".to_owned() };
    cluster.kubeadm_configuration(patience).await?.ok_or_else(missing)
}

/// The nodes that are not ready.
async fn nodes_down(cluster: &Cluster) -> Result<Vec<String>, ClusterError> {
    let nodes = cluster.nodes(API_DEADLINE).await?;
    Ok(nodes.into_iter().filter(|(_, node)| !node.ready).map(|(name, _)| name).collect())
}

/// A wait for the cluster that ends at once when the run is cancelled: nothing on a host is cut in half by that.
async fn unless_cancelled<T>(cx: &Cx<'_>, wait: impl Future<Output = Result<T, ClusterError>>) -> Result<T, StepError> {
    tokio::select! {
        result = wait => Ok(result?),
        () = cx.cancel.cancelled() => Err(StepError::Cancelled),
    }
}

#[cfg(test)]
mod tests;
