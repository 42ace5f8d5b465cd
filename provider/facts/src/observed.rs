//! What the world looked like when it was observed: plain data, kept in Terraform's private state between plan and apply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ApiFacts, ApiState, HostFacts};

/// Everything that was seen of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// When, in RFC 3339 and UTC; empty for what was never looked at. Certificates are judged by it.
    pub observed_at: String,
    /// By the name of the host, which is the name of its node.
    pub hosts: BTreeMap<String, HostState>,
    /// Machines that are wanted no more, by the same names; see [`crate::Wanted::leaving`].
    pub leaving: BTreeMap<String, HostState>,
    pub api: ApiState,
}

impl Observed {
    /// What was seen on a host, if it was reached.
    pub fn facts(&self, host: &str) -> Option<&HostFacts> {
        match self.hosts.get(host) {
            Some(HostState::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    /// What was seen on a machine that is wanted no more, if it was reached.
    pub fn leaving_facts(&self, host: &str) -> Option<&HostFacts> {
        match self.leaving.get(host) {
            Some(HostState::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    pub fn api_facts(&self) -> Option<&ApiFacts> {
        match &self.api {
            ApiState::Answered(facts) => Some(facts),
            _ => None,
        }
    }
}

/// One host, as far as it could be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HostState {
    Reached(Box<HostFacts>),
    /// It does not answer.
    Unreachable {
        reason: String,
    },
    /// It answers, and does not let us look: it rejects the login, shows another host key, or what it says cannot be read.
    Refuses {
        reason: String,
    },
}

impl HostState {
    /// Why nothing is known of the host.
    pub fn unseen(&self) -> Option<&str> {
        match self {
            Self::Reached(_) => None,
            Self::Unreachable { reason } | Self::Refuses { reason } => Some(reason),
        }
    }
}
