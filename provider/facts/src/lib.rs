//! What was seen of a cluster: hosts, the Kubernetes API, markers, snapshots. Plain data that others fill in and judge.

mod api;
mod host;
pub mod marker;
mod observed;
pub mod snapshot;

pub use api::{AddonState, ApiFacts, ApiState, DeprecatedApi, NodeFacts, NodeSettings};
pub use host::{
    BegunRestore, CgroupVersion, ComponentFacts, Configured, EtcdMember, HostFacts, KubernetesFiles, OperatingSystem,
    PackageVersions, UnitState,
};
pub use marker::{Marker, MarkerFile, NotOurs};
pub use observed::{HostState, Observed};
pub use snapshot::{HeldSnapshot, Snapshot, SnapshotCause, SnapshotContent};
