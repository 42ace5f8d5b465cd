//! The machines of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubeone_hosts::Host;

/// The machines of a run, by the names of their nodes.
#[derive(Clone, Default)]
pub struct Hosts {
    pub wanted: BTreeMap<String, Arc<dyn Host>>,
    /// Those that are wanted no more and may still answer.
    pub leaving: BTreeMap<String, Arc<dyn Host>>,
}
