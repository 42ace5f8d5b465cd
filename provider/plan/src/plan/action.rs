//! The closed list of actions that can change a cluster.

use std::fmt;

use kubeone_facts::SnapshotCause;
use kubeone_spec::{ContainerdVersion, KubernetesVersion, Role};
use serde::{Deserialize, Serialize};

use crate::component_changes::ComponentChange;
use crate::node_changes::NodeChange;
use crate::repair::Repair;
use crate::restore_record::key_of_id;

/// One action of a plan. It contains everything that its step needs beyond the settings. Fields marked "display only"
/// are shown in the plan; the step determines them itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Installs packages, kernel settings, the container runtime and images.
    PrepareHost {
        host: String,
        role: Role,
        kubernetes_version: KubernetesVersion,
        /// The reasons to prepare a host again that was prepared before. Display only.
        #[serde(default)]
        why: Vec<String>,
    },
    /// Runs `kubeadm init`. `resume` describes what an earlier attempt left behind. Display only.
    InitControlPlane {
        host: String,
        kubernetes_version: KubernetesVersion,
        resume: Option<String>,
        /// The snapshot from which the cluster is restored.
        #[serde(default)]
        restore: Option<String>,
    },
    /// Writes the marker on a node that another tool created.
    AdoptHost {
        host: String,
    },
    /// Rewrites the damaged marker of a node of the cluster. `reason` is display only.
    RewriteMarker {
        host: String,
        reason: String,
    },
    JoinControlPlane {
        host: String,
        resume: Option<String>,
    },
    JoinWorker {
        host: String,
        resume: Option<String>,
    },
    /// `drift` describes edits by other clients. Display only: all objects are applied.
    ApplyAddon {
        addon: String,
        #[serde(default)]
        drift: Vec<String>,
    },
    /// Recreates objects of `kubeadm init` that were deleted from the cluster.
    RepairCluster {
        kubernetes_version: KubernetesVersion,
        missing: Vec<String>,
    },
    /// Waits until these nodes are Ready.
    AwaitNodes {
        hosts: Vec<String>,
    },
    /// Takes a snapshot of etcd.
    TakeSnapshot {
        host: String,
        cause: SnapshotCause,
    },
    /// Copies snapshots to the machine that runs Terraform. `snapshots` are those that an earlier run did not copy.
    /// Display only.
    CopySnapshots {
        host: String,
        snapshots: Vec<String>,
        to: String,
    },
    /// Uploads a snapshot to the host on which etcd will be restored, unless it is already there, and verifies it
    /// before anything stops. `what` identifies the restore. `from` is the file on the machine that runs Terraform.
    /// Display only.
    PrepareRestore {
        host: String,
        what: String,
        from: Option<String>,
    },
    /// Stops the static pods of a control plane and keeps their manifests aside. `what` identifies the restore.
    StopControlPlane {
        host: String,
        what: String,
    },
    /// Starts a new etcd cluster with the restored data and this host as its only member, then starts this control
    /// plane. Deletes restored Nodes that are not in the settings and whose machines do not exist.
    RestoreEtcd {
        host: String,
        what: String,
    },
    /// Repairs what was changed on the host of a finished node.
    RepairNode {
        host: String,
        role: Role,
        what: Vec<Repair>,
    },
    /// Sets labels, annotations, taints and kubelet settings of a finished node to those of the host's settings.
    ConfigureNode {
        host: String,
        role: Role,
        what: Vec<NodeChange>,
    },
    /// Other arguments, mounts and files of the components of a control plane, which restart for them one after the other.
    /// `stale` are files that go. Both are for the reader, the step looks for itself.
    ConfigureControlPlane {
        host: String,
        what: Vec<ComponentChange>,
        stale: Vec<String>,
    },
    /// Waits until the Kubernetes API answers.
    AwaitApi,
    /// Runs `kubeadm certs renew` for the certificates that are due, and restarts their users. `reason` is display
    /// only.
    RenewCertificates {
        host: String,
        reason: String,
    },
    /// Removes a machine from the cluster. `replaced`: another machine takes its name.
    RemoveNode {
        host: String,
        role: Role,
        replaced: bool,
    },
    /// Checks the cluster before the first change of an upgrade.
    PreflightUpgrade {
        kubernetes_version: KubernetesVersion,
    },
    /// Downloads packages and images of another version, beside those that run.
    FetchUpgrade {
        host: String,
        role: Role,
        kubernetes_version: KubernetesVersion,
    },
    /// Upgrades the static pods, then the kubelet.
    UpgradeControlPlane {
        host: String,
        kubernetes_version: KubernetesVersion,
    },
    UpgradeWorker {
        host: String,
        kubernetes_version: KubernetesVersion,
    },
    /// Changes the containerd version of a node. Containers keep running.
    UpgradeContainerd {
        host: String,
        from: ContainerdVersion,
        to: ContainerdVersion,
    },
    /// Upgrades the addons that kubeadm installs.
    UpgradeKubeadmAddons {
        host: String,
        kubernetes_version: KubernetesVersion,
    },
    /// Uncordons a node that an interrupted run left cordoned.
    UncordonNode {
        host: String,
    },
    /// Removes the cluster from a host. If its marker is damaged, `ca` is the SHA-256 of the CA that identifies the
    /// cluster.
    ResetHost {
        host: String,
        role: Role,
        /// Whether a control plane keeps its etcd snapshots.
        keeps_snapshots: bool,
        #[serde(default)]
        ca: Option<String>,
    },
}

impl Action {
    /// The host on which it runs, if there is one.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::PrepareHost { host, .. }
            | Self::InitControlPlane { host, .. }
            | Self::AdoptHost { host }
            | Self::RewriteMarker { host, .. }
            | Self::JoinControlPlane { host, .. }
            | Self::JoinWorker { host, .. }
            | Self::TakeSnapshot { host, .. }
            | Self::CopySnapshots { host, .. }
            | Self::PrepareRestore { host, .. }
            | Self::StopControlPlane { host, .. }
            | Self::RestoreEtcd { host, .. }
            | Self::RepairNode { host, .. }
            | Self::ConfigureNode { host, .. }
            | Self::ConfigureControlPlane { host, .. }
            | Self::RenewCertificates { host, .. }
            | Self::RemoveNode { host, .. }
            | Self::FetchUpgrade { host, .. }
            | Self::UpgradeControlPlane { host, .. }
            | Self::UpgradeWorker { host, .. }
            | Self::UpgradeContainerd { host, .. }
            | Self::UpgradeKubeadmAddons { host, .. }
            | Self::UncordonNode { host }
            | Self::ResetHost { host, .. } => Some(host),
            Self::ApplyAddon { .. }
            | Self::RepairCluster { .. }
            | Self::AwaitNodes { .. }
            | Self::AwaitApi
            | Self::PreflightUpgrade { .. } => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |resume: &Option<String>| resume.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let because = |why: &[String]| if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
        match self {
            Self::PrepareHost { host, role, kubernetes_version, why } => {
                write!(f, "{host}: prepare {role} for Kubernetes {kubernetes_version}{}", because(why))
            }
            Self::InitControlPlane { host, kubernetes_version, resume, restore } => {
                let from = restore.as_ref().map_or_else(String::new, |what| format!(" from {what}"));
                write!(
                    f,
                    "{host}: initialize control plane with Kubernetes {kubernetes_version}{from}{}",
                    after(resume)
                )
            }
            Self::AdoptHost { host } => write!(f, "{host}: adopt (write the marker)"),
            Self::RewriteMarker { host, reason } => write!(f, "{host}: rewrite damaged marker ({reason})"),
            Self::JoinControlPlane { host, resume } => write!(f, "{host}: join control plane{}", after(resume)),
            Self::JoinWorker { host, resume } => write!(f, "{host}: join worker{}", after(resume)),
            Self::ApplyAddon { addon, drift } => write!(f, "cluster: apply addon {addon}{}", because(drift)),
            Self::RepairCluster { missing, .. } => write!(f, "cluster: recreate {}", missing.join(", ")),
            Self::AwaitNodes { hosts } => match hosts.as_slice() {
                [host] => write!(f, "cluster: wait until {host} is ready"),
                _ => write!(f, "cluster: wait until {} nodes are ready", hosts.len()),
            },
            Self::TakeSnapshot { host, cause } => write!(f, "{host}: take etcd snapshot ({cause})"),
            Self::CopySnapshots { host, snapshots, to } => match snapshots.as_slice() {
                [] => write!(f, "{host}: copy the snapshot to {to}"),
                names => write!(f, "{host}: copy {} to {to} (not copied yet)", names.join(", ")),
            },
            Self::PrepareRestore { host, what, from: None } => write!(f, "{host}: check {}", key_of_id(what)),
            Self::PrepareRestore { host, what, from: Some(path) } => {
                write!(f, "{host}: upload {} from {path} and check it", key_of_id(what))
            }
            Self::StopControlPlane { host, .. } => write!(f, "{host}: stop control plane"),
            Self::RestoreEtcd { host, what } => write!(f, "{host}: restore etcd from {}", key_of_id(what)),
            Self::RepairNode { host, role, what } => {
                let what: Vec<_> = what.iter().map(ToString::to_string).collect();
                write!(f, "{host}: repair {role} ({})", what.join(", "))
            }
            Self::ConfigureNode { host, what, .. } => {
                let what: Vec<_> = what.iter().map(ToString::to_string).collect();
                write!(f, "{host}: {}", what.join("; "))
            }
            Self::ConfigureControlPlane { host, what, stale } => {
                let changes = what.iter().map(ToString::to_string);
                let gone = (!stale.is_empty()).then(|| format!("remove {}", stale.join(", ")));
                let lines: Vec<_> = changes.chain(gone).collect();
                match lines.as_slice() {
                    [] => write!(f, "{host}: configure control plane (an earlier run was interrupted)"),
                    lines => write!(f, "{host}: {}", lines.join("; ")),
                }
            }
            Self::AwaitApi => f.write_str("cluster: wait until the Kubernetes API answers"),
            Self::RenewCertificates { host, reason } => write!(f, "{host}: renew certificates ({reason})"),
            Self::RemoveNode { host, role, replaced } => {
                let replaced = if *replaced { "replaced " } else { "" };
                let etcd = if *role == Role::ControlPlane { "remove etcd member, " } else { "" };
                write!(f, "{host}: remove {replaced}{role} (drain, {etcd}delete Node, reset host)")
            }
            Self::PreflightUpgrade { kubernetes_version } => {
                write!(f, "cluster: run preflight checks for the upgrade to Kubernetes {kubernetes_version}")
            }
            Self::FetchUpgrade { host, kubernetes_version, .. } => {
                write!(f, "{host}: fetch packages and images for Kubernetes {kubernetes_version}")
            }
            Self::UpgradeControlPlane { host, kubernetes_version } => {
                write!(f, "{host}: upgrade control plane to Kubernetes {kubernetes_version}")
            }
            Self::UpgradeWorker { host, kubernetes_version } => {
                write!(f, "{host}: upgrade worker to Kubernetes {kubernetes_version}")
            }
            Self::UpgradeContainerd { host, from, to } => {
                let verb = if to < from { "downgrade" } else { "upgrade" };
                write!(f, "{host}: {verb} containerd {from} → {to}")
            }
            Self::UpgradeKubeadmAddons { host, kubernetes_version } => {
                write!(f, "{host}: upgrade kube-proxy and CoreDNS for Kubernetes {kubernetes_version}")
            }
            Self::UncordonNode { host } => write!(f, "{host}: uncordon (an earlier run was interrupted)"),
            Self::ResetHost { host, role, keeps_snapshots, ca } => {
                let snapshots = match (role, keeps_snapshots) {
                    (Role::Worker, _) => "",
                    (Role::ControlPlane, true) => " (keep etcd snapshots)",
                    (Role::ControlPlane, false) => " and delete its etcd snapshots",
                };
                let known = ca.as_ref().map_or("", |_| " (damaged marker, identified by the cluster CA)");
                write!(f, "{host}: reset {role}{snapshots}{known}")
            }
        }
    }
}
