//! What joining a control plane and joining a worker have in common, and where they differ.

use std::time::Duration;

use kubeone_desired::kubeadm;
use kubeone_facts::{HostFacts, Marker};
use kubeone_hosts::{Host, Os};
use kubeone_kubernetes::{Cluster, Node};
use kubeone_plan::etcd::is_member_of;
use kubeone_plan::restore_record::is_earlier;
use kubeone_plan::standing::JOIN_UNIT;
use kubeone_plan::versions::COMPONENTS;
use kubeone_spec::{HostSpec, Role, Secret};

use super::peer::{Except, Peer, finished_control_plane, voters};
use super::{API_DEADLINE, await_earlier, clean_node, configure_node, finish_node, host_spec, os_of, unless_cancelled};
use crate::configured;
use crate::cx::Cx;
use crate::error::StepError;
use crate::etcd;
use crate::observe::observe_host;
use crate::report::Outcome;

/// Longer than any join takes. The token is deleted when the join ends, and expires by itself if nobody can do that.
const TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// The host that joins.
struct Newcomer<'a> {
    name: &'a str,
    role: Role,
    spec: &'a HostSpec,
    host: &'a dyn Host,
    os: Os,
    facts: HostFacts,
    /// Whether it was a node of the cluster before.
    joins_again: bool,
}

pub(super) async fn run(cx: &Cx<'_>, name: &str, role: Role) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    await_earlier(host, JOIN_UNIT).await?;
    let facts = observe_host(host).await?;
    let mut marker = Marker::claim(cx.spec, &facts)?;
    let joins_again = marker.uid.is_some();
    let newcomer = Newcomer { name, role, spec: host_spec(cx, name)?, host, os: os_of(&facts)?, facts, joins_again };

    let cluster = cx.cluster().await?;
    let uid = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    if marker.uid.as_ref().is_some_and(|of| *of != uid) {
        return Err(StepError::Refused { reason: "the host was a node of another cluster of this name".to_owned() });
    }
    let nodes = cluster.nodes(API_DEADLINE).await?;
    let is_joined = is_joined(name, role, &newcomer.facts, nodes.get(name));
    let outcome = if is_joined && !is_left_behind(cx, &newcomer, &marker, &uid).await {
        configure_node::set_on_kubelet(cx, name, newcomer.spec, &newcomer.facts).await?;
        Outcome::Skipped("it had joined already".to_owned())
    } else {
        let peer = finished_control_plane(cx, name, role, &uid).await?;
        marker.restored.clone_from(&peer.restored);
        marker.replaces.clone_from(&peer.replaces);
        clear_way(cx, cluster, &newcomer, nodes.contains_key(name), &uid).await?;
        host.write_all(&peer.pki).await?;
        if role == Role::ControlPlane {
            configured::write_salt(host, &newcomer.facts).await?;
            host.write_all(&configured::files(&cx.desired, "")).await?;
        }
        bring_named_files(host, &peer).await?;
        configure_node::set_before_start(host, &newcomer.os, newcomer.spec, &newcomer.facts).await?;
        join(cx, cluster, &newcomer, &peer).await?;
        Outcome::Done
    };
    finish_node(cx, name, role, marker, &uid).await?;
    Ok(outcome)
}

/// Whether an earlier join did all its work, so that only our own part is left.
pub(super) fn is_joined(name: &str, role: Role, facts: &HostFacts, node: Option<&Node>) -> bool {
    let Some(node) = node else { return false };
    let kubelet = facts.kubelet_active && facts.kubernetes.kubelet_conf;
    let votes = || facts.etcd_members.iter().any(|member| member.name == name && !member.learner);
    // Its components get their manifests one after the other.
    let components = || COMPONENTS.iter().all(|name| facts.kubernetes.static_pods.iter().any(|pod| pod == name));
    kubelet && (role == Role::Worker || (node.control_plane && votes() && components()))
}

/// Whether a control plane that runs is one of the cluster as it was before etcd was restored.
async fn is_left_behind(cx: &Cx<'_>, newcomer: &Newcomer<'_>, marker: &Marker, uid: &str) -> bool {
    if newcomer.role == Role::Worker {
        return false;
    }
    let peer = finished_control_plane(cx, newcomer.name, Role::Worker, uid).await;
    peer.is_ok_and(|peer| is_earlier(marker.restored.as_deref(), peer.restored.as_deref()))
}

/// Removes what an earlier join, or an earlier machine of this name, left behind. The member of etcd goes first, while
/// it may still be there to vote: two members of which one is gone are no quorum.
async fn clear_way(
    cx: &Cx<'_>,
    cluster: &Cluster,
    newcomer: &Newcomer<'_>,
    has_node: bool,
    uid: &str,
) -> Result<(), StepError> {
    if newcomer.role == Role::ControlPlane {
        let reason = || "no member of etcd on another control plane answers and sees a quorum".to_owned();
        let voters = voters(cx, Except::Newcomer(newcomer.name), uid).await;
        let voter = voters.first().ok_or_else(|| StepError::NoApi { reason: reason() })?;
        for member in voter.members.iter().filter(|it| is_member_of(it, newcomer.name, newcomer.spec)) {
            etcd::remove_member(voter.host, member).await?;
        }
    }
    if newcomer.facts.carries_kubernetes() {
        clean_node(newcomer.host, &newcomer.os, newcomer.joins_again).await?;
    }
    if has_node {
        cluster.delete_node(newcomer.name).await?;
    }
    // Those of an earlier machine of this name, which the garbage collector has not come to yet: the new kubelet would
    // take them for its own, with the addresses and the network that they had there.
    cluster.abandon_pods(newcomer.name).await?;
    Ok(())
}

/// What the arguments of API servers name, where the host lacks it: nobody else brings it before its own one starts.
async fn bring_named_files(host: &dyn Host, peer: &Peer<'_>) -> Result<(), StepError> {
    if peer.named_files.is_empty() {
        return Ok(());
    }
    let paths: Vec<_> = peer.named_files.iter().map(|file| file.path.as_path()).collect();
    let present = host.read_all(&paths).await?;
    let lacks = peer.named_files.iter().zip(present).filter(|(_, present)| present.is_none());
    let missing: Vec<_> = lacks.map(|(file, _)| file.clone()).collect();
    host.write_all(&missing).await?;
    Ok(())
}

async fn join(cx: &Cx<'_>, cluster: &Cluster, newcomer: &Newcomer<'_>, peer: &Peer<'_>) -> Result<(), StepError> {
    let Newcomer { name, role, spec, host, os, facts, .. } = newcomer;
    let authority = kubeadm::authority(peer.ca_certificate.expose())?;
    let token = cluster.create_bootstrap_token(TOKEN_LIFETIME).await?;
    let joined = async {
        let text: Secret<String> = token.text();
        let config = kubeadm::join_config(cx.spec, name, spec, *role, facts, &text)?;
        let discovery = kubeadm::discovery(cx.spec, &authority, &text)?;
        let port = (*role == Role::ControlPlane).then(|| kubeadm::api_server_port(cx.spec, spec).to_string());
        let join = os
            .script("kubeadm_join")?
            .secret("CONFIG", config)
            .secret("DISCOVERY", discovery)
            .var("API_PORT", port.unwrap_or_default());
        host.run_unit(JOIN_UNIT, &join).await?;
        Ok::<_, StepError>(())
    };
    let joined = joined.await;
    let deleted = cluster.delete_bootstrap_token(&token.id).await;
    joined?;
    Ok(deleted?)
}
