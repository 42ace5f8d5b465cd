//! Brings packages and images of another version onto a host, beside those that run. Of the packages only kubeadm is
//! installed, which nothing runs by itself.

use kubeone_desired::{host_files, kubeadm};
use kubeone_facts::Marker;
use kubeone_hosts::RemoteFile;
use kubeone_spec::{KubernetesVersion, Role};

use super::prepare_host::{install_own_packages, pull_images};
use super::{API_DEADLINE, PACKAGES_UNIT, kubeadm_configuration, os_of};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str, role: Role, version: KubernetesVersion) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    let facts = observe_host(host).await?;
    let os = os_of(&facts)?;
    Marker::claim(cx.spec, &facts)?;
    // The rest of the files belongs to what runs, and changes with it.
    if let Some((path, content)) = host_files::package_sources(cx.spec, &facts) {
        host.write(&RemoteFile::public(path, content)).await?;
    }
    let fetch = install_own_packages(cx.spec, &os, &facts, version, cx.spec.timeouts.update)?
        .var("FETCH_ONLY", true)
        .var("RESTART_KUBELET", false);
    host.run_unit(PACKAGES_UNIT, &fetch).await?;
    let running = kubeadm_configuration(cx.cluster().await?, API_DEADLINE).await?;
    let config = kubeadm::images_config(&running, version)?;
    let pull = pull_images(cx, &os, role, version)?.var("AWAIT", true).var("CONFIG", config);
    host.run_unit(PACKAGES_UNIT, &pull).await?;
    Ok(Outcome::Done)
}
