//! Makes a host a worker of a cluster.

use kubeone_spec::Role;

use super::join_node;
use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    join_node::run(cx, name, Role::Worker).await
}
