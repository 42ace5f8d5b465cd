//! Takes a machine out of the cluster: its pods move elsewhere, its member leaves etcd, its Node is deleted, and the
//! machine, if it still answers, becomes what it was before.

use std::collections::BTreeMap;

use futures::future::{join, join_all};
use kubeone_desired::{host_files, kubeadm};
use kubeone_facts::{EtcdMember, HostFacts, Marker, MarkerFile};
use kubeone_hosts::{Host, Os};
use kubeone_kubernetes::{Cluster, ClusterError, Node};
use kubeone_plan::etcd::{is_member_of, is_quorum};
use kubeone_plan::wanted::LeavingHost;
use kubeone_spec::Role;
use tokio::time::timeout;

use super::peer::{Except, Voter, voters};
use super::{API_DEADLINE, reset_host, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::etcd;
use crate::observe::{self, HOST_PATIENCE, observe_host};
use crate::report::Outcome;

/// A machine that leaves and answers, with the marker of this very cluster.
struct Machine<'a> {
    host: &'a dyn Host,
    facts: HostFacts,
    marker: Marker,
}

pub(crate) async fn run(cx: &Cx<'_>, name: &str, role: Role) -> Result<Outcome, StepError> {
    let leaving = cx.wanted.leaving.get(name).ok_or_else(|| StepError::UnknownHost { host: name.to_owned() })?;
    let cluster = cx.cluster().await?;
    let uid = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    let nodes = cluster.nodes(API_DEADLINE).await?;
    let mut warnings = Vec::new();
    // Listening for heartbeats takes its time where there are none, and so does a machine that does not answer.
    let (seen, heartbeat) = join(look(cx, name, &uid), heartbeat(cx, cluster, name)).await;
    let machine = match seen? {
        Seen::Ours(machine) if is_still_wanted(cx, name, &machine.facts, &nodes).await => None,
        Seen::Ours(machine) => Some(machine),
        Seen::Nothing => None,
        Seen::Foreign(note) => {
            warnings.push(note);
            None
        }
    };
    let successor = match cx.host(name) {
        Ok(host) => observe_host(host).await.ok(),
        Err(_) => None,
    };
    let is_successors = |node: &Node| {
        successor.as_ref().is_some_and(|new| new.kubernetes.kubelet_conf && new.machine_id == node.machine_id)
    };
    let has_node = nodes.get(name).is_some_and(|node| !is_successors(node));

    let mut is_dead = false;
    if has_node {
        is_dead = match (&machine, heartbeat) {
            (Some(machine), _) => !machine.facts.kubelet_active,
            (None, Some(heartbeat)) => !heartbeat?,
            (None, None) => !cluster.is_heartbeating(name).await?,
        };
        if !is_dead {
            warnings.extend(empty(cx, cluster, name).await?);
        }
    }
    if role == Role::ControlPlane {
        let has_successor_member = successor.as_ref().is_some_and(|new| new.kubernetes.etcd_data);
        leave_etcd(cx, name, leaving, &uid, machine.as_deref(), has_successor_member).await?;
    }
    if has_node {
        cluster.delete_node(name).await?;
    }
    if is_dead {
        let lost = cluster.abandon_pods(name).await?;
        warnings.push(
            "its machine does not answer any more, so its pods were given up without an end in good order".to_owned(),
        );
        if !lost.is_empty() {
            warnings.push(format!("these pods had no controller and are gone for good: {}", lost.join(", ")));
        }
    }
    if let Some(Machine { host, facts, marker }) = machine.as_deref() {
        reset_host::reset(cx, *host, facts, marker).await?;
    }
    Ok(if warnings.is_empty() { Outcome::Done } else { Outcome::Warning(warnings.join("; ")) })
}

/// What stands at the address of the machine that leaves.
enum Seen<'a> {
    /// Nobody, or a machine on which nothing is left.
    Nothing,
    Ours(Box<Machine<'a>>),
    Foreign(String),
}

async fn look<'a>(cx: &'a Cx<'_>, name: &str, uid: &str) -> Result<Seen<'a>, StepError> {
    let Some(host) = cx.leaving(name) else { return Ok(Seen::Nothing) };
    let facts = match timeout(HOST_PATIENCE, observe_host(host)).await {
        Ok(Ok(facts)) => facts,
        // A machine is there. What is left on it is not known, so it is not reported as clean.
        Ok(Err(StepError::Host(error))) if error.is_strange_answer() => return Err(error.into()),
        Ok(Err(StepError::Host(error))) => {
            tracing::info!(host = name, %error, "the machine that leaves cannot be reached");
            return Ok(Seen::Nothing);
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(Seen::Nothing),
    };
    let foreign = |whose: &str| Seen::Foreign(format!("the machine at its address is left alone: {whose}"));
    Ok(match facts.marker.clone() {
        MarkerFile::Absent if facts.kubernetes.any() => foreign("Kubernetes is on it, and no marker says whose"),
        MarkerFile::Unusable { reason } if facts.kubernetes.any() => {
            // Only nodes of this cluster trust its CA.
            let ca = &facts.kubernetes.ca_sha256;
            if ca.is_empty() || *ca != observe::ca_sha256(cx.wanted, cx.hosts).await? {
                return Ok(foreign(&format!(
                    "its marker is damaged, {reason}, and it has another CA than the cluster"
                )));
            }
            let marker = host_files::rewritten_marker(cx.spec, &facts);
            Seen::Ours(Box::new(Machine { host, facts, marker }))
        }
        MarkerFile::Absent | MarkerFile::Unusable { .. } => Seen::Nothing,
        MarkerFile::Good(marker) if marker.cluster != cx.spec.name => foreign("it belongs to another cluster"),
        MarkerFile::Good(marker) if marker.uid.as_ref().is_some_and(|of| of != uid) => {
            foreign("it belongs to another cluster")
        }
        MarkerFile::Good(marker) => Seen::Ours(Box::new(Machine { host, facts, marker })),
    })
}

/// Whether the machine is wanted under another name, and only its old name leaves. A machine that is to get another name
/// has no Node of that name yet, so only such hosts are looked at.
async fn is_still_wanted(cx: &Cx<'_>, name: &str, facts: &HostFacts, nodes: &BTreeMap<String, Node>) -> bool {
    let is_it = |machine_id: &str| !machine_id.is_empty() && machine_id == facts.machine_id;
    if nodes.iter().any(|(other, node)| other != name && is_it(&node.machine_id)) {
        return true;
    }
    let new_hosts = cx.spec.hosts().filter(|(other, ..)| *other != name && !nodes.contains_key(*other));
    let new_hosts = new_hosts.filter_map(|(other, ..)| cx.host(other).ok());
    let seen = join_all(new_hosts.map(|host| timeout(HOST_PATIENCE, observe_host(host)))).await;
    seen.into_iter().flatten().flatten().any(|seen| is_it(&seen.machine_id))
}

/// Whether somebody is there who ends the pods that are told to leave. Not asked where the machine was seen at the
/// beginning of this apply: it will say so itself.
async fn heartbeat(cx: &Cx<'_>, cluster: &Cluster, name: &str) -> Option<Result<bool, ClusterError>> {
    if cx.leaving(name).is_some_and(|host| host.host_key().is_some()) {
        return None;
    }
    Some(cluster.is_heartbeating(name).await)
}

/// Cordons and drains. Whatever goes wrong, the node is as schedulable as before.
async fn empty(cx: &Cx<'_>, cluster: &Cluster, name: &str) -> Result<Option<String>, StepError> {
    cluster.cordon(name).await?;
    match unless_cancelled(cx, cluster.drain(name, &cx.spec.drain)).await {
        Ok(drained) => Ok(drained.warning()),
        Err(error) => {
            if let Err(error) = cluster.uncordon(name).await {
                tracing::warn!(host = name, %error, "the node stays cordoned");
            }
            Err(error)
        }
    }
}

/// Removes the member of etcd, if there is one, as long as the others are a quorum without it.
async fn leave_etcd(
    cx: &Cx<'_>,
    name: &str,
    leaving: &LeavingHost,
    uid: &str,
    machine: Option<&Machine<'_>>,
    has_successor_member: bool,
) -> Result<(), StepError> {
    let voters = voters(cx, Except::Leaver(name), uid).await;
    let Some(Voter { host: peer, members, .. }) = voters.first() else {
        return Err(StepError::NoApi { reason: "no other control plane has a member of etcd that answers".to_owned() });
    };
    let is_successors = |member: &EtcdMember| {
        has_successor_member && cx.spec.host(name).is_some_and(|host| is_member_of(member, name, host))
    };
    let its: Vec<&EtcdMember> =
        members.iter().filter(|member| is_member_of(member, name, &leaving.host) && !is_successors(member)).collect();
    if its.is_empty() {
        return Ok(());
    }
    let stay: Vec<&EtcdMember> = members.iter().filter(|member| !its.contains(member)).collect();
    let voting = stay.iter().filter(|member| !member.learner).count();
    if !is_quorum(voters.len(), voting) {
        let reason = format!(
            "without the member of {name}, etcd would have {voting} voting members, of which only {} answer; nothing was \
             taken from it",
            voters.len()
        );
        return Err(StepError::Refused { reason });
    }
    if let Some(machine) = machine
        && let Some(successor) = stay.iter().find(|member| !member.learner && !member.name.is_empty())
    {
        let leave = Os::common()
            .script("leave_control_plane")?
            .var("API_PORT", kubeadm::api_server_port(cx.spec, &leaving.host))
            .var("SUCCESSOR", etcd::decimal_id(successor)?);
        machine.host.run(&leave).await?;
    }
    for member in its {
        etcd::remove_member(*peer, member).await?;
    }
    Ok(())
}
