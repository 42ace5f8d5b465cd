//! The plan that removes a cluster from its hosts.

use kubeone_spec::{ClusterSpec, Role};

use super::{Action, Lane, Plan};
use crate::observed::Observed;
use crate::standing::{Standing, standing};

/// Workers first, so that they can still be told apart from strangers while the API lives; then all control planes at
/// once, because nothing of the cluster is left to keep. Hosts that are not ours are not touched; hosts that cannot be
/// reached are [`crate::check_removal`]'s business.
pub fn plan_removal(spec: &ClusterSpec, observed: &Observed) -> Plan {
    let resets = |role| -> Vec<Lane> {
        let hosts = hosts(spec, observed).filter(|(_, its_role)| *its_role == role);
        let ours = hosts.filter(|(name, _)| {
            matches!(standing(spec, observed, name), Standing::Unseen | Standing::Begun | Standing::Finished)
        });
        ours.map(|(name, role)| vec![Action::ResetHost { host: name.to_owned(), role }]).collect()
    };
    let mut plan = Plan::default();
    plan.add("reset workers", resets(Role::Worker));
    plan.add("reset control planes", resets(Role::ControlPlane));
    plan
}

/// The hosts of the settings, and those that were observed because earlier settings named them.
pub(crate) fn hosts<'a>(spec: &'a ClusterSpec, observed: &'a Observed) -> impl Iterator<Item = (&'a str, Role)> {
    let wanted = |name: &str| spec.control_plane.contains_key(name) || spec.static_workers.contains_key(name);
    let earlier = observed.hosts.keys().map(String::as_str).filter(move |name| !wanted(name));
    let earlier = earlier.map(|name| {
        let control_plane = observed.facts(name).is_some_and(|facts| !facts.kubernetes.static_pods.is_empty());
        (name, if control_plane { Role::ControlPlane } else { Role::Worker })
    });
    spec.hosts().map(|(name, role, _)| (name, role)).chain(earlier)
}
