//! A plan: data that says what to do, in which order, and what may run in parallel.

mod action;
mod adopt;
mod components;
mod configure;
mod containerd;
mod departures;
mod effects;
mod install;
mod prepare;
mod remove;
mod renew;
mod repair;
mod restore;
mod snapshots;
mod upgrade;

use std::fmt;

pub use action::Action;
#[cfg(test)]
pub(crate) use configure::own_all_taints;
pub use effects::{Effects, OnCluster, OnControlPlane, OnEtcd, OnNode};
pub use install::plan_create_or_update;
#[cfg(test)]
pub(crate) use install::plan_with_addons;
pub use remove::plan_removal;
use serde::{Deserialize, Serialize};
pub(crate) use upgrade::begins as upgrade_begins;

/// Stages run one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub stages: Vec<Stage>,
}

/// The lanes of a stage run in parallel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub title: String,
    pub lanes: Vec<Lane>,
}

/// The actions of a lane run one after the other.
pub type Lane = Vec<Action>;

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flat_map(|stage| stage.lanes.iter().flatten())
    }

    /// Adds a stage with the lanes that are not empty. Adds nothing if all are empty.
    fn add(&mut self, title: &str, mut lanes: Vec<Lane>) {
        lanes.retain(|lane| !lane.is_empty());
        if !lanes.is_empty() {
            self.stages.push(Stage { title: title.to_owned(), lanes });
        }
    }

    /// One line for each action, as shown in Terraform's plan.
    pub fn lines(&self) -> Vec<String> {
        self.actions().map(ToString::to_string).collect()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stage in &self.stages {
            writeln!(f, "{}:", stage.title)?;
            for lane in &stage.lanes {
                let lane: Vec<_> = lane.iter().map(ToString::to_string).collect();
                writeln!(f, "  {}", lane.join(" → "))?;
            }
        }
        Ok(())
    }
}
