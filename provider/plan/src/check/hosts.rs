//! Findings about single hosts: ownership, reachability, and whether Kubernetes can run on them.

use std::collections::{BTreeMap, BTreeSet};

use kubeone_desired::catalog::{self, MinorRelease};
use kubeone_facts::marker::unknown_owner;
use kubeone_facts::{CgroupVersion, HostFacts, Observed, snapshot};
use kubeone_spec::{ClusterSpec, FieldPath, Finding, Role};

use super::{foreign_reason, host_path};
use crate::plan::{Action, Plan};
use crate::situation::Situation;
use crate::standing::{Foreign, Standing, other_cluster};
use crate::wanted::Wanted;

/// The architectures for which Kubernetes and all our images are built.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// What kubeadm requires: CPUs, and memory in MiB, a little below 2 GB because machines of 2 GB have less available.
const CONTROL_PLANE_NEEDS: (u32, u64) = (2, 1700);
/// Enough for a worker's own services and a few pods.
const WORKER_NEEDS: (u32, u64) = (1, 900);

pub(super) fn findings(situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let (wanted, spec, observed) = (situation.wanted, situation.spec, situation.observed);
    let mut findings = Vec::new();
    let worked_on: BTreeSet<_> =
        plan.actions().filter(|action| action.effects().reaches_host).filter_map(Action::host).collect();
    for host in situation.hosts() {
        let (name, role) = (host.name, host.role);
        let path = host_path(role, name);
        let works_on_it = worked_on.contains(name);
        match host.standing {
            Standing::Unreachable { reason } => findings.push(unreachable(&path, name, reason, works_on_it)),
            Standing::Damaged { reason } => findings.push(Finding::error(
                path.clone(),
                unknown_owner(name, reason),
                format!(
                    "Nothing was changed on it. Once the API answers and confirms that it is a node of this cluster, \
                     the marker is rewritten. {} To discard what is on it, run `kubeadm reset` there and delete \
                     /etc/kubeone.",
                    write_it_by_hand(wanted)
                ),
            )),
            Standing::Foreign(foreign) => findings.push(Finding::error(
                path.clone(),
                format!("{name} is refused: {}", foreign_reason(&foreign)),
                match foreign {
                    Foreign::OtherUid { .. } if other_cluster(situation).is_some() => {
                        "Nothing was changed on it. The cluster in Terraform's state has another uid. Use a fresh \
                         machine, or clean this one first (`kubeadm reset`, then delete /etc/kubeone). To manage the \
                         cluster that is on it, remove the other one from the state (`terraform state rm`) and apply."
                    }
                    Foreign::Unmarked => {
                        "Nothing was changed on it. Use a fresh machine, or clean this one first (`kubeadm reset`). To \
                         manage the cluster that it is part of, import it: `terraform import ADDRESS HOST`, where HOST \
                         is the address of one of its control planes."
                    }
                    Foreign::OtherName { .. } | Foreign::OtherUid { .. } => {
                        "Nothing was changed on it. Use a fresh machine, or clean this one first (`kubeadm reset`, \
                         then delete /etc/kubeone)."
                    }
                },
            )),
            _ => {}
        }
        let Some(facts) = host.facts else { continue };
        if host.is_ours() {
            findings.extend(unusable_files(name, facts, &path));
        }
        if works_on_it {
            findings.extend(machine(spec, role, name, facts, &path));
        }
    }
    findings.extend(cgroup(spec, plan, observed));
    findings.extend(twins(spec, observed));
    findings
}

/// The advice for a user who knows which cluster the host belongs to.
pub(super) fn write_it_by_hand(wanted: &Wanted) -> String {
    let uid = wanted.uid.as_deref().unwrap_or("the uid of the namespace kube-system");
    format!(
        "If you are sure that it is one, write the marker by hand: `{{ \"cluster\": \"{}\", \"uid\": \"{uid}\", \
         \"provider_version\": \"{}\" }}`.",
        wanted.spec.name,
        env!("CARGO_PKG_VERSION")
    )
}

/// Our state files that cannot be read.
fn unusable_files(name: &str, facts: &HostFacts, path: &FieldPath) -> Vec<Finding> {
    let finding = |(file, reason): (&String, &String)| {
        let detail = if file.starts_with(snapshot::FOLDER) {
            "The snapshot that it described is ignored. Delete its remaining files, or move them out of this folder."
        } else {
            "It records whether an operation is complete. The operation is repeated if that cannot be ruled out."
        };
        Finding::warning(path.clone(), format!("{file} on {name} is damaged: {reason}"), detail)
    };
    facts.unusable_files.iter().map(finding).collect()
}

fn unreachable(path: &FieldPath, name: &str, reason: &str, works_on_it: bool) -> Finding {
    let path = path.clone().field("address");
    let summary = format!("{name} cannot be reached: {reason}");
    if works_on_it {
        Finding::error(
            path,
            summary,
            "The plan has steps on this host, so it must be reachable. Check its address and the SSH settings.",
        )
    } else {
        Finding::warning(path, summary, "Its node stays in the cluster unchanged.")
    }
}

fn machine(spec: &ClusterSpec, role: Role, name: &str, facts: &HostFacts, path: &FieldPath) -> Vec<Finding> {
    let release = catalog::release(spec.kubernetes_version);
    let findings = [
        system(name, facts, path),
        architecture(name, facts, path),
        release.and_then(|release| kernel(name, facts, path, release)),
        size(role, name, facts, path),
    ];
    findings.into_iter().flatten().collect()
}

fn system(name: &str, facts: &HostFacts, path: &FieldPath) -> Option<Finding> {
    if facts.os.scripts.is_some() {
        return None;
    }
    let system = format!("{} {}", facts.os.id, facts.os.version_id);
    Some(Finding::error(
        path.clone(),
        format!("{name} runs {}, which is not supported", system.trim()),
        "Use Debian or Ubuntu, or a distribution based on one of them.",
    ))
}

fn architecture(name: &str, facts: &HostFacts, path: &FieldPath) -> Option<Finding> {
    if ARCHITECTURES.contains(&facts.architecture.as_str()) {
        return None;
    }
    Some(Finding::error(
        path.clone(),
        format!("{name} has the architecture `{}`, which is not supported", facts.architecture),
        format!("Supported architectures: {}.", ARCHITECTURES.join(" and ")),
    ))
}

fn kernel(name: &str, facts: &HostFacts, path: &FieldPath, release: &MinorRelease) -> Option<Finding> {
    let (found, minimum) = (major_minor(&facts.kernel)?, major_minor(&release.minimum_kernel)?);
    if found >= minimum {
        return None;
    }
    Some(Finding::error(
        path.clone(),
        format!("{name} runs the kernel {}, which is too old", facts.kernel),
        format!("This Kubernetes release needs {} or newer.", release.minimum_kernel),
    ))
}

/// The first two numbers of a version such as `6.1.0-18-amd64`.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// One warning for all hosts, which are often alike.
fn cgroup(spec: &ClusterSpec, plan: &Plan, observed: &Observed) -> Option<Finding> {
    catalog::release(spec.kubernetes_version).filter(|release| release.refuses_cgroup_v1)?;
    let works_on = |name: &str| plan.actions().any(|action| action.host() == Some(name));
    let is_old = |name: &str| observed.facts(name).is_some_and(|facts| facts.cgroup == CgroupVersion::V1);
    let hosts: Vec<_> = spec.hosts().filter(|(name, ..)| works_on(name) && is_old(name)).collect();
    let (first, role, _) = hosts.first()?;
    let names: Vec<_> = hosts.iter().map(|(name, ..)| *name).collect();
    let verb = if names.len() == 1 { "uses" } else { "use" };
    Some(Finding::warning(
        host_path(*role, first),
        format!("{} {verb} cgroup v1", names.join(", ")),
        "Kubernetes is dropping support for cgroup v1. The kubelet is configured to run anyway; boot with cgroup v2 \
         (`systemd.unified_cgroup_hierarchy=1`) before a later release refuses to start.",
    ))
}

fn size(role: Role, name: &str, facts: &HostFacts, path: &FieldPath) -> Option<Finding> {
    let (cpus, memory) = if role == Role::ControlPlane { CONTROL_PLANE_NEEDS } else { WORKER_NEEDS };
    // 0 means unknown.
    let few_cpus = facts.cpus > 0 && facts.cpus < cpus;
    let little_memory = facts.memory_mib > 0 && facts.memory_mib < memory;
    let found = match (few_cpus, little_memory) {
        (false, false) => return None,
        (true, false) => format!("{} CPUs", facts.cpus),
        (false, true) => format!("{} MiB of memory", facts.memory_mib),
        (true, true) => format!("{} CPUs and {} MiB of memory", facts.cpus, facts.memory_mib),
    };
    Some(Finding::warning(
        path.clone(),
        format!("{name} is small for a {role}: {found}"),
        format!("A {role} should have at least {cpus} CPUs and {memory} MiB of memory."),
    ))
}

/// One machine under two names would be installed twice at the same time.
fn twins(spec: &ClusterSpec, observed: &Observed) -> Vec<Finding> {
    let mut by_machine: BTreeMap<&str, (Role, &str)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (name, role, _) in spec.hosts() {
        let Some(facts) = observed.facts(name).filter(|facts| !facts.machine_id.is_empty()) else { continue };
        if let Some((other_role, other)) = by_machine.insert(&facts.machine_id, (role, name)) {
            findings.push(
                Finding::error(
                    host_path(role, name).field("address"),
                    format!("{name} and {other} are the same machine"),
                    format!(
                        "Both have the machine id {}. If they were cloned from one image, give each machine its own \
                         id: empty /etc/machine-id in the image.",
                        facts.machine_id
                    ),
                )
                .derived_from(host_path(other_role, other).field("address")),
            );
        }
    }
    findings
}
