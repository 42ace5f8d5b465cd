//! Makes a host ready to become a node: our files, kernel settings, packages, container runtime, images on their way.

use std::time::Duration;

use kubeone_desired::{Addon, Parameters, addons, catalog, host_files, image_lock};
use kubeone_facts::{HostFacts, Marker, UnitState};
use kubeone_hosts::{Os, RemoteFile, Script};
use kubeone_plan::runtime;
use kubeone_spec::{ClusterSpec, KubernetesVersion, Role, Span};

use super::{PACKAGES_UNIT, UPGRADE_UNIT, await_earlier, lock_seconds, os_of, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::marker_file::marker_file;
use crate::observe::observe_host;
use crate::report::Outcome;

/// A look at the API on the way: whether it answers is the business of other steps.
const API_PATIENCE: Duration = Duration::from_secs(10);
/// A kubelet that starts reports within seconds.
const KUBELET_DEADLINE: Duration = Duration::from_mins(3);

pub(crate) async fn run(cx: &Cx<'_>, name: &str, role: Role, version: KubernetesVersion) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    let mut facts = observe_host(host).await?;
    if facts.units.get(UPGRADE_UNIT) == Some(&UnitState::Running) {
        // It exchanges what a kubelet runs; another one that starts meanwhile would undo that.
        await_earlier(host, UPGRADE_UNIT).await?;
        facts = observe_host(host).await?;
    }
    let os = os_of(&facts)?;
    let marker = Marker::claim(cx.spec, &facts)?;
    if facts.marker.as_ref().is_none() {
        host.run(&Os::common().script("keep_originals")?.lines("FILES", host_files::ORIGINALS)).await?;
    }
    // The marker first: from now on everybody can see whose host this is.
    let mut files = vec![marker_file(&marker)?];
    files.extend(
        host_files::files(cx.spec, &facts).into_iter().map(|(path, content)| RemoteFile::public(path, content)),
    );
    host.write_all(&files).await?;
    host.run(&os.script("configure_kernel")?).await?;

    let install = install_own_packages(cx.spec, &os, &facts, version, cx.spec.timeouts.create)?
        .var("FETCH_ONLY", false)
        .var("RESTART_KUBELET", true);
    host.run_unit(PACKAGES_UNIT, &install).await?;
    let pull = pull_images(cx, &os, role, version)?.var("CONFIG", "");
    if image_lock::digests(cx.spec).is_empty() {
        host.run(&pull.var("AWAIT", false)).await?;
    } else {
        // Whoever needed an image first would take whatever the registry has under its name.
        host.run_unit(PACKAGES_UNIT, &pull.var("AWAIT", true)).await?;
    }
    if marker.uid.is_some() && facts.kubelet_active {
        await_kubelet(cx, name, version).await?;
    }
    Ok(Outcome::Done)
}

/// A node that runs another kubelet now says so in a moment. Where the API is silent nobody can hear it.
async fn await_kubelet(cx: &Cx<'_>, name: &str, version: KubernetesVersion) -> Result<(), StepError> {
    let Ok(cluster) = cx.cluster().await else { return Ok(()) };
    let nodes = cluster.nodes(API_PATIENCE).await.unwrap_or_default();
    if nodes.get(name).is_none_or(|node| node.kubelet_version.parse() == Ok(version)) {
        return Ok(());
    }
    unless_cancelled(cx, cluster.await_node_version(name, version, KUBELET_DEADLINE)).await
}

/// The beginning of the version of containerd that comes with packages of this version of Kubernetes.
fn own_containerd(spec: &ClusterSpec, facts: &HostFacts, version: KubernetesVersion) -> Result<String, StepError> {
    let release = catalog::release(version)
        .ok_or_else(|| StepError::Refused { reason: format!("Kubernetes {version} is not supported") })?;
    Ok(runtime::installed_with_packages(spec, release, facts))
}

/// The script that installs packages of this version with the containerd that belongs to them.
pub(super) fn install_own_packages(
    spec: &ClusterSpec,
    os: &Os,
    facts: &HostFacts,
    version: KubernetesVersion,
    operation: Span,
) -> Result<Script, StepError> {
    install_packages(spec, os, facts, version, &own_containerd(spec, facts, version)?, operation)
}

/// The script that installs packages of this version, within a part of the operation's time. `containerd` is the beginning
/// of its version, and empty where it stays as it is.
pub(super) fn install_packages(
    spec: &ClusterSpec,
    os: &Os,
    facts: &HostFacts,
    version: KubernetesVersion,
    containerd: &str,
    operation: Span,
) -> Result<Script, StepError> {
    Ok(os
        .script("install_packages")?
        .var("KUBERNETES_VERSION", version)
        .var("CONTAINERD_VERSION", containerd)
        .lines("SIGNING_KEYS", host_files::signing_keys(spec, version, facts))
        .var("LOCK_SECONDS", lock_seconds(operation)))
}

/// The script that pulls the images of this version that a host of this role needs.
pub(super) fn pull_images(cx: &Cx<'_>, os: &Os, role: Role, version: KubernetesVersion) -> Result<Script, StepError> {
    Ok(os
        .script("pull_images")?
        .var("KUBERNETES_VERSION", version)
        .var("ROLE", if role == Role::ControlPlane { "control_plane" } else { "worker" })
        .lines("IMAGES", addon_images(cx)?)
        .lines("DIGESTS", image_lock::digests(cx.spec).iter().map(|(image, digest)| format!("{image} {digest}"))))
}

fn addon_images(cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
    let parameters = Parameters::new(&cx.spec.cluster_network, &cx.spec.api_endpoint);
    let mut images = Vec::new();
    for wanted in addons::wanted(cx.spec) {
        let addon = Addon::find(wanted.name)?;
        images.extend(addon.images(&parameters));
    }
    Ok(images)
}
