//! Refresh: look at the cluster and tell Terraform what is different now.

use kubeone_engine::observe;
use kubeone_facts::{ApiState, MarkerFile, Observed};
use kubeone_plan::{Situation, Wanted, other_cluster, plan_create_or_update};
use kubeone_spec::ClusterSpec;
use tfplugin::{Diagnostic, Diagnostics, ReadRequest, ReadResponse, Value};
use tokio::time::timeout;

use super::known;
use crate::connection::Connection;
use crate::decode::decode;
use crate::model::CLUSTER;
use crate::{encode, private};

pub(super) async fn read(connection: &Connection, request: ReadRequest) -> ReadResponse {
    let cancel = request.context.cancel.clone();
    match cancel.run_until_cancelled(look(connection, &request.state, &request.private)).await {
        Some(Ok(Some((wanted, observed)))) => answer(request, &wanted, &observed),
        Some(Err(diagnostic)) => request.unchanged(diagnostic.into()),
        Some(Ok(None)) | None => request.unchanged(Diagnostics::new()),
    }
}

/// `None` when credentials are known only at apply; the plan is then made from the last observation.
async fn look(
    connection: &Connection,
    state: &Value,
    private: &[u8],
) -> Result<Option<(Wanted, Observed)>, Diagnostic> {
    let spec = decode::<ClusterSpec>(&CLUSTER, state)?.settings;
    let wanted = Wanted { imported: private::is_imported(private), ..known(spec, state, private)? };
    let Some(hosts) = connection.hosts(&wanted)? else { return Ok(None) };
    let Ok(observed) = timeout(wanted.spec.timeouts.read.0, observe(&wanted, &hosts)).await else {
        let reason = format!("Its hosts did not answer within {}.", wanted.spec.timeouts.read);
        return Err(not_refreshed(&wanted.spec, &reason));
    };
    Ok(Some((wanted, observed)))
}

/// What Terraform is told after a look at the cluster.
fn answer(mut request: ReadRequest, wanted: &Wanted, observed: &Observed) -> ReadResponse {
    let spec = &wanted.spec;
    let unreachable = unreachable_lines(observed);
    // Something that is silent for a moment is not gone, and as far as anyone knows nothing has changed.
    match &observed.api {
        // What brings it back follows from what the control planes show, and the plan says it, or why nothing can be done.
        ApiState::Silent { .. } if reaches_control_plane(spec, observed) => {}
        ApiState::Silent { reason } => {
            let reason = format!("The Kubernetes API does not answer: {reason}\n{unreachable}");
            return request.unchanged(not_refreshed(spec, &reason).into());
        }
        ApiState::Absent if !unreachable.is_empty() => {
            return request.unchanged(not_refreshed(spec, &unreachable).into());
        }
        ApiState::Absent if is_gone(spec, observed) => return ReadResponse::default(),
        ApiState::Answered(_) | ApiState::Absent => {}
    }
    match update(&mut request.state, wanted, observed) {
        Ok(private) => {
            request.private = private;
            let mut diagnostics = Diagnostics::new();
            if let Some(uid) = other_cluster(&Situation::new(wanted, observed)) {
                diagnostics.push(not_the_same(wanted, uid));
            }
            request.unchanged(diagnostics)
        }
        Err(diagnostic) => request.unchanged(diagnostic.into()),
    }
}

fn not_refreshed(spec: &ClusterSpec, reason: &str) -> Diagnostic {
    let detail = format!("{}\n\nThe plan is made from what was seen last.", reason.trim_end());
    Diagnostic::warning(format!("cluster `{}` could not be looked at", spec.name), detail)
}

fn not_the_same(wanted: &Wanted, uid: &str) -> Diagnostic {
    let detail = format!(
        "Terraform's state names the cluster with the uid {}. What was found where it should be is another one of this name, \
         with the uid {uid}. The state keeps what it says of the cluster, and the other one is left alone.",
        wanted.uid.as_deref().unwrap_or_default()
    );
    Diagnostic::warning(format!("cluster `{}` was not found", wanted.spec.name), detail)
}

/// One line for each host that could not be reached.
fn unreachable_lines(observed: &Observed) -> String {
    observed.hosts.iter().filter_map(|(name, state)| Some(format!("{name}: {}\n", state.unseen()?))).collect()
}

/// Whether a control plane of this cluster has answered.
fn reaches_control_plane(spec: &ClusterSpec, observed: &Observed) -> bool {
    let facts = spec.control_plane.keys().filter_map(|name| observed.facts(name));
    // One whose marker is damaged may well be one, and the plan says what comes of it.
    facts.map(|facts| &facts.marker).any(|marker| match marker {
        MarkerFile::Good(marker) => marker.cluster == spec.name,
        MarkerFile::Unusable { .. } => true,
        MarkerFile::Absent => false,
    })
}

/// Whether no host carries this cluster or what kubeadm leaves behind. All of them have answered.
fn is_gone(spec: &ClusterSpec, observed: &Observed) -> bool {
    spec.hosts().all(|(name, _, _)| {
        observed.facts(name).is_some_and(|facts| {
            let is_free = match &facts.marker {
                MarkerFile::Good(marker) => marker.cluster != spec.name,
                MarkerFile::Unusable { .. } => false,
                MarkerFile::Absent => true,
            };
            is_free && !facts.kubernetes.any()
        })
    })
}

/// Brings computed attributes up to date, and answers what to remember; what is the same stays as it is.
fn update(state: &mut Value, wanted: &Wanted, observed: &Observed) -> Result<Vec<u8>, Diagnostic> {
    let mut status = encode::read_status(state)?;
    if other_cluster(&Situation::new(wanted, observed)).is_none() {
        status = encode::status(&wanted.spec, observed, &status);
    }
    if !plan_create_or_update(wanted, observed).is_empty() {
        // Something drifted. Terraform acts only on differences between state and plan, and the settings may well be
        // the same. An empty list here makes the difference: the plan will show the steps that put things right.
        status.planned_steps.clear();
    }
    encode::write(state, &status)?;
    if wanted.imported { private::encode_imported(observed) } else { private::encode(observed) }
}

#[cfg(test)]
mod tests;
