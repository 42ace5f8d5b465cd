//! Findings about the removal of a cluster: hosts that are not cleaned, and whether that is acceptable.

use kubeone_facts::marker::unknown_owner;
use kubeone_facts::{HostState, Observed};
use kubeone_spec::{FieldPath, Finding, UnreachableHosts};

use super::hosts::write_it_by_hand;
use super::{foreign_reason, host_path};
use crate::situation::Situation;
use crate::standing::Standing;
use crate::wanted::Wanted;

/// With an error, nothing is removed and Terraform keeps the cluster in its state.
pub fn check_removal(wanted: &Wanted, observed: &Observed) -> Vec<Finding> {
    if let Some(finding) = all_silent(wanted, observed) {
        return vec![finding];
    }
    let situation = Situation::new(wanted, observed);
    let mut findings = Vec::new();
    for host in situation.hosts() {
        let name = host.name;
        let path = host_path(host.role, name);
        // A host with a damaged marker is reset if something else identifies its cluster.
        let is_known = || host.facts.is_some_and(|facts| situation.evidence.known_ca(facts).is_some());
        match host.standing {
            Standing::Unreachable { reason } => findings.push(unseen(wanted, observed, name, path, reason)),
            Standing::Foreign(foreign) => findings.push(Finding::warning(
                path,
                format!("{name} is left alone: {}", foreign_reason(&foreign)),
                "Only hosts with the marker of this cluster are reset.",
            )),
            Standing::Damaged { reason } if !is_known() => findings.push(Finding::error(
                path,
                unknown_owner(name, reason),
                format!(
                    "It would keep running. Nothing else shows that it belongs to this cluster: neither the API nor a \
                     control plane with the same CA is reachable. {}",
                    write_it_by_hand(wanted)
                ),
            )),
            Standing::Adoptable | Standing::Damaged { .. } if is_known() => {}
            Standing::Adoptable => findings.push(Finding::warning(
                path,
                format!("{name} is left alone: it was imported and never adopted"),
                "Only hosts with the marker of this cluster are reset. `terraform apply` writes the markers.",
            )),
            _ => {}
        }
    }
    findings
}

fn unseen(wanted: &Wanted, observed: &Observed, name: &str, path: FieldPath, reason: &str) -> Finding {
    if matches!(observed.hosts.get(name), Some(HostState::Refuses { .. })) {
        return Finding::error(
            path,
            format!("{name} answers but cannot be inspected: {reason}"),
            "It may still run the cluster, so it is not skipped. Check the SSH settings, the host key and the \
             permissions of the SSH user, then destroy again. If you have given up the machine, turn it off first.",
        );
    }
    let summary = format!("{name} cannot be reached: {reason}");
    match wanted.spec.deletion.unreachable_hosts {
        UnreachableHosts::Skip => Finding::warning(path, summary, "It is skipped and not cleaned."),
        UnreachableHosts::Fail => Finding::error(
            path,
            summary,
            "Make it reachable, or set `deletion.unreachable_hosts = \"skip\"` to skip it.",
        ),
    }
}

/// Terraform destroys a cluster before its machines. If all are unreachable, the connection is the likelier cause.
fn all_silent(wanted: &Wanted, observed: &Observed) -> Option<Finding> {
    let silent = wanted.spec.hosts().map(|(name, ..)| match observed.hosts.get(name) {
        Some(HostState::Unreachable { reason }) => Some(format!("{name}: {reason}\n")),
        _ => None,
    });
    let silent: String = silent.collect::<Option<_>>()?;
    Some(Finding::error(
        FieldPath::default(),
        format!("no host of the cluster `{}` can be reached", wanted.spec.name),
        format!(
            "{silent}\nTerraform would forget the cluster while it may still be running. Check the connection to its \
             hosts (network, firewall, VPN, bastion), then destroy again. If all machines are gone for good, nothing \
             is left to destroy: remove this resource from the state with `terraform state rm`."
        ),
    ))
}
