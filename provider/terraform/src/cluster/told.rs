//! What is refused and only told of. Where nobody asks for a change of the cluster and it may be destroyed, an error would
//! keep a broken cluster from that: `terraform destroy` plans in the normal way first, and a cluster that is protected has
//! to lose its protection by an apply.

use std::collections::BTreeMap;

use kubeone_spec::{ClusterSpec, FieldPath, Finding, HostSpec, Severity, Step};
use tfplugin::{ApplyRequest, ApplyResponse, Diagnostics, Value};

use crate::host_keys;
use crate::model::CLUSTER;

/// Settings that no host hears of: they are in force as soon as the state has them.
const OF_THE_STATE: [&str; 2] = ["deletion", "timeouts"];

/// Whether these findings are only told of, and the cluster is left as it is.
pub(super) fn is_only_told(prior: &ClusterSpec, wanted: &ClusterSpec, found: &[Finding]) -> bool {
    let (deletion, timeouts) = (prior.deletion.clone(), prior.timeouts.clone());
    let asks_for_nothing = ClusterSpec { deletion, timeouts, ..wanted.clone() } == *prior;
    asks_for_nothing && !wanted.deletion.protection && is_about_the_cluster_alone(found)
}

/// Whether the plan is refused, and for the state of hosts and of the API alone: nothing in the settings would help.
fn is_about_the_cluster_alone(found: &[Finding]) -> bool {
    let of_settings = |path: &FieldPath| matches!(path.0.first(), Some(Step::Field(field)) if ["kubernetes_version", "restore"].contains(&field.as_str()));
    let mut errors = found.iter().filter(|it| it.severity == Severity::Error).peekable();
    errors.peek().is_some() && errors.all(|error| !of_settings(&error.path))
}

/// Makes warnings of errors.
pub(super) fn only_tell(found: &mut [Finding]) {
    for finding in found.iter_mut().filter(|it| it.severity == Severity::Error) {
        finding.severity = Severity::Warning;
        finding.detail.push_str("\n\nThe settings of the cluster did not change, so it is left as it is.");
    }
}

/// Whether a plan leaves all that is computed as it was. Then there is nothing that an apply must have done.
pub(super) fn promises_nothing(prior: &Value, planned: &Value) -> bool {
    let mut planned = planned.as_map().into_iter().flatten();
    !prior.is_null() && planned.all(|(name, value)| CLUSTER.is_setting(name) || prior.attribute(name) == value)
}

/// After a failed create this is null: the cluster stays out of the state and is not tainted, so that the next apply goes
/// on instead of destroying what is there. After a failed update it is the prior state, so that the next plan shows the
/// change again, but for that part of it which is done with the state alone, and for machines that have begun to join: if
/// the settings go back, they have to leave again.
pub(super) fn failed(
    request: ApplyRequest,
    diagnostics: Diagnostics,
    joined: &BTreeMap<String, Option<String>>,
) -> ApplyResponse {
    let planned = request.planned_state.clone();
    let mut response = request.failed(diagnostics);
    if response.state.is_null() {
        return response;
    }
    for name in OF_THE_STATE {
        response.state.set(&name.into(), planned.attribute(name).clone());
    }
    for name in ["control_plane", "static_workers"] {
        let prior = response.state.attribute(name).as_map().cloned().unwrap_or_default();
        let mut hosts = prior.clone();
        for (host, machine) in planned.attribute(name).as_map().into_iter().flatten() {
            let Some(key) = joined.get(host) else { continue };
            if prior.get(host).is_none_or(|prior| is_new_machine(prior, machine)) {
                hosts.insert(host.clone(), machine.clone());
                host_keys::replace(&mut response.state, host, key.as_deref());
            }
        }
        if hosts != prior {
            response.state.set(&name.into(), Value::Map(hosts));
        }
    }
    response
}

fn is_new_machine(prior: &Value, planned: &Value) -> bool {
    let read = |machine: &Value| machine.clone().without_nulls().decode::<HostSpec>();
    matches!((read(prior), read(planned)), (Ok(prior), Ok(planned)) if planned.is_new_machine(&prior))
}

#[cfg(test)]
mod tests {
    use tfplugin::CallContext;

    use super::*;
    use crate::testing::{host, state};

    /// A second control plane and a new machine for the worker, of which the update did not come to its end.
    fn failed_after(joined: &[&str]) -> Value {
        let (prior_state, mut planned_state) = (state(), state());
        let machine = prior_state.get(&host("control_plane", "cp-1")).unwrap().clone();
        let mut hosts = prior_state.attribute("control_plane").as_map().unwrap().clone();
        hosts.insert("cp-2".to_owned(), machine);
        planned_state.set(&"control_plane".into(), Value::Map(hosts));
        planned_state.set(&host("static_workers", "w-1").attribute("instance_id"), "2");
        planned_state.set(&"kubernetes_version".into(), "1.35.5");
        let request = ApplyRequest {
            prior_state,
            planned_state,
            config: Value::Null,
            planned_private: Vec::new(),
            planned_identity: Value::Null,
            provider_meta: Value::Null,
            context: CallContext::default(),
        };
        let joined = joined.iter().map(|name| ((*name).to_owned(), Some(format!("key of {name}")))).collect();
        failed(request, Diagnostics::default(), &joined).state
    }

    #[test]
    fn machines_that_began_to_join_are_in_the_state_of_a_failed_update() {
        let instance = |state: &Value| state.get(&host("static_workers", "w-1").attribute("instance_id")).cloned();
        let nothing = failed_after(&[]);
        assert_eq!(nothing, state(), "nothing is done");
        let both = failed_after(&["cp-2", "w-1"]);
        assert!(both.get(&host("control_plane", "cp-2")).is_some());
        assert_eq!(instance(&both), Some("2".into()));
        assert_eq!(both.attribute("kubernetes_version").as_str(), Some("1.35.4"), "the rest is not done");
        let keys = both.attribute("ssh_host_keys");
        assert_eq!(keys.attribute("w-1").as_str(), Some("key of w-1"), "it is known by its own from now on");
        // One that joins again is the machine that it was.
        assert_eq!(failed_after(&["cp-1"]), state());
    }
}
