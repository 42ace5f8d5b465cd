//! How nodes are drained before they are removed or changed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// How a node is drained before it is removed or changed. Pods are evicted, so PodDisruptionBudgets are respected. Pods
/// of DaemonSets and static pods stay. Data in `emptyDir` volumes is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long draining one node may take.
    pub timeout: Span,
    /// What to do with pods that have not left the node in that time: `fail` uncordons the node and reports which pods
    /// remain and why; `force` deletes them, whatever their PodDisruptionBudgets say.
    pub on_timeout: OnDrainTimeout,
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout: Span(Duration::from_mins(5)), on_timeout: OnDrainTimeout::Fail }
    }
}

/// What to do with pods that do not leave a node in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnDrainTimeout {
    #[default]
    Fail,
    Force,
}
