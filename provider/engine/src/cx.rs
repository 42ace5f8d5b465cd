//! What steps work with: handles to the world, and nothing they could write a result into.

use kubeone_desired::control_plane::ControlPlane;
use kubeone_facts::Observed;
use kubeone_hosts::Host;
use kubeone_kubernetes::Cluster;
use kubeone_plan::Situation;
use kubeone_plan::component_changes::desired_control_plane;
use kubeone_plan::evidence::Backing;
use kubeone_plan::wanted::Wanted;
use kubeone_spec::ClusterSpec;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::error::StepError;
use crate::local::LocalMachine;
use crate::machines::Hosts;
use crate::observe;

/// The surroundings of a run.
pub struct Cx<'a> {
    pub wanted: &'a Wanted,
    pub spec: &'a ClusterSpec,
    pub hosts: &'a Hosts,
    /// The machine that runs Terraform.
    pub local: LocalMachine,
    /// Asked between actions, and by steps between commands: what has begun on a host is never cut in half.
    pub cancel: CancellationToken,
    cluster: OnceCell<Cluster>,
    /// The last restore that was believed when the plan was made.
    restored: Option<String>,
    /// What is wanted of the control plane.
    pub(crate) desired: ControlPlane,
}

impl<'a> Cx<'a> {
    pub fn new(wanted: &'a Wanted, hosts: &'a Hosts, cancel: CancellationToken) -> Self {
        let (local, cluster) = (LocalMachine::default(), OnceCell::new());
        let desired = ControlPlane::of(&wanted.spec);
        Self { wanted, spec: &wanted.spec, hosts, local, cancel, cluster, restored: None, desired }
    }

    /// With what the plan was made from: steps believe what it believed.
    #[must_use]
    pub fn after(self, observed: &Observed) -> Self {
        let situation = Situation::new(self.wanted, observed);
        let restored = situation.evidence.last_restore.map(str::to_owned);
        Self { restored, desired: desired_control_plane(&situation), ..self }
    }

    /// On a machine that has something for us.
    #[must_use]
    pub fn with_local(self, local: LocalMachine) -> Self {
        Self { local, ..self }
    }

    /// With an API that is there already.
    #[cfg(test)]
    pub(crate) fn with_cluster(self, cluster: Cluster) -> Self {
        Self { cluster: OnceCell::new_with(Some(cluster)), ..self }
    }

    pub(crate) fn host(&self, name: &str) -> Result<&dyn Host, StepError> {
        self.hosts.wanted.get(name).map(AsRef::as_ref).ok_or_else(|| StepError::UnknownHost { host: name.to_owned() })
    }

    /// A machine that leaves; `None` when it cannot be reached any more.
    pub(crate) fn leaving(&self, name: &str) -> Option<&dyn Host> {
        self.hosts.leaving.get(name).map(AsRef::as_ref)
    }

    /// The Kubernetes API, connected at first use and shared from then on. A failed attempt is not kept.
    pub(crate) async fn cluster(&self) -> Result<&Cluster, StepError> {
        self.cluster.get_or_try_init(|| observe::connect(self.wanted, self.hosts, self.backing())).await
    }

    /// The same, of a cluster that this run has just begun on a host, so that no marker says so yet.
    pub(crate) async fn new_cluster(&self, host: &str) -> Result<&Cluster, StepError> {
        self.cluster.get_or_try_init(|| observe::connect_to_new(self.wanted, self.hosts, host)).await
    }

    /// What speaks for a restore that not all control planes remember.
    pub(crate) fn backing(&self) -> Backing<'_> {
        Backing { asked_for: self.spec.restore.as_ref(), believed: self.restored.as_deref() }
    }
}
