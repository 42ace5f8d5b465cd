//! What an action does to the cluster and its host. Plans, checks and callers decide by these facts.

use kubeone_spec::Role;

use super::Action;
use crate::node_changes::NodeChange;
use crate::repair::Repair;

/// What an action does beyond the files on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    pub cluster: OnCluster,
    pub etcd: OnEtcd,
    pub control_plane: OnControlPlane,
    pub node: OnNode,
    pub restarts_kubelet: bool,
    /// Restarts containerd under running containers.
    pub restarts_containerd: bool,
    /// The host must be reachable over SSH.
    pub reaches_host: bool,
}

/// How an action relates to the existence of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCluster {
    /// It can run before the cluster exists.
    Independent,
    /// It creates the cluster, which gets a new identity.
    Creates,
    /// The cluster must exist.
    Requires,
}

/// What happens to the etcd member on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEtcd {
    Unchanged,
    /// It becomes the only member of a new etcd cluster, empty or with restored data.
    Replaces,
    Joins,
    Leaves,
    Restarts,
    /// It stops together with all other members.
    Stops,
}

impl OnEtcd {
    /// Whether only one member at a time may go through this.
    pub fn takes_turns(self) -> bool {
        match self {
            Self::Replaces | Self::Joins | Self::Leaves | Self::Restarts => true,
            Self::Unchanged | Self::Stops => false,
        }
    }
}

/// What happens to the static pods of the control plane on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnControlPlane {
    Unchanged,
    Starts,
    Restarts,
    /// They restart with another version.
    Upgrades,
    Stops,
}

/// What happens to the Node of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNode {
    Unchanged,
    /// The first Node of a new cluster appears.
    Initializes,
    Joins,
    /// A kubelet that is set up registers its Node again.
    Registers,
    /// Labels, annotations, taints or kubelet settings change.
    Configures,
    /// Its pods may be drained, and come back.
    Drains,
    Uncordons,
    Leaves,
}

impl OnNode {
    /// Whether the host is a node afterwards that was not one before.
    pub fn is_new(self) -> bool {
        match self {
            Self::Initializes | Self::Joins | Self::Registers => true,
            Self::Unchanged | Self::Configures | Self::Drains | Self::Uncordons | Self::Leaves => false,
        }
    }
}

impl Effects {
    const IN_CLUSTER: Self = Self {
        cluster: OnCluster::Requires,
        etcd: OnEtcd::Unchanged,
        control_plane: OnControlPlane::Unchanged,
        node: OnNode::Unchanged,
        restarts_kubelet: false,
        restarts_containerd: false,
        reaches_host: false,
    };

    const ON_HOST: Self = Self { reaches_host: true, ..Self::IN_CLUSTER };

    const RESTARTS_CONTROL_PLANE: Self =
        Self { etcd: OnEtcd::Restarts, control_plane: OnControlPlane::Restarts, ..Self::ON_HOST };

    /// The effects on etcd and the static pods apply to control planes only.
    fn of_role(self, role: Role) -> Self {
        match role {
            Role::ControlPlane => self,
            Role::Worker => Self { etcd: OnEtcd::Unchanged, control_plane: OnControlPlane::Unchanged, ..self },
        }
    }
}

impl Action {
    /// Every action must be described here. No other code lists actions by what they do.
    pub fn effects(&self) -> Effects {
        match self {
            Self::PrepareHost { why, .. } => {
                // A host that was prepared before has a reason. Containers may be running on it.
                let runs = !why.is_empty();
                Effects {
                    cluster: OnCluster::Independent,
                    restarts_kubelet: runs,
                    restarts_containerd: runs,
                    ..Effects::ON_HOST
                }
            }
            Self::InitControlPlane { .. } => Effects {
                cluster: OnCluster::Creates,
                etcd: OnEtcd::Replaces,
                control_plane: OnControlPlane::Starts,
                node: OnNode::Initializes,
                ..Effects::ON_HOST
            },
            Self::JoinControlPlane { .. } => Effects {
                etcd: OnEtcd::Joins,
                control_plane: OnControlPlane::Starts,
                node: OnNode::Joins,
                ..Effects::ON_HOST
            },
            Self::JoinWorker { .. } => Effects { node: OnNode::Joins, ..Effects::ON_HOST },
            Self::ApplyAddon { .. }
            | Self::RepairCluster { .. }
            | Self::AwaitNodes { .. }
            | Self::AwaitApi
            | Self::PreflightUpgrade { .. } => Effects::IN_CLUSTER,
            Self::AdoptHost { .. }
            | Self::RewriteMarker { .. }
            | Self::TakeSnapshot { .. }
            | Self::CopySnapshots { .. }
            | Self::PrepareRestore { .. }
            | Self::FetchUpgrade { .. }
            | Self::UpgradeKubeadmAddons { .. } => Effects::ON_HOST,
            Self::StopControlPlane { .. } => {
                Effects { etcd: OnEtcd::Stops, control_plane: OnControlPlane::Stops, ..Effects::ON_HOST }
            }
            Self::RestoreEtcd { .. } => {
                Effects { etcd: OnEtcd::Replaces, control_plane: OnControlPlane::Starts, ..Effects::ON_HOST }
            }
            Self::RepairNode { role, what, .. } => {
                let node = if what.contains(&Repair::RegisterNode) { OnNode::Registers } else { OnNode::Unchanged };
                Effects { node, restarts_kubelet: true, ..Effects::RESTARTS_CONTROL_PLANE }.of_role(*role)
            }
            Self::RenewCertificates { .. } | Self::ConfigureControlPlane { .. } => Effects::RESTARTS_CONTROL_PLANE,
            Self::ConfigureNode { what, .. } => {
                // Everything else is changed through the API.
                let is_of_kubelet = what.iter().any(|change| matches!(change, NodeChange::Kubelet { .. }));
                Effects {
                    node: OnNode::Configures,
                    restarts_kubelet: is_of_kubelet,
                    reaches_host: is_of_kubelet,
                    ..Effects::IN_CLUSTER
                }
            }
            Self::RemoveNode { role, .. } => Effects {
                etcd: OnEtcd::Leaves,
                control_plane: OnControlPlane::Stops,
                node: OnNode::Leaves,
                ..Effects::ON_HOST
            }
            .of_role(*role),
            Self::ResetHost { role, .. } => Effects {
                etcd: OnEtcd::Stops,
                control_plane: OnControlPlane::Stops,
                node: OnNode::Leaves,
                ..Effects::ON_HOST
            }
            .of_role(*role),
            Self::UpgradeControlPlane { .. } => Effects {
                etcd: OnEtcd::Restarts,
                control_plane: OnControlPlane::Upgrades,
                node: OnNode::Drains,
                restarts_kubelet: true,
                ..Effects::ON_HOST
            },
            Self::UpgradeWorker { .. } => Effects { node: OnNode::Drains, restarts_kubelet: true, ..Effects::ON_HOST },
            Self::UpgradeContainerd { .. } => {
                Effects { node: OnNode::Drains, restarts_containerd: true, ..Effects::ON_HOST }
            }
            Self::UncordonNode { .. } => Effects { node: OnNode::Uncordons, ..Effects::IN_CLUSTER },
        }
    }
}
