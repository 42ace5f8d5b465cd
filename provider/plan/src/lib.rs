//! Judges a cluster, plans changes and checks plans: pure functions from wanted and observed state to a [`Plan`], which
//! is plain data, and to the findings that refuse one.
//!
//! **Architecture invariant:** nothing here can act. No dependency of this crate opens a socket, reads a file or reads
//! a clock.

pub mod check;
pub mod component_changes;
pub mod departing;
pub mod etcd;
pub mod evidence;
pub mod lost_quorum;
pub mod node_changes;
pub mod plan;
pub mod quorum;
pub mod renewal;
pub mod repair;
pub mod restore;
pub mod restore_record;
pub mod runtime;
pub mod situation;
pub mod snapshots;
pub mod standing;
pub mod versions;
pub mod wanted;
#[cfg(test)]
mod world;

pub use check::{check, check_new_hosts, check_removal};
pub use node_changes::NodeChange;
pub use plan::{
    Action, Effects, Lane, OnCluster, OnControlPlane, OnEtcd, OnNode, Plan, Stage, plan_create_or_update, plan_removal,
};
pub use repair::Repair;
pub use situation::Situation;
pub use standing::other_cluster;
pub use wanted::{LeavingHost, Wanted, imported_prior};
