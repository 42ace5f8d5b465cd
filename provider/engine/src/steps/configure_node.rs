//! Gives a node of the cluster the labels, annotations, taints and kubelet settings that its host's settings say.

use std::time::Duration;

use kubeone_desired::kubelet;
use kubeone_facts::{HostFacts, Marker};
use kubeone_hosts::{Host, Os, Script};
use kubeone_plan::node_changes::{NodeChange, of_host, of_node};
use kubeone_spec::{HostSpec, Role, Taint};

use super::{API_DEADLINE, await_earlier, host_spec, os_of, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::{node_facts, observe_host};
use crate::report::Outcome;

const UNIT: &str = "kubeone-configure";

/// A kubelet is itself again within seconds, unless its host is short of everything.
const KUBELET_DEADLINE: Duration = Duration::from_mins(1);

pub(crate) async fn run(cx: &Cx<'_>, name: &str, role: Role, what: &[NodeChange]) -> Result<Outcome, StepError> {
    let spec = host_spec(cx, name)?;
    let mut changed = set_on_node(cx, name, role, spec).await?;
    // A host on which there is nothing to do is left alone.
    if what.iter().any(|change| matches!(change, NodeChange::Kubelet { .. })) {
        let host = cx.host(name)?;
        await_earlier(host, UNIT).await?;
        let facts = observe_host(host).await?;
        Marker::claim(cx.spec, &facts)?;
        changed |= set_on_kubelet(cx, name, spec, &facts).await?;
    }
    Ok(if changed { Outcome::Done } else { Outcome::Skipped("it is as wanted already".to_owned()) })
}

/// Labels, annotations and taints. Answers whether anything was to be done.
pub(super) async fn set_on_node(cx: &Cx<'_>, name: &str, role: Role, spec: &HostSpec) -> Result<bool, StepError> {
    let cluster = cx.cluster().await?;
    let node = unless_cancelled(cx, cluster.await_node(name, API_DEADLINE)).await?;
    let changes = of_node(spec, role, &node_facts(node).settings);
    let is_taints = |change: &NodeChange| matches!(change, NodeChange::Taints { .. });
    if changes.iter().any(|change| !is_taints(change)) {
        cluster.set_node_metadata(name, &spec.labels, &spec.annotations).await?;
    }
    if changes.iter().any(is_taints) {
        cluster.set_node_taints(name, &spec.taints_as(role), &Taint::of_kubeadm(role)).await?;
    }
    Ok(!changes.is_empty())
}

/// The settings of a kubelet that runs. If it does not run well with them, it gets back those before. Answers whether
/// anything was to be done.
pub(super) async fn set_on_kubelet(
    cx: &Cx<'_>,
    name: &str,
    spec: &HostSpec,
    facts: &HostFacts,
) -> Result<bool, StepError> {
    if of_host(spec, facts).is_none() {
        return Ok(false);
    }
    let (host, os) = (cx.host(name)?, os_of(facts)?);
    let before = cx.cluster().await?.last_ready_report(name).await?;
    let script = script(&os, spec)?;
    let started = host.run_unit(UNIT, &script.clone().var("PART", "try").var("INVOCATION", "")).await?;
    let invocation = started.stdout.trim();
    let works = async {
        let cluster = cx.cluster().await?;
        let settings = kubelet::configuration(&spec.kubelet);
        unless_cancelled(cx, cluster.check_kubelet_configuration(name, &settings, KUBELET_DEADLINE)).await?;
        // One that cannot live with its settings ends after it has begun to answer, and before it says that it is ready.
        if let Some(before) = before {
            unless_cancelled(cx, cluster.await_ready_report(name, before, KUBELET_DEADLINE)).await?;
        }
        host.run(&script.clone().var("PART", "keep").var("INVOCATION", invocation)).await?;
        Ok(())
    };
    match works.await {
        Ok(()) => Ok(true),
        Err(StepError::Cancelled) => Err(StepError::Cancelled),
        Err(error) => {
            host.run_unit(UNIT, &script.var("PART", "take_back").var("INVOCATION", "")).await?;
            Err(StepError::TakenBack { source: Box::new(error) })
        }
    }
}

/// The settings of a kubelet that is yet to start.
pub(super) async fn set_before_start(
    host: &dyn Host,
    os: &Os,
    spec: &HostSpec,
    facts: &HostFacts,
) -> Result<(), StepError> {
    if of_host(spec, facts).is_none() {
        return Ok(());
    }
    host.run(&script(os, spec)?.var("PART", "write").var("INVOCATION", "")).await?;
    Ok(())
}

fn script(os: &Os, spec: &HostSpec) -> Result<Script, StepError> {
    let script = os.script("configure_kubelet")?.var("SETTINGS", kubelet::file(&spec.kubelet)?);
    Ok(script.var("SERVICE", kubelet::SERVICE_TEXT))
}
