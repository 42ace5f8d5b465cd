//! Laws of repair: whatever drifts on a host is repaired there, nothing else is touched, and the next plan completes an
//! interrupted repair.

use kubeone_spec::KubernetesVersion;

use super::World;
use super::laws::{Dice, converge, create, finished, interruptions, same_cluster, spec};
use crate::plan::{Action, Plan};
use crate::renewal::COMPONENT_CERTIFICATES;
use crate::renewal::KUBELET_CERTIFICATE;

/// The finished cluster for these tests, observed on [`super::NOW`].
fn cluster() -> World {
    finished(World::new(spec(3, 3, "canal")))
}

fn ends_soon(world: &mut World, host: &str) {
    for certificate in &COMPONENT_CERTIFICATES {
        world.facts(host).certificates.insert(certificate.path.to_owned(), "2026-03-20T00:00:00Z".to_owned());
    }
}

#[test]
fn only_expiring_certificates_are_renewed() {
    for seed in 0..50 {
        let (end, mut dice) = (cluster(), Dice(seed));
        let mut world = end.clone();
        let due: Vec<_> = ["cp-1", "cp-2", "cp-3"].into_iter().filter(|_| dice.below(2) == 0).collect();
        for host in &due {
            ends_soon(&mut world, host);
        }
        let plan = create(&world);
        let renewed: Vec<_> = plan.actions().filter_map(Action::host).collect();
        assert_eq!(renewed, due, "{plan}");
        assert!(plan.actions().all(|action| matches!(action, Action::RenewCertificates { .. })), "{plan}");
        for (what, mut world) in interruptions(&world, &plan) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
        converge(&mut world, create);
        assert_eq!(world, end);
    }
}

#[test]
fn a_new_trigger_renews_all_control_planes_once() {
    let mut world = cluster();
    let mut spec = world.wanted.spec.clone();
    spec.certificates.renew_trigger = Some("after the audit".to_owned());
    world.change_to(spec);
    let plan = create(&world);
    assert_eq!(plan.actions().filter_map(Action::host).collect::<Vec<_>>(), ["cp-1", "cp-2", "cp-3"]);
    for (_, mut world) in interruptions(&world, &plan) {
        converge(&mut world, create);
    }
    // A cluster that is created with a trigger has new certificates already.
    let mut made = World::new(world.wanted.spec.clone());
    converge(&mut made, create);
}

/// A name for the API server. The next control plane gets it when it joins.
#[test]
fn a_new_name_renews_one_certificate_of_each_control_plane() {
    let mut world = cluster();
    let mut spec = world.wanted.spec.clone();
    spec.api_endpoint.alternative_names = vec!["api.example.com".to_owned()];
    world.change_to(spec);
    let plan = create(&world);
    assert_eq!(plan.actions().filter_map(Action::host).collect::<Vec<_>>(), ["cp-1", "cp-2", "cp-3"]);
    for (_, mut world) in interruptions(&world, &plan) {
        converge(&mut world, create);
    }
    converge(&mut world, create);
    let mut spec = world.wanted.spec.clone();
    spec.api_endpoint.alternative_names.clear();
    world.change_to(spec);
    assert!(create(&world).is_empty(), "a name that is taken away waits for the next renewal");
}

/// Something that can happen to the host of a finished node.
fn drift(world: &mut World, host: &str, dice: &mut Dice) {
    let manifests = host.starts_with("cp").then_some("/etc/kubernetes/manifests/etcd.yaml");
    let facts = world.facts(host);
    match dice.below(9) {
        0 => facts.kubelet_active = false,
        1 => facts.disabled_services = vec!["kubelet".to_owned()],
        2 => {
            facts.changed_files =
                ["/var/lib/kubelet/config.yaml"].into_iter().chain(manifests).map(str::to_owned).collect();
        }
        3 => _ = facts.certificates.insert(KUBELET_CERTIFICATE.to_owned(), "2026-02-01T00:00:00Z".to_owned()),
        4 => facts.containerd_active = false,
        5 => facts.swap_active = true,
        6 => {
            facts.packages.kubelet.clear();
            facts.kubelet_active = false;
        }
        7 => {
            let newer = world.wanted.spec.kubernetes_version;
            world.upgraded_by_hand(host, KubernetesVersion::new(newer.major, newer.minor, newer.patch + 1));
        }
        _ => _ = world.api().nodes.remove(host),
    }
}

fn settle(world: &mut World) {
    let names: Vec<_> = world.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
    for name in names {
        world.facts(&name).units.clear();
    }
}

/// The plan, and the rest of it after an interruption, restores the previous state.
fn comes_back(mut world: World, mut end: World, plan: &Plan) {
    for (what, mut world) in interruptions(&world, plan) {
        converge(&mut world, create);
        same_cluster(&world, &end, &what);
    }
    converge(&mut world, create);
    settle(&mut world);
    settle(&mut end);
    assert_eq!(world, end);
}

#[test]
fn only_drifted_hosts_are_repaired() {
    for seed in 0..300 {
        let (end, mut dice) = (cluster(), Dice(seed));
        let mut world = end.clone();
        let names: Vec<_> = end.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
        let drifted: Vec<_> = names.iter().filter(|_| dice.below(3) == 0).collect();
        for host in &drifted {
            drift(&mut world, host, &mut dice);
        }
        let plan = create(&world);
        let on_hosts = || plan.actions().filter_map(Action::host);
        assert!(on_hosts().all(|host| drifted.iter().any(|name| *name == host)), "{plan}");
        assert!(drifted.iter().all(|name| on_hosts().any(|host| host == *name)), "{plan}");
        comes_back(world, end, &plan);
    }
}

#[test]
fn a_removed_member_joins_again() {
    let (end, mut world) = (cluster(), cluster());
    world.members.retain(|member| member.name != "cp-2");
    world.tell_members();
    let plan = create(&world);
    let on_hosts: Vec<_> = plan.actions().filter_map(Action::host).collect();
    assert_eq!(on_hosts, ["cp-2"], "{plan}");
    comes_back(world, end, &plan);
}

/// Certificates have expired, services are down, files are edited, and the API is silent.
#[test]
fn a_silent_api_is_repaired_from_the_hosts() {
    for seed in 0..200 {
        let (end, mut dice) = (cluster(), Dice(seed));
        let mut world = end.clone();
        for host in ["cp-1", "cp-2", "cp-3"] {
            match dice.below(3) {
                0 => ends_soon(&mut world, host),
                1 => {
                    let facts = world.facts(host);
                    (facts.containerd_active, facts.kubelet_active) = (false, false);
                    facts.changed_files = vec!["/etc/kubernetes/manifests/kube-apiserver.yaml".to_owned()];
                }
                _ => {}
            }
        }
        world.silence();
        let plan = create(&world);
        for (what, mut world) in interruptions(&world, &plan) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
        converge(&mut world, create);
        assert_eq!(world, end);
    }
}
