//! Findings about a restore of etcd: what it would lose, whether it is possible, and what prevents it.

use kubeone_facts::Observed;
use kubeone_spec::{ClusterSpec, FieldPath, Finding, RestoreSource, Role};

use super::host_path;
use crate::departing::DepartingNode;
use crate::plan::{Action, Plan};
use crate::restore::{WantedRestore, begun, is_enough_for_new_machines, other_version, restorer, wanted_restore};
use crate::restore_record::key_of_id;
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;
use crate::versions::{UpgradePath, api_servers, upgrade_path};
use crate::{evidence, snapshots};

/// `all` includes the departing machines; `situation` does not.
pub(super) fn findings(all: &Situation<'_>, situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let Some(restore) = wanted_restore(situation) else {
        return left_half_done(situation).into_iter().collect();
    };
    let mut findings: Vec<Finding> = other_version_than_wanted(situation, &restore).into_iter().collect();
    let exists = situation.finished_control_planes().next().is_some();
    if situation.wanted.imported {
        findings.push(Finding::error(
            path(),
            "etcd cannot be restored by the first apply after an import",
            "Remove `restore`, apply, then set it again.",
        ));
    }
    findings.extend(leaving(all));
    let damaged = damaged_markers(situation);
    if !damaged.is_empty() {
        findings.extend(damaged);
        return findings;
    }
    if exists {
        findings.extend(protection(situation.spec));
        findings.extend(no_source(situation, &restore));
        findings.extend(out_of_reach(situation));
    } else {
        findings.extend(not_enough(&restore));
    }
    findings.extend(still_running(situation, plan));
    findings
}

/// A damaged marker may hide that the restore is already done on this control plane.
fn damaged_markers(situation: &Situation<'_>) -> Vec<Finding> {
    let is_damaged = |host: &&HostSituation<'_>| {
        host.facts.is_some_and(|facts| facts.marker.damage().is_some() && facts.carries_kubernetes())
    };
    let damaged = situation.control_planes().iter().filter(is_damaged);
    let finding = |host: &HostSituation<'_>| {
        let name = host.name;
        Finding::error(
            host_path(Role::ControlPlane, name),
            format!("etcd cannot be restored while the marker of {name} is damaged"),
            "The marker records whether this restore is done. Remove `restore` and apply, which rewrites the marker. \
             Then set `restore` again if etcd still has to be restored.",
        )
        .derived_from(path())
    };
    damaged.map(finding).collect()
}

fn path() -> FieldPath {
    FieldPath::root("restore")
}

fn source_path(restore: &WantedRestore) -> FieldPath {
    path().field(if restore.source.snapshot().is_some() { "snapshot" } else { "survivor" })
}

fn left_half_done(situation: &Situation<'_>) -> Option<Finding> {
    let stopped: Vec<_> = begun(situation).collect();
    let (_, first) = stopped.first()?;
    let (what, hosts): (_, Vec<_>) = (key_of_id(&first.what), stopped.iter().map(|(name, _)| *name).collect());
    Some(Finding::error(
        path(),
        format!("a restore from {what} was interrupted; {} stopped for it", hosts.join(", ")),
        "Set `restore` to its previous value and apply to complete it. To return to the data from before the restore, \
         set `restore = { survivor = … }` to one of these control planes instead.",
    ))
}

/// Data of another version does not fit the static pods, and a restore combined with an upgrade could not be undone.
fn other_version_than_wanted(situation: &Situation<'_>, restore: &WantedRestore) -> Option<Finding> {
    let target = situation.spec.kubernetes_version;
    if let Some(version) = other_version(situation.wanted, restore) {
        return Some(
            Finding::error(
                source_path(restore),
                format!("{} was taken with Kubernetes {version}, but `kubernetes_version` is {target}", restore.source),
                format!(
                    "Set `kubernetes_version` to `{version}`, restore, then upgrade. Hosts that already run a newer \
                     version cannot be downgraded: restore to fresh machines."
                ),
            )
            .derived_from(FieldPath::root("kubernetes_version")),
        );
    }
    if upgrade_path(situation) != UpgradePath::Upgrade {
        return None;
    }
    let finding = match api_servers(situation) {
        Some((oldest, newest)) if oldest < newest => Finding::error(
            path(),
            "etcd would be restored during an upgrade",
            format!(
                "Some control planes run Kubernetes {oldest} and some {newest}, and etcd data fits only one of them. \
                 If the API answers, remove `restore` and complete the upgrade first. If it does not, replace all \
                 machines that run one of the two versions (another `instance_id`, old machines switched off), and set \
                 `kubernetes_version` to the other version."
            ),
        ),
        _ => Finding::error(
            path(),
            "etcd would be restored and the cluster upgraded at the same time",
            "Do one at a time: keep `kubernetes_version`, restore, then change the version.",
        ),
    };
    Some(finding.derived_from(FieldPath::root("kubernetes_version")))
}

fn protection(spec: &ClusterSpec) -> Option<Finding> {
    spec.deletion.protection.then(|| {
        Finding::error(
            path(),
            format!("cluster `{}` is protected against data loss", spec.name),
            "Everything written since the restored data would be lost. To restore anyway, set `deletion = { protection \
             = false }` together with `restore`.",
        )
        .derived_from(FieldPath::root("deletion"))
    })
}

/// The source of the restore does not exist.
fn no_source(situation: &Situation<'_>, restore: &WantedRestore) -> Option<Finding> {
    if let Some(host) = restorer(situation, restore) {
        let observed = situation.observed;
        return without_data(observed, host, restore).or_else(|| of_another_cluster(observed, host, restore));
    }
    let finding = |summary: String, detail: String| Some(Finding::error(source_path(restore), summary, detail));
    match restore.source {
        RestoreSource::Survivor(host) => finding(
            format!("{host} cannot be the survivor: it is not a reachable control plane of the cluster"),
            "Name a reachable control plane that holds etcd data.".to_owned(),
        ),
        RestoreSource::OnHost(_) | RestoreSource::Local(_) => {
            let known: Vec<_> = snapshots::known(situation).iter().map(|it| it.name.clone()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            finding(
                format!("no reachable control plane holds {}", restore.source),
                format!("Known snapshots: {known}. To use a file on this machine, set its path, with a `/`."),
            )
        }
    }
}

/// During a restore the data directory may be missing temporarily.
fn without_data(observed: &Observed, host: &str, restore: &WantedRestore) -> Option<Finding> {
    let facts = observed.facts(host)?;
    let is_survivor = matches!(restore.source, RestoreSource::Survivor(_));
    (is_survivor && facts.restore.is_none() && !evidence::holds_data(facts)).then(|| {
        Finding::error(
            source_path(restore),
            format!("{host} cannot be the survivor: it holds no etcd data"),
            "Name a control plane that holds etcd data, or restore a snapshot.",
        )
    })
}

/// An earlier cluster with this name may have left snapshots on the machine. Its credentials are not trusted.
fn of_another_cluster(observed: &Observed, host: &str, restore: &WantedRestore) -> Option<Finding> {
    let RestoreSource::OnHost(name) = restore.source else { return None };
    let facts = observed.facts(host)?;
    let uid = facts.marker.as_ref()?.uid.as_ref()?;
    let snapshot = &facts.snapshots.iter().find(|it| it.snapshot.name == name)?.snapshot;
    (snapshot.cluster_uid != *uid).then(|| {
        Finding::error(
            source_path(restore),
            format!("{} belongs to another cluster, uid {}", restore.source, snapshot.cluster_uid),
            format!(
                "This cluster has the uid {uid}. Its certificates and tokens do not match the data of another cluster."
            ),
        )
    })
}

/// A control plane that is not stopped may continue with the old data.
fn out_of_reach(situation: &Situation<'_>) -> Option<Finding> {
    let hosts = situation.control_planes().iter();
    let silent = hosts.filter(|host| matches!(host.standing, Standing::Unreachable { .. }));
    let names: Vec<_> = silent.map(|host| host.name).collect();
    let first = names.first()?;
    Some(Finding::warning(
        host_path(Role::ControlPlane, first),
        format!("{} cannot be stopped before etcd is restored", names.join(", ")),
        "Make sure that they are off or disconnected: while they run, clients may get the old data from them. When \
         they come back, the next apply joins them with the restored data.",
    ))
}

/// Departing machines would have to be drained, which the restored cluster cannot do yet.
fn leaving(all: &Situation<'_>) -> Vec<Finding> {
    let reachable = all.departing.iter().filter(|node| node.is_reachable());
    let finding = |node: &DepartingNode<'_>| {
        Finding::error(
            host_path(node.role, node.name),
            format!("{} would be removed from the cluster while etcd is restored", node.name),
            "Do one at a time: keep it, restore, then remove it. Machines that are already gone may be replaced \
             together with the restore.",
        )
        .derived_from(path())
    };
    reachable.map(finding).collect()
}

/// A cluster of new machines needs the keys of the old one.
fn not_enough(restore: &WantedRestore) -> Option<Finding> {
    if is_enough_for_new_machines(restore) {
        return None;
    }
    let detail = "New machines need the keys of the old cluster: its certificate authorities and the key that signs \
                  service account tokens. An encrypted copy (`backup.copy_to` with `backup.recipients`) contains them: \
                  set `restore.snapshot` to its path, which ends in `.age`.";
    let summary = match restore.source {
        RestoreSource::Survivor(host) => {
            format!("neither {host} nor any other control plane holds data of this cluster")
        }
        RestoreSource::OnHost(_) => format!("no control plane exists that could hold {}", restore.source),
        RestoreSource::Local(_) => format!("{} alone is not enough to restore to new machines", restore.source),
    };
    Some(Finding::error(source_path(restore), summary, detail))
}

/// Repeats independently that the planner stops all control planes first.
fn still_running(situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let position =
        |is_it: &dyn Fn(&Action) -> bool| plan.stages.iter().position(|stage| stage.lanes.iter().flatten().any(is_it));
    let Some(restored) = position(&|action| matches!(action, Action::RestoreEtcd { .. })) else { return Vec::new() };
    let is_restorer =
        |name: &str| plan.actions().any(|action| matches!(action, Action::RestoreEtcd { host, .. } if host == name));
    let runs = situation.finished_control_planes().filter(|(it, facts)| {
        let stopped = position(&|action| matches!(action, Action::StopControlPlane { host, .. } if host == it.name));
        let has_data = is_restorer(it.name) && facts.restore.as_ref().is_some_and(|begun| begun.replaced);
        !has_data && stopped.is_none_or(|stopped| stopped >= restored)
    });
    let finding = |(host, _): (&HostSituation<'_>, _)| {
        Finding::error(
            FieldPath::default(),
            format!("the plan restores etcd while {} still runs with the old data", host.name),
            "This is a bug in the provider. Please report it.",
        )
    };
    runs.map(finding).collect()
}
