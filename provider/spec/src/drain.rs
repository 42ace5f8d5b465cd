//! How pods leave a node that is removed or worked on.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// How a node is emptied before it is removed or worked on. Pods are evicted, so that PodDisruptionBudgets are respected;
/// pods of DaemonSets and static pods stay, and what pods keep in `emptyDir` volumes is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long the pods of one node may take to leave it.
    pub timeout: Span,
    /// What happens when pods have not left in that time: `fail` makes the node schedulable again and says which pods
    /// stayed and why, `force` deletes them, whatever their PodDisruptionBudgets say.
    pub on_timeout: OnDrainTimeout,
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout: Span(Duration::from_mins(5)), on_timeout: OnDrainTimeout::Fail }
    }
}

/// What happens to pods that do not leave a node in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OnDrainTimeout {
    #[default]
    Fail,
    Force,
}
