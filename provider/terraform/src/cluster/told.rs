//! What is refused and only told of. Where nobody asks for a change of the cluster and it may be destroyed, an error would
//! keep a broken cluster from that: `terraform destroy` plans in the normal way first, and a cluster that is protected has
//! to lose its protection by an apply.

use kubeone_spec::{ClusterSpec, FieldPath, Finding, Severity, Step};
use tfplugin::{ApplyRequest, ApplyResponse, Diagnostics, Value};

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
/// change again, but for that part of it which is done with the state alone.
pub(super) fn failed(request: ApplyRequest, diagnostics: Diagnostics) -> ApplyResponse {
    let of_the_state = OF_THE_STATE.map(|name| (name, request.planned_state.attribute(name).clone()));
    let mut response = request.failed(diagnostics);
    if !response.state.is_null() {
        for (name, value) in of_the_state {
            response.state.set(&name.into(), value);
        }
    }
    response
}
