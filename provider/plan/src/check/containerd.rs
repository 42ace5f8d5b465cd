//! Findings about the pinned containerd version.

use kubeone_desired::catalog;
use kubeone_spec::{ContainerdVersion, FieldPath, Finding};

use crate::plan::{Action, Plan};
use crate::wanted::Wanted;

pub(super) fn findings(wanted: &Wanted, plan: &Plan) -> Vec<Finding> {
    let Some(pinned) = wanted.spec.containerd.version else { return Vec::new() };
    let mut findings: Vec<_> = unfit(wanted, pinned).into_iter().collect();
    findings.extend(earlier_minor(plan));
    findings
}

fn path() -> FieldPath {
    FieldPath::root("containerd").field("version")
}

fn unfit(wanted: &Wanted, pinned: ContainerdVersion) -> Option<Finding> {
    let version = wanted.spec.kubernetes_version;
    let fits = &catalog::release(version)?.containerd;
    (!pinned.to_string().starts_with(fits)).then(|| {
        Finding::error(
            path(),
            format!("containerd {pinned} is not supported with Kubernetes {version}"),
            format!("Use a version that begins with `{fits}`."),
        )
    })
}

/// An earlier minor release may not be able to read containerd's data.
fn earlier_minor(plan: &Plan) -> Option<Finding> {
    let back = plan.actions().find_map(|action| match action {
        Action::UpgradeContainerd { host, from, to } if to < from && !to.is_same_minor(*from) => Some((host, from, to)),
        _ => None,
    });
    back.map(|(host, from, to)| {
        Finding::error(
            path(),
            format!("{host} runs containerd {from} and cannot be downgraded to {to}"),
            format!(
                "An earlier minor release may not be able to read containerd's data. Set version {}.{} or later.",
                from.major, from.minor
            ),
        )
    })
}
