//! Findings about a restore of etcd: what it would cost, whether it can be done, and what stands in its way.

use kubeone_facts::Observed;
use kubeone_spec::{ClusterSpec, FieldPath, Finding, RestoreSource, Role};

use super::host_path;
use crate::leaving::Leaver;
use crate::memory::key_of_id;
use crate::plan::{Action, Plan};
use crate::restore::{WantedRestore, begun, is_enough_for_new_machines, other_version, restorer, wanted_restore};
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;
use crate::versions::{Way, api_servers, way};
use crate::{evidence, snapshots};

/// `everybody` includes the machines that leave; `observed` does not.
pub(super) fn findings(everybody: &Situation<'_>, situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let Some(restore) = wanted_restore(situation) else {
        return left_half_done(situation).into_iter().collect();
    };
    let mut findings: Vec<Finding> = other_version_than_wanted(situation, &restore).into_iter().collect();
    let exists = situation.finished_control_planes().next().is_some();
    if situation.wanted.imported {
        findings.push(Finding::error(
            path(),
            "the first apply after an import cannot restore etcd",
            "Take `restore` away, apply, and write it again then.",
        ));
    }
    findings.extend(leaving(everybody));
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

/// A damaged marker does not tell which restore the control plane remembers, and it would go on with the old data.
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
            "The marker says whether the restore took place already. Take `restore` away and apply: the marker is rewritten. \
             Where etcd is to be restored then, write `restore` again.",
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
        format!("a restore from {what} has begun and not come to its end; {} stopped for it", hosts.join(", ")),
        "Set `restore` to what it was and apply: it is completed. To go on with the data as they were before it, set \
         `restore = { survivor = … }` to one of these control planes instead.",
    ))
}

/// Data of another version would meet static pods that do not fit them, and a plan that does both at once has no way
/// back.
fn other_version_than_wanted(situation: &Situation<'_>, restore: &WantedRestore) -> Option<Finding> {
    let target = situation.spec.kubernetes_version;
    if let Some(version) = other_version(situation.wanted, restore) {
        return Some(
            Finding::error(
                source_path(restore),
                format!("{} is one of Kubernetes {version}, and `kubernetes_version` is {target}", restore.source),
                format!(
                    "Set `kubernetes_version` to `{version}`, restore, and upgrade then. Hosts that run a newer version \
                     already cannot go back: restore onto fresh machines."
                ),
            )
            .derived_from(FieldPath::root("kubernetes_version")),
        );
    }
    if way(situation) != Way::Upgrade {
        return None;
    }
    let finding = match api_servers(situation) {
        Some((oldest, newest)) if oldest < newest => Finding::error(
            path(),
            "etcd would be restored in the middle of an upgrade",
            format!(
                "Some control planes run Kubernetes {oldest} and some {newest}, and data of etcd fit one of the two. If the \
                 API answers, take `restore` away and complete the upgrade first. If it does not, put new machines in the \
                 places of all that run one of the two (another `instance_id`, with the old machines switched off), and set \
                 `kubernetes_version` to the other."
            ),
        ),
        _ => Finding::error(
            path(),
            "etcd would be restored and the cluster upgraded at the same time",
            "Do one after the other: keep `kubernetes_version`, restore, and change the version then.",
        ),
    };
    Some(finding.derived_from(FieldPath::root("kubernetes_version")))
}

fn protection(spec: &ClusterSpec) -> Option<Finding> {
    spec.deletion.protection.then(|| {
        Finding::error(
            path(),
            format!("cluster `{}` is protected against the loss of its data", spec.name),
            "All that was written after the restored data would be lost. To restore all the same, set \
             `deletion = { protection = false }` beside `restore`.",
        )
        .derived_from(FieldPath::root("deletion"))
    })
}

/// What etcd would be restored from is not there.
fn no_source(situation: &Situation<'_>, restore: &WantedRestore) -> Option<Finding> {
    if let Some(host) = restorer(situation, restore) {
        let observed = situation.observed;
        return without_data(observed, host, restore).or_else(|| of_another_cluster(observed, host, restore));
    }
    let finding = |summary: String, detail: String| Some(Finding::error(source_path(restore), summary, detail));
    match restore.source {
        RestoreSource::Survivor(host) => finding(
            format!("{host} cannot go on with its data: it is no control plane of the cluster that can be reached"),
            "Name one that can be reached and holds data of etcd.".to_owned(),
        ),
        RestoreSource::OnHost(_) | RestoreSource::Local(_) => {
            let known: Vec<_> = snapshots::known(situation).iter().map(|it| it.name.clone()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            finding(
                format!("no control plane that can be reached holds {}", restore.source),
                format!("They know of these: {known}. A file on this machine is named by its path, with a `/`."),
            )
        }
    }
}

/// While a restore is under way they are somewhere between.
fn without_data(observed: &Observed, host: &str, restore: &WantedRestore) -> Option<Finding> {
    let facts = observed.facts(host)?;
    let is_survivor = matches!(restore.source, RestoreSource::Survivor(_));
    (is_survivor && facts.restore.is_none() && !evidence::holds_data(facts)).then(|| {
        Finding::error(
            source_path(restore),
            format!("{host} cannot go on with its data: there are none of etcd on it"),
            "Name one that holds data of etcd, or restore a snapshot.",
        )
    })
}

/// An earlier cluster of this name may have left snapshots on the machine. Nobody trusts what it signed.
fn of_another_cluster(observed: &Observed, host: &str, restore: &WantedRestore) -> Option<Finding> {
    let RestoreSource::OnHost(name) = restore.source else { return None };
    let facts = observed.facts(host)?;
    let uid = facts.marker.as_ref()?.uid.as_ref()?;
    let snapshot = &facts.snapshots.iter().find(|it| it.snapshot.name == name)?.snapshot;
    (snapshot.cluster_uid != *uid).then(|| {
        Finding::error(
            source_path(restore),
            format!("{} is one of another cluster, with the uid {}", restore.source, snapshot.cluster_uid),
            format!("This cluster has the uid {uid}. Its certificates and tokens do not fit the data of another one."),
        )
    })
}

/// A member that nobody stopped may go on with the old data.
fn out_of_reach(situation: &Situation<'_>) -> Option<Finding> {
    let hosts = situation.control_planes().iter();
    let silent = hosts.filter(|host| matches!(host.standing, Standing::Unreachable { .. }));
    let names: Vec<_> = silent.map(|host| host.name).collect();
    let first = names.first()?;
    Some(Finding::warning(
        host_path(Role::ControlPlane, first),
        format!("{} cannot be stopped before etcd is restored", names.join(", ")),
        "Make sure that they are off, or cannot be reached by anybody: as long as they run, they may answer with the old \
         data. When they come back, the next apply lets them join with the restored ones.",
    ))
}

/// Machines that leave would have to be emptied, which the restored cluster cannot do yet.
fn leaving(everybody: &Situation<'_>) -> Vec<Finding> {
    let answering = everybody.departing.iter().filter(|leaver| leaver.answers());
    let finding = |leaver: &Leaver<'_>| {
        Finding::error(
            host_path(leaver.role, leaver.name),
            format!("{} would leave the cluster while etcd is restored", leaver.name),
            "Do one after the other: keep it, restore, and let it go then. Machines that are gone already may be replaced at \
             once.",
        )
        .derived_from(path())
    };
    answering.map(finding).collect()
}

/// A cluster of new machines needs the keys of the old one.
fn not_enough(restore: &WantedRestore) -> Option<Finding> {
    if is_enough_for_new_machines(restore) {
        return None;
    }
    let detail = "On new machines a cluster begins with the keys of the old one, its certificate authorities and the key that \
                  signs the tokens of service accounts: without them nothing that ran could talk to it. An encrypted copy \
                  (`backup.copy_to` with `backup.recipients`) holds them: set `restore.snapshot` to its path, which ends in \
                  `.age`.";
    let summary = match restore.source {
        RestoreSource::Survivor(host) => {
            format!("{host} holds no data of this cluster, nor does any other control plane")
        }
        RestoreSource::OnHost(_) => format!("there is no control plane that could hold {}", restore.source),
        RestoreSource::Local(_) => format!("{} alone is not enough for new machines", restore.source),
    };
    Some(Finding::error(source_path(restore), summary, detail))
}

/// The planner stops everybody before; here it is written down a second time.
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
            "This is a bug in the provider, please report it.",
        )
    };
    runs.map(finding).collect()
}
