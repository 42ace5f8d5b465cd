//! Verbs over the Kubernetes API.
//!
//! A [`Cluster`] speaks to one API server through a stream that the caller opens. Its methods are the verbs: read facts,
//! apply and prune addons, mint join tokens, wait for what must become true.
//!
//! **Architecture invariant:** this crate knows nothing of SSH, of kubeadm's commands and of Terraform.

mod apply;
mod call;
mod causes;
mod clock;
mod cluster;
mod connection;
mod definitions;
mod drain;
mod drift;
mod error;
mod facts;
mod fake_api;
mod inventory;
mod kinds;
mod kubeconfig;
mod kubelet;
mod node_settings;
mod nodes;
mod prune;
mod rollout;
mod tokens;
mod upgrade;
mod wait;

pub use cluster::Cluster;
pub use connection::{ApiConnector, ApiServer, ApiStream};
pub use drain::Drained;
pub use error::ClusterError;
pub use facts::{AddonStatus, ClusterFacts, Node};
pub use fake_api::FakeApi;
pub use kubeconfig::{Kubeconfig, KubeconfigError};
pub use node_settings::NodeSettings;
pub use tokens::BootstrapToken;
pub use upgrade::DeprecatedApi;
