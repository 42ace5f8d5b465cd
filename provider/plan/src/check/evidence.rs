//! Findings about what single control planes claim and the others do not know.

use kubeone_spec::{Finding, Role};

use super::host_path;
use crate::evidence::Doubt;
use crate::memory::key_of;
use crate::restore::is_in_doubt;
use crate::situation::Situation;

/// An error as long as the plan would have to take a side.
pub(super) fn findings(situation: &Situation<'_>) -> Vec<Finding> {
    let finding = if is_in_doubt(situation) { Finding::error } else { Finding::warning };
    let doubts = situation.evidence.doubts().into_iter();
    doubts.map(|(host, claim, doubt)| {
        let (summary, detail) = match doubt {
            Doubt::Unreadable => (
                format!("{host} remembers a restore of etcd at a time that cannot be read"),
                format!(
                    "`restored` in /etc/kubeone/cluster.json on it does not begin with a time. If etcd was never restored, \
                     take that line out. If someone else wrote it, replace the machine. {EITHER_WAY}"
                ),
            ),
            Doubt::Future { is_believed } => (
                format!("{host} remembers a restore of etcd in the future, at {}", time_of(claim)),
                if is_believed {
                    "It counts, because most control planes remember it, or the settings ask for it. A clock was wrong when \
                     etcd was restored, or that of the machine that runs Terraform is wrong now."
                        .to_owned()
                } else {
                    format!(
                        "The clock of this machine or of the host is wrong, or `restored` in /etc/kubeone/cluster.json on \
                         the host is forged. Set the clock right, or replace the machine. {EITHER_WAY}"
                    )
                },
            ),
            Doubt::Contradicted { by } => (
                format!("{host} alone remembers that etcd was restored from {} at {}", key_of(claim), time_of(claim)),
                format!(
                    "{} hold data of etcd and know nothing of it, and would have to join again and lose them. Nothing is \
                     planned until one of the two is ruled out. If the restore took place, set `restore` to what it was. If \
                     not, replace the machine of {host}. {EITHER_WAY}",
                    by.join(" and ")
                ),
            ),
        };
        finding(host_path(Role::ControlPlane, host), summary, detail)
    })
    .collect()
}

const EITHER_WAY: &str =
    "To go on with the data of one control plane, whatever the others say, set `restore = { survivor = … }`.";

fn time_of(claim: &str) -> &str {
    claim.split(' ').next().unwrap_or_default()
}
