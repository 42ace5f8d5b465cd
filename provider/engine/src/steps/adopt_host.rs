//! Makes a node that somebody else made one of ours: from now on everybody can see whose host it is, and kubeadm's files
//! are watched. Nothing else on it changes.

use std::time::Duration;

use kubeone_facts::{HostFacts, Marker};
use kubeone_kubernetes::{Cluster, Node};
use kubeone_spec::{Role, Taint};

use super::{record_files, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::marker_file::marker_file;
use crate::observe::{self, node_facts, observe_host};
use crate::report::Outcome;

/// An API server answers within seconds.
pub(super) const API_DEADLINE: Duration = Duration::from_mins(1);

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    let facts = observe_host(host).await?;
    if !facts.marker.is_absent() {
        Marker::claim(cx.spec, &facts)?;
        return Ok(Outcome::Skipped("it was adopted already".to_owned()));
    }
    let refused = |reason: String| StepError::Refused { reason };
    let cluster = cx.cluster().await?;
    let uid = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    if cx.wanted.uid.as_ref() != Some(&uid) {
        return Err(refused(format!("the cluster that answers has the uid {uid}, not the one in Terraform's state")));
    }
    let node = &node_of(cx, cluster, name, &facts).await?;
    // What the settings drop later is to go; of taints the API does not tell whose they are.
    let role = if node.control_plane { Role::ControlPlane } else { Role::Worker };
    let settings = node_facts(node.clone()).settings;
    if settings.own_taints.is_none() && settings.taints != Taint::of_kubeadm(role) {
        cluster.own_node_taints(name).await?;
    }
    record_files(host).await?;
    host.write(&marker_file(&Marker::adopted(cx.spec, &uid, &facts.packages))?).await?;
    Ok(Outcome::Done)
}

/// The Node behind which this very machine stands; any other machine is refused.
pub(super) async fn node_of(cx: &Cx<'_>, cluster: &Cluster, name: &str, facts: &HostFacts) -> Result<Node, StepError> {
    let refused = |reason: String| StepError::Refused { reason };
    let mut nodes = cluster.nodes(API_DEADLINE).await?;
    let node = nodes.remove(name).ok_or_else(|| refused(format!("the cluster has no Node `{name}`")))?;
    if facts.machine_id.is_empty() || node.machine_id != facts.machine_id {
        return Err(refused(format!(
            "this is not the machine behind the Node `{name}`: its machine id is {}, that of the Node {}",
            facts.machine_id, node.machine_id
        )));
    }
    if facts.kubernetes.ca_sha256.is_empty()
        || facts.kubernetes.ca_sha256 != observe::ca_sha256(cx.wanted, cx.hosts).await?
    {
        return Err(refused("its /etc/kubernetes/pki/ca.crt is not the CA of the cluster".to_owned()));
    }
    Ok(node)
}
