//! Changes of settings that are refused at plan: those that no cluster survives, and those this version cannot carry
//! out. Refused, because a change that is accepted and not made would be forgotten. What the engine can tell from an
//! observation, such as another version of Kubernetes, it refuses itself.

use kubeone_spec::{ClusterSpec, FieldPath, Finding, HostSpec};

use crate::decode::Decoded;
use crate::model::CLUSTER;

/// What stands against going from one set of settings to the other.
pub(super) fn findings(prior: &ClusterSpec, wanted: &ClusterSpec) -> Vec<Finding> {
    let mut findings = immutable(prior, wanted);
    let maps = [
        ("control_plane", &prior.control_plane, &wanted.control_plane),
        ("static_workers", &prior.static_workers, &wanted.static_workers),
    ];
    for (map, prior, wanted) in maps {
        for (name, prior) in prior {
            if let Some(wanted) = wanted.get(name) {
                host(&FieldPath::root(map).key(name), prior, wanted, &mut findings);
            }
        }
    }
    findings
}

fn immutable(prior: &ClusterSpec, wanted: &ClusterSpec) -> Vec<Finding> {
    // Both were read from values a moment ago, so they can be written as values too.
    let (Ok(prior), Ok(wanted)) = (serde_json::to_value(prior), serde_json::to_value(wanted)) else {
        return Vec::new();
    };
    let changes = CLUSTER.immutable_changes(&prior, &wanted);
    changes
        .into_iter()
        .map(|path| {
            let summary = format!("`{path}` cannot change");
            Finding::error(
                path,
                summary,
                "A cluster keeps it for life. Build a second cluster, or destroy this one first.",
            )
        })
        .collect()
}

/// etcd loses its data when most of its members are gone. Whether Terraform destroys the machines of those that leave
/// before they have left, or after that, cannot be seen here. A machine whose identity is not known yet is taken for a new
/// one: a warning that comes during apply comes too late.
pub(super) fn lost_quorum(prior: &ClusterSpec, wanted: &Decoded<ClusterSpec>) -> Option<Finding> {
    let path = FieldPath::root("control_plane");
    let settings = &wanted.settings;
    let known = wanted.unknown.iter().all(|unknown| unknown.0.len() > 2 || !unknown.touches(&path));
    let stays = |(name, prior): &(&String, &HostSpec)| {
        settings.control_plane.get(*name).is_some_and(|wanted| !wanted.is_new_machine(prior))
    };
    let members = prior.control_plane.len();
    let leave = members - prior.control_plane.iter().filter(stays).count();
    let bearable = members.saturating_sub(1) / 2;
    // A restore begins with the data of one, whoever else is gone.
    let restores = settings.restore.is_some() && settings.restore != prior.restore;
    if !known || leave <= bearable || settings.roll_control_plane || restores {
        return None;
    }
    Some(Finding::error(
        path,
        format!("{leave} of {members} control planes would leave at once"),
        format!(
            "etcd keeps the cluster's data as long as more than half of its members live: of {members} it bears the loss of \
             {bearable}. Replace or remove fewer at once, apply, and then the next. Or let each leave in good order, one \
             after the other: give the machines `lifecycle {{ create_before_destroy = true }}`, so that they live until \
             then, and set `roll_control_plane = true`. If they are lost already, the cluster can go on with the data of one that \
             is left: `restore = {{ survivor = … }}`."
        ),
    ))
}

fn host(path: &FieldPath, prior: &HostSpec, wanted: &HostSpec, findings: &mut Vec<Finding>) {
    if wanted.is_new_machine(prior) {
        return;
    }
    if prior.node_address() != wanted.node_address() {
        let field = if wanted.private_address.is_some() { "private_address" } else { "address" };
        findings.push(Finding::error(
            path.clone().field(field),
            format!("cannot change `{field}` of a host that is in the cluster"),
            "A node and its member of etcd keep the address they began with. If this is another machine, give it another \
             `instance_id`: it takes the place of the old one then. A machine with a new address leaves and joins again.",
        ));
    }
}
