//! The container runtime of the nodes.

mod version;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use version::ContainerdVersion;

/// containerd, which runs the containers on every node that this provider set up. Adopted hosts keep the container
/// runtime they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Containerd {
    /// Version of containerd on all nodes, such as `2.2.5`. When unset, new nodes get the newest version that the
    /// package repository offers and this Kubernetes version supports, and existing nodes get newer patch releases as
    /// soon as the host's package lists name one: the plan shows each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<ContainerdVersion>,
}
