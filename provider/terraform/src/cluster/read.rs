//! Refresh: look at the cluster and tell Terraform what is different now.

use kubeone_engine::{ApiState, HostState, Observed, observe, plan_create_or_update};
use kubeone_spec::ClusterSpec;
use tfplugin::{Diagnostic, Diagnostics, ReadRequest, ReadResponse, Value};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::decode::decode;
use crate::model::CLUSTER;
use crate::{encode, private};

pub(super) async fn read(connection: &Connection, request: ReadRequest) -> ReadResponse {
    match look(connection, &request.state).await {
        Ok(Look::Nothing) => request.unchanged(Diagnostics::new()),
        Ok(Look::Seen { spec, observed }) => answer(request, &spec, &observed),
        Err(diagnostic) => request.unchanged(diagnostic.into()),
    }
}

enum Look {
    /// Credentials are known only at apply; the plan is made from the last observation.
    Nothing,
    Seen {
        spec: Box<ClusterSpec>,
        observed: Box<Observed>,
    },
}

async fn look(connection: &Connection, state: &Value) -> Result<Look, Diagnostic> {
    let spec = decode::<ClusterSpec>(&CLUSTER, state)?.settings;
    let Some(hosts) = connection.hosts(&spec)? else { return Ok(Look::Nothing) };
    let observed = timeout(spec.timeouts.read.0, observe(&spec, &hosts)).await.map_err(|_| {
        let detail =
            format!("Its hosts did not answer within {}. The plan is made from what is known.", spec.timeouts.read);
        Diagnostic::warning(not_refreshed(&spec), detail)
    })?;
    Ok(Look::Seen { spec: Box::new(spec), observed: Box::new(observed) })
}

/// What Terraform is told after a look at the cluster.
fn answer(mut request: ReadRequest, spec: &ClusterSpec, observed: &Observed) -> ReadResponse {
    let unreachable = unreachable_lines(observed);
    let diagnostics = match &observed.api {
        ApiState::Absent if unreachable.is_empty() && is_gone(spec, observed) => return ReadResponse::default(),
        // Something is silent for a moment. It is not gone, and as far as anyone knows nothing has changed.
        ApiState::Silent { reason } => {
            let detail = format!("The Kubernetes API does not answer: {reason}\n{unreachable}");
            return request.unchanged(Diagnostic::warning(not_refreshed(spec), detail).into());
        }
        ApiState::Absent if !unreachable.is_empty() => {
            return request.unchanged(Diagnostic::warning(not_refreshed(spec), unreachable).into());
        }
        ApiState::Answered(_) if !unreachable.is_empty() => {
            Diagnostic::warning(format!("hosts of cluster `{}` cannot be reached", spec.name), unreachable).into()
        }
        ApiState::Answered(_) | ApiState::Absent => Diagnostics::new(),
    };
    match update(&mut request.state, spec, observed) {
        Ok(private) => {
            request.private = private;
            request.unchanged(diagnostics)
        }
        Err(diagnostic) => request.unchanged(diagnostic.into()),
    }
}

fn not_refreshed(spec: &ClusterSpec) -> String {
    format!("cluster `{}` was not refreshed", spec.name)
}

/// One line for each host that could not be reached.
fn unreachable_lines(observed: &Observed) -> String {
    let lines = observed.hosts.iter().filter_map(|(name, state)| match state {
        HostState::Unreachable { reason } => Some(format!("{name}: {reason}\n")),
        HostState::Reached(_) => None,
    });
    lines.collect()
}

/// Whether no host carries this cluster or what kubeadm leaves behind. All of them have answered.
fn is_gone(spec: &ClusterSpec, observed: &Observed) -> bool {
    spec.hosts().all(|(name, _, _)| {
        observed.facts(name).is_some_and(|facts| {
            facts.marker.as_ref().is_none_or(|marker| marker.cluster != spec.name) && !facts.kubernetes.any()
        })
    })
}

/// Brings computed attributes up to date, and answers what to remember; what is the same stays as it is.
fn update(state: &mut Value, spec: &ClusterSpec, observed: &Observed) -> Result<Vec<u8>, Diagnostic> {
    let mut status = encode::status(spec, observed, &encode::read_status(state)?);
    if !plan_create_or_update(spec, observed).is_empty() {
        // Something drifted. Terraform acts only on differences between state and plan, and the settings may well be
        // the same. An empty list here makes the difference: the plan will show the steps that put things right.
        status.planned_steps.clear();
    }
    encode::write(state, &status)?;
    private::encode(observed)
}
