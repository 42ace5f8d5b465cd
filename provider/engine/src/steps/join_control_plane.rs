//! Makes a host one more control plane of a cluster. Several may join side by side: etcd admits one learner at a time,
//! and kubeadm waits for its turn.

use kubeone_spec::Role;

use super::join_node;
use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    join_node::run(cx, name, Role::ControlPlane).await
}
