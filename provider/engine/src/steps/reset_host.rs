//! Takes the cluster off a host, down to what was there before us.

use kubeone_desired::{host_files, kubelet};
use kubeone_facts::{HostFacts, Marker, MarkerFile, marker};
use kubeone_hosts::Host;
use kubeone_plan::standing::{INIT_UNIT, JOIN_UNIT};
use kubeone_spec::{Role, UnreachableHosts};

use super::{PACKAGES_UNIT, RESET_UNIT, await_earlier, clean_node, lock_seconds, os_of};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

/// `ca` is what the plan knew a host by whose marker is damaged.
pub(crate) async fn run(cx: &Cx<'_>, name: &str, _role: Role, ca: Option<&str>) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    let facts = match observe_host(host).await {
        Ok(facts) => facts,
        Err(StepError::Host(error))
            if error.is_unreachable() && cx.spec.deletion.unreachable_hosts == UnreachableHosts::Skip =>
        {
            return Ok(Outcome::Warning(format!("the host cannot be reached and stays as it is: {error}")));
        }
        Err(error) => return Err(error),
    };
    match &facts.marker {
        MarkerFile::Absent => return Ok(Outcome::Skipped("nothing of ours is on it".to_owned())),
        MarkerFile::Unusable { .. } if ca == Some(&facts.kubernetes.ca_sha256) => {
            reset(cx, host, &facts, &host_files::rewritten_marker(cx.spec, &facts)).await?;
            return Ok(Outcome::Warning(PACKAGES_ARE_KEPT.to_owned()));
        }
        MarkerFile::Unusable { .. } | MarkerFile::Good(_) => {}
    }
    let marker = Marker::claim(cx.spec, &facts)?;
    reset(cx, host, &facts, &marker).await?;
    Ok(Outcome::Done)
}

/// What the loss of a marker costs when the host is reset.
pub(super) const PACKAGES_ARE_KEPT: &str =
    "its marker was damaged, so it is not known which packages were there before the cluster, and all of them are kept";

/// Resets a host that is ours.
pub(super) async fn reset(cx: &Cx<'_>, host: &dyn Host, facts: &HostFacts, marker: &Marker) -> Result<(), StepError> {
    for unit in [PACKAGES_UNIT, INIT_UNIT, JOIN_UNIT] {
        await_earlier(host, unit).await?;
    }
    let os = os_of(facts)?;
    clean_node(host, &os, false).await?;

    let ours = |name: &&str| cx.spec.deletion.remove_packages && !marker.packages_kept.iter().any(|kept| kept == name);
    let packages: Vec<&str> = facts.packages.named().map(|(name, _)| name).into_iter().filter(ours).collect();
    let remove = os
        .script("remove_packages")?
        .lines("PACKAGES", &packages)
        .var("LOCK_SECONDS", lock_seconds(cx.spec.timeouts.delete));
    host.run_unit(RESET_UNIT, &remove).await?;
    let containerd_removed = packages.contains(&"containerd.io");
    // A containerd that stays gets back the configuration it had; on an adopted host it never had another one.
    let originals: &[&str] = if containerd_removed || marker.adopted { &[] } else { &host_files::ORIGINALS };
    let files = host_files::MANAGED_FILES
        .into_iter()
        .filter(|path| containerd_removed || *path != host_files::containerd::CONFIG);
    let files = files.chain(kubelet::FILES);
    let files = files.chain(host_files::KEYS).chain([marker::PATH]);
    let restore = os
        .script("remove_configuration")?
        .lines("FILES", files)
        .lines("ORIGINALS", originals)
        .var("CONTAINERD_REMOVED", containerd_removed)
        .var("CNI_REMOVED", packages.contains(&"kubelet"))
        .var("KEEP_SNAPSHOTS", cx.spec.deletion.keep_snapshots);
    host.run(&restore).await?;
    Ok(())
}
