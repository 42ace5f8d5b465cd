//! The life of a cluster in four moves: observe the world, plan, check the plan, execute it.
//!
//! `observe` reads every host and the API once. `plan` is a pure function from what is wanted and what was observed to
//! a [`Plan`], plain data that can be printed, compared and tested. `check` refuses plans that are not safe. `execute`
//! carries a plan out; its `match` is the table of contents of everything that can be done to a cluster.
//!
//! **Architecture invariant:** nothing is remembered between runs or between steps. The truth is on the hosts.

mod addons;
mod bundle;
mod catalog;
mod check;
mod cx;
mod error;
mod etcd;
mod evidence;
mod execute;
mod health;
mod image_lock;
mod import;
mod kubeadm;
mod kubeconfig;
mod kubelet;
mod leaving;
mod local;
mod lock;
mod lost_quorum;
mod marker;
mod node_changes;
mod observe;
mod observed;
mod plan;
mod prepare;
mod quorum;
mod renewal;
mod repair;
mod report;
mod restore;
mod runtime;
mod shared_path;
mod snapshots;
mod standing;
mod steps;
mod versions;
mod wanted;
#[cfg(test)]
mod world;

pub use bundle::{Bundle, BundleError, Identity, IdentityError, open as open_bundle};
pub use check::{check, check_newcomers, check_removal};
pub use cx::{Cx, Hosts};
pub use error::{ActionFailure, ExecuteError, StepError};
pub use execute::execute;
pub use health::look_after;
pub use import::{Entrance, ImportError, Imported, import};
pub use kubeconfig::{is_due as kubeconfig_is_due, mint_kubeconfig};
pub use local::{LocalError, LocalMachine};
pub use lock::{Held, Holder, Lock, LockError};
pub use node_changes::NodeChange;
pub use observe::observe;
pub use observed::{
    AddonState, ApiFacts, ApiState, BegunRestore, CgroupVersion, DeprecatedApi, EtcdMember, HostFacts, HostState,
    KubernetesFiles, Marker, MarkerFile, NodeFacts, NodeSettings, Observed, OperatingSystem, PackageVersions,
    UnitState,
};
pub use plan::{Action, Lane, Plan, Stage, plan_create_or_update, plan_removal};
pub use repair::Repair;
pub use report::{ActionReport, Event, Outcome, Report, Result as ActionResult};
pub use snapshots::{HeldSnapshot, Snapshot, SnapshotCause};
pub use standing::other_cluster;
pub use wanted::{LeavingHost, Wanted, imported_prior};
