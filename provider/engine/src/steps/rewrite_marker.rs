//! Rewrites the marker of a node that was damaged, as by a power cut: whose it is follows from what the cluster says of the
//! machine, and what it remembers of restores from the etcd that it is a member of.

use kubeone_desired::host_files;
use kubeone_facts::{HostFacts, Marker};
use kubeone_plan::evidence::is_alike;
use kubeone_spec::Role;

use super::adopt_host::API_DEADLINE;
use super::adopt_host::node_of;
use super::join_node::is_joined;
use super::peer::{Except, has_finished, voters};
use super::reset_host::PACKAGES_ARE_KEPT;
use super::unless_cancelled;
use crate::cx::Cx;
use crate::error::StepError;
use crate::marker_file::marker_file;
use crate::observe::observe_host;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    let facts = observe_host(host).await?;
    if facts.marker.damage().is_none() {
        Marker::claim(cx.spec, &facts)?;
        return Ok(Outcome::Skipped("its marker is whole".to_owned()));
    }
    let cluster = cx.cluster().await?;
    let uid = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    let is_ours = match &cx.wanted.uid {
        Some(known) => *known == uid,
        None => has_finished(cx, &uid).await,
    };
    if !is_ours {
        let reason = format!("the cluster that answers has the uid {uid}, and nothing says that it is this one");
        return Err(StepError::Refused { reason });
    }
    let node = node_of(cx, cluster, name, &facts).await?;
    let role = if cx.spec.control_plane.contains_key(name) { Role::ControlPlane } else { Role::Worker };
    let mut marker = host_files::rewritten_marker(cx.spec, &facts);
    // What was half done goes on as on any host that is no node yet.
    if is_joined(name, role, &facts, Some(&node)) {
        marker = marker.finished(cx.spec, &uid);
    }
    if role == Role::ControlPlane {
        marker.restored = restored(cx, name, &facts, &uid).await;
    }
    host.write(&marker_file(&marker)?).await?;
    Ok(Outcome::Warning(PACKAGES_ARE_KEPT.to_owned()))
}

/// The last restore, if the member of etcd on this host is one of those that others of the present cluster see. Where it is
/// not, it has missed the restore, and joins again.
async fn restored(cx: &Cx<'_>, name: &str, facts: &HostFacts, uid: &str) -> Option<String> {
    let others = voters(cx, Except::Newcomer(name), uid).await;
    let other = others.into_iter().next()?;
    is_alike(&facts.etcd_members, &other.members).then_some(other.restored)?
}
