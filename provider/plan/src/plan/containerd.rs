//! Plans changes of containerd: control planes one after the other, then the workers.

use kubeone_spec::Role;

use super::upgrade::worker_lanes;
use super::{Action, Lane, Plan};
use crate::runtime::{Change, change};
use crate::situation::Situation;

/// Containers keep running while containerd restarts, so nodes are drained only if the settings ask for it. But nothing
/// on the node can start or inspect a container meanwhile, so as few nodes at a time are affected as in an upgrade of
/// Kubernetes.
pub(super) fn add_containerd(plan: &mut Plan, situation: &Situation<'_>) {
    let spec = situation.spec;
    let of = |role| {
        let hosts = situation.of_role(role).iter();
        hosts.filter_map(|host| Some((host.name, change(spec, host)?))).collect::<Vec<_>>()
    };
    let upgrade = |(host, Change { from, to }): &(&str, Change)| Action::UpgradeContainerd {
        host: (*host).to_owned(),
        from: *from,
        to: *to,
    };
    let control_planes: Lane = of(Role::ControlPlane).iter().map(upgrade).collect();
    plan.add("change containerd on the control planes", vec![control_planes]);
    let workers = of(Role::Worker);
    plan.add("change containerd on the workers", worker_lanes(spec, &workers, upgrade));
}
