//! Brings a worker to another version.

use kubeone_desired::host_files::patches_directory;
use kubeone_facts::Marker;
use kubeone_spec::KubernetesVersion;

use super::upgrade_kubelet::Upgrade;
use super::{UPGRADE_UNIT, await_earlier, os_of};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str, version: KubernetesVersion) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    await_earlier(host, UPGRADE_UNIT).await?;
    let facts = observe_host(host).await?;
    let os = os_of(&facts)?;
    Marker::claim(cx.spec, &facts)?;
    let kubelet = os.script("upgrade_kubelet")?.var("PATCHES", patches_directory(&facts));
    Upgrade { name, version, facts: &facts, os: &os, static_pods: None, kubelet }.run(cx).await
}
