//! Where in a plan the components of control planes get other settings: one control plane after the other, when their nodes
//! are in order.

use kubeone_desired::control_plane::ControlPlane;
use kubeone_facts::Observed;

use super::{Action, Lane};
use crate::component_changes::{component_changes, is_of_others, stale_files};
use crate::repair::was_left;
use crate::standing::{Standing, standing};
use crate::versions::{Progress, Way, progress, way};
use crate::wanted::Wanted;

/// A cluster that another tool made keeps its own arguments.
pub(super) fn configure_control_planes(wanted: &Wanted, observed: &Observed) -> Lane {
    let names = || wanted.spec.control_plane.keys();
    if way(wanted, observed) != Way::Arrived || is_of_others(wanted, observed) {
        return Lane::new();
    }
    let desired = ControlPlane::of(&wanted.spec);
    let configure = |name: &String| {
        let facts = observed.facts(name)?;
        let is_settled = standing(wanted, observed, name) == Standing::Finished
            && progress(wanted, observed, name) == Progress::Done
            && !was_left(wanted, observed, name);
        if !is_settled {
            return None;
        }
        let what = component_changes(&desired, facts);
        let stale = stale_files(&desired, facts);
        let is_due = !what.is_empty() || !stale.is_empty() || facts.configured.begun;
        is_due.then(|| Action::ConfigureControlPlane { host: name.clone(), what, stale })
    };
    names().filter_map(configure).collect()
}
