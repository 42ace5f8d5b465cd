//! Findings about restores that only some control planes record.

use kubeone_spec::{Finding, Role};

use super::host_path;
use crate::evidence::Doubt;
use crate::restore::is_ambiguous;
use crate::restore_record::key_of;
use crate::situation::Situation;

/// Errors if the plan depends on which of them are right.
pub(super) fn findings(situation: &Situation<'_>) -> Vec<Finding> {
    let finding = if is_ambiguous(situation) { Finding::error } else { Finding::warning };
    let doubts = situation.evidence.doubts().into_iter();
    doubts.map(|(host, claim, doubt)| {
        let (summary, detail) = match doubt {
            Doubt::Unreadable => (
                format!("{host} records an etcd restore with an unreadable time"),
                format!(
                    "`restored` in /etc/kubeone/cluster.json on the host does not begin with a time. If etcd was never \
                     restored, remove that line. If someone tampered with the file, replace the machine. {EITHER_WAY}"
                ),
            ),
            Doubt::Future { is_believed } => (
                format!("{host} records an etcd restore in the future, at {}", time_of(claim)),
                if is_believed {
                    "The record is accepted, because most control planes have it or the settings ask for it. A clock \
                     was wrong during the restore, or the clock of the machine that runs Terraform is wrong now."
                        .to_owned()
                } else {
                    format!(
                        "The clock of this machine or of the host is wrong, or `restored` in /etc/kubeone/cluster.json \
                         on the host is forged. Correct the clock, or replace the machine. {EITHER_WAY}"
                    )
                },
            ),
            Doubt::Contradicted { by } => (
                format!("only {host} records that etcd was restored from {} at {}", key_of(claim), time_of(claim)),
                format!(
                    "{} hold etcd data without that record; if it is true, they must rejoin and lose their data. \
                     Nothing is planned until this is resolved. If the restore took place, set `restore` to its value. \
                     If not, replace the machine of {host}. {EITHER_WAY}",
                    by.join(" and ")
                ),
            ),
        };
        finding(host_path(Role::ControlPlane, host), summary, detail)
    })
    .collect()
}

const EITHER_WAY: &str = "To continue with the data of one particular control plane, set `restore = { survivor = … }`.";

fn time_of(claim: &str) -> &str {
    claim.split(' ').next().unwrap_or_default()
}
