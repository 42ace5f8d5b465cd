//! Brings a control plane to another version: its static pods, then its kubelet.

use kubeone_desired::host_files::patches_directory;
use kubeone_desired::kubeadm;
use kubeone_facts::Marker;
use kubeone_spec::KubernetesVersion;

use super::control_plane::advertised_endpoint;
use super::upgrade_kubelet::Upgrade;
use super::{API_DEADLINE, UPGRADE_UNIT, await_earlier, host_spec, kubeadm_configuration, os_of};
use crate::configured;
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

    let running = kubeadm_configuration(cx.cluster().await?, API_DEADLINE).await?;
    let endpoint = advertised_endpoint(host).await?;
    let host_spec = host_spec(cx, name)?;
    let config = kubeadm::upgrade_config(cx.spec, name, host_spec, &facts, version, &running, endpoint)?;
    let port = endpoint.map_or_else(|| kubeadm::api_server_port(cx.spec, host_spec), |endpoint| endpoint.port());
    let script = os
        .script("upgrade_control_plane")?
        .var("KUBERNETES_VERSION", version)
        .var("CONFIG", config)
        .var("API_PORT", port)
        .var("PATCHES", patches_directory(&facts));
    // The new components read them at their start.
    configured::write_salt(host, &facts).await?;
    host.write_all(&configured::files(&cx.desired, "")).await?;
    let static_pods = Some(script.clone().var("PART", "static_pods").var("RESTART_PODS", false));
    let kubelet = script.var("PART", "kubelet");
    let outcome = Upgrade { name, version, facts: &facts, os: &os, static_pods, kubelet }.run(cx).await?;
    host.write(&configured::record(&cx.desired)?).await?;
    Ok(outcome)
}
