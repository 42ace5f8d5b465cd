//! What Terraform's plan shows. It works from the settings and the last observation and reaches no host.

use kubeone_engine::LocalMachine;
use kubeone_facts::Observed;
use kubeone_plan::{
    Action, OnCluster, OnNode, Plan, Wanted, check, check_new_hosts, imported_prior, plan_create_or_update,
};
use kubeone_spec::{ClusterSpec, FieldPath, HostSpec, Step, validate_cluster};
use tfplugin::plan::mark_unknown;
use tfplugin::{AttributePath, Diagnostic, Diagnostics, PlanRequest, PlanResponse, Value};

use super::{limits, told};
use crate::connection::Connection;
use crate::decode::{Decoded, decode, decode_planned};
use crate::diagnostics::from_findings;
use crate::kubeconfig::in_state;
use crate::model::CLUSTER;
use crate::{encode, host_keys, private};

pub(super) fn plan(
    request: &PlanRequest,
    local: &LocalMachine,
    connection: &Connection,
) -> Result<PlanResponse, Diagnostics> {
    if request.is_destroy() {
        refuse_if_protected(&decode(&CLUSTER, &request.prior_state)?.settings)?;
        return Ok(PlanResponse { private: request.prior_private.clone(), ..PlanResponse::default() });
    }
    let wanted = decode_planned::<ClusterSpec>(&CLUSTER, &request.proposed_state, &request.config)?;
    // Terraform has just shown the warnings, when it validated the configuration. Errors come back here when a value
    // became known only during apply.
    let findings = wanted.keep_certain(validate_cluster(&wanted.settings));
    let errors: Diagnostics = from_findings(findings).into_iter().filter(Diagnostic::is_error).collect();
    if errors.has_errors() {
        return Err(errors);
    }
    if request.is_create() {
        create(&wanted, request, local, connection)
    } else {
        update(&wanted, request, local, connection)
    }
}

pub(super) fn refuse_if_protected(prior: &ClusterSpec) -> Result<(), Diagnostic> {
    if !prior.deletion.protection {
        return Ok(());
    }
    let path = FieldPath::root("deletion").field("protection");
    Err(Diagnostic::error(
        format!("cluster `{}` is protected against deletion", prior.name),
        "Its nodes and everything that runs on them would be lost. To destroy it all the same, set \
         `deletion = { protection = false }`, run `terraform apply`, and destroy it then.",
    )
    .at(crate::path::to_attribute_path(&path)))
}

fn create(
    wanted: &Decoded<ClusterSpec>,
    request: &PlanRequest,
    local: &LocalMachine,
    connection: &Connection,
) -> Result<PlanResponse, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut planned = request.proposed_state.clone();
    mark_unknown(&mut planned, ["id", "endpoint", "ca_certificate", "nodes", "ssh_host_keys", "planned_steps"]);
    let api = FieldPath::root("api_endpoint");
    if !wanted.is_unknown(&api.clone().field("host")) && !wanted.is_unknown(&api.field("port")) {
        planned.set(&"endpoint".into(), encode::endpoint(&wanted.settings.api_endpoint));
    }
    if steps_are_certain(wanted, None) {
        let (settings, nothing) = (connection.acquaint(Wanted::new(wanted.settings.clone())), Observed::default());
        let plan = plan_create_or_update(&settings, &nothing);
        let refused = from_findings(wanted.keep_certain(check(&settings, &plan, &nothing)));
        if refused.has_errors() {
            return Err(refused);
        }
        // With the data of a cluster that is restored its control planes receive its keys.
        let new_hosts = settings.spec.control_plane.keys().cloned().collect();
        let receivers = Wanted { new_hosts, ..settings.clone() };
        diagnostics.extend(from_findings(wanted.keep_certain(check_new_hosts(&receivers))));
        diagnostics.extend(from_findings(local.missing_copy(&settings.spec, &plan)));
        planned.set(&"planned_steps".into(), encode::steps(&plan));
    }
    in_state::plan(&mut planned, wanted, None);
    Ok(PlanResponse { planned_state: planned, diagnostics, ..PlanResponse::default() })
}

fn update(
    wanted: &Decoded<ClusterSpec>,
    request: &PlanRequest,
    local: &LocalMachine,
    connection: &Connection,
) -> Result<PlanResponse, Diagnostics> {
    let mut prior = decode::<ClusterSpec>(&CLUSTER, &request.prior_state)?.settings;
    let is_imported = private::is_imported(&request.prior_private);
    if is_imported {
        prior = imported_prior(&prior, &wanted.settings);
    }
    let mut diagnostics = from_findings(wanted.keep_certain(limits::findings(&prior, &wanted.settings)));
    diagnostics.extend(from_findings(limits::lost_quorum(&prior, wanted)));
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    // Terraform proposes the wanted settings with the computed values of the prior state. What is not touched here
    // stays as it was and shows no difference.
    let mut planned = request.proposed_state.clone();
    let status = encode::read_status(&request.prior_state)?;
    forget_dropped(&wanted.settings, &mut planned);
    let kept = host_keys::kept(&prior, &status, &request.prior_private);
    let change = Wanted::after(&prior, Some(status.id.clone()), wanted.settings.clone()).with_host_keys(kept);
    let change = connection.acquaint(Wanted { imported: is_imported, ..change });
    host_keys::plan(&mut planned, wanted, &prior, &change);
    let mut is_left = false;
    match private::decode(&request.prior_private).filter(|_| steps_are_certain(wanted, Some(&prior))) {
        Some(observed) => {
            let observed = change.view(observed);
            let plan = plan_create_or_update(&change, &observed);
            let mut found = check(&change, &plan, &observed);
            found.extend(local.missing_copy(&change.spec, &plan));
            is_left = !is_imported && told::is_only_told(&prior, &wanted.settings, &found);
            if is_left {
                told::only_tell(&mut found);
            } else {
                show_steps(&wanted.settings, &plan, &mut planned);
            }
            diagnostics.extend(from_findings(found));
        }
        None if prior == wanted.settings && wanted.unknown.is_empty() => {}
        None => {
            mark_unknown(&mut planned, ["nodes", "planned_steps"]);
            diagnostics.extend(from_findings(wanted.keep_certain(check_new_hosts(&change))));
        }
    }
    // A cluster that is left as it is gives nobody a kubeconfig.
    if !is_left {
        let observed_at = private::observed_at(&request.prior_private);
        in_state::plan(&mut planned, wanted, Some(&in_state::Prior { spec: &prior, status: &status, observed_at }));
    }
    Ok(PlanResponse {
        planned_state: planned,
        private: request.prior_private.clone(),
        diagnostics,
        ..PlanResponse::default()
    })
}

/// Hosts that are wanted no more are no nodes afterwards.
fn forget_dropped(wanted: &ClusterSpec, planned: &mut Value) {
    let Some(nodes) = planned.attribute("nodes").as_map() else { return };
    let mut stay = nodes.clone();
    stay.retain(|name, _| wanted.host(name).is_some());
    if stay.len() < nodes.len() {
        planned.set(&"nodes".into(), Value::Map(stay));
    }
}

fn show_steps(wanted: &ClusterSpec, plan: &Plan, planned: &mut Value) {
    if plan.is_empty() {
        return;
    }
    planned.set(&"planned_steps".into(), encode::steps(plan));
    // Nothing that the state says of a node depends on its labels, or on the settings of its kubelet.
    let changing = plan.actions().filter(|action| action.effects().node != OnNode::Configures);
    for host in changing.filter_map(Action::host).filter(|host| wanted.host(host).is_some()) {
        planned.set(&AttributePath::new("nodes").key(host), Value::unknown());
    }
    if plan.actions().any(|action| action.effects().cluster == OnCluster::Creates) {
        // Nothing of the old cluster is left: the new one has another identity.
        mark_unknown(planned, ["id", "ca_certificate", "nodes"]);
    }
}

/// Whether the steps can be told before everything is known. They depend on the names of the hosts, not on the
/// addresses of hosts that are not in the cluster yet; unless machines leave: one of the new ones may get the address of
/// one of the old, and then their order is another.
fn steps_are_certain(wanted: &Decoded<ClusterSpec>, prior: Option<&ClusterSpec>) -> bool {
    let is_of_host = |path: &FieldPath| matches!(path.0.first(), Some(Step::Field(field)) if is_host_map(field));
    let leave = |prior: &ClusterSpec| !Wanted::after(prior, None, wanted.settings.clone()).leaving.is_empty();
    if wanted.unknown.iter().any(is_of_host) && prior.is_some_and(leave) {
        return false;
    }
    let is_member = |name: &str| {
        prior.is_some_and(|prior| prior.control_plane.contains_key(name) || prior.static_workers.contains_key(name))
    };
    if prior.is_some_and(|prior| begins_again_elsewhere(&wanted.settings, prior)) {
        return false;
    }
    // Of a cluster that is there, names that its certificates lack are named in a step.
    if prior.is_some() && wanted.is_unknown(&FieldPath::root("api_endpoint").field("alternative_names")) {
        return false;
    }
    wanted.unknown.iter().all(|path| match path.0.as_slice() {
        [Step::Field(map), Step::Key(name), ..] if is_host_map(map) => !is_member(name),
        [Step::Field(field), ..] => {
            !is_host_map(field)
                && !["kubernetes_version", "containerd", "cluster_network", "backup", "restore", "certificates"]
                    .contains(&field.as_str())
        }
        _ => false,
    })
}

/// Whether etcd is restored and no control plane stays. What is known of those before is what they were like when they
/// were last seen; whether they are lost is seen only when it is done.
fn begins_again_elsewhere(wanted: &ClusterSpec, prior: &ClusterSpec) -> bool {
    let stays = |(name, prior): (&String, &HostSpec)| {
        wanted.control_plane.get(name).is_some_and(|host| !host.is_new_machine(prior))
    };
    wanted.restore.is_some() && wanted.restore != prior.restore && !prior.control_plane.iter().any(stays)
}

fn is_host_map(field: &str) -> bool {
    field == "control_plane" || field == "static_workers"
}

#[cfg(test)]
mod tests;
