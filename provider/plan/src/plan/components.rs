//! Where in a plan the components of control planes get other settings: one control plane after the other, when their nodes
//! are in order.

use kubeone_desired::control_plane::ControlPlane;

use super::{Action, Lane};
use crate::component_changes::{component_changes, is_of_others, stale_files};
use crate::situation::{HostSituation, Situation};
use crate::versions::{Progress, UpgradePath, upgrade_path};

/// A cluster that another tool made keeps its own arguments.
pub(super) fn configure_control_planes(situation: &Situation<'_>) -> Lane {
    if upgrade_path(situation) != UpgradePath::UpToDate || is_of_others(situation) {
        return Lane::new();
    }
    let desired = ControlPlane::of(situation.spec);
    let configure = |host: &HostSituation<'_>| {
        let facts = host.facts?;
        if !host.is_finished() || host.progress != Progress::Done || host.stands_aside() {
            return None;
        }
        let (what, stale) = (component_changes(&desired, facts), stale_files(&desired, facts));
        let is_due = !what.is_empty() || !stale.is_empty() || facts.configured.begun;
        is_due.then(|| Action::ConfigureControlPlane { host: host.name.to_owned(), what, stale })
    };
    situation.control_planes().iter().filter_map(configure).collect()
}
