//! Gives the components of a control plane other arguments, mounts and files, and takes them back if one is not well.

use kubeone_desired::kubeadm;
use kubeone_facts::Marker;
use kubeone_plan::component_changes::{component_changes, stale_files};

use super::control_plane::{advertised_endpoint, await_quorum_without};
use super::{
    API_DEADLINE, UPGRADE_UNIT, await_earlier, host_spec, kubeadm_configuration, os_of, record_files, unless_cancelled,
};
use crate::configured;
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

const UNIT: &str = "kubeone-configure";
/// Files wait here until they take their places.
const STAGED: &str = "/etc/kubeone/staged";

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, UPGRADE_UNIT).await?;
    await_earlier(host, UNIT).await?;
    let facts = observe_host(host).await?;
    let os = os_of(&facts)?;
    Marker::claim(cx.spec, &facts)?;
    // Control planes that join get what the cluster says.
    let cluster = cx.cluster().await?;
    let before = kubeadm_configuration(cluster, API_DEADLINE).await?;
    let changed = kubeadm::reconfigured(&before, &cx.desired, &facts.configured)?;
    if let Some(changed) = &changed {
        cluster.set_kubeadm_configuration(changed, API_DEADLINE).await?;
    }
    let (what, stale) = (component_changes(&cx.desired, &facts), stale_files(&cx.desired, &facts));
    if what.is_empty() && stale.is_empty() && !facts.configured.begun {
        return Ok(Outcome::Skipped("it is as wanted already".to_owned()));
    }
    if facts.configured.begun || what.iter().any(|change| change.component == "etcd") {
        await_quorum_without(cx, name, host).await?;
    }
    let endpoint = advertised_endpoint(host).await?;
    let running = changed.as_deref().unwrap_or(&before);
    let version = cx.spec.kubernetes_version;
    let config = kubeadm::upgrade_config(cx.spec, name, host_spec, &facts, version, running, endpoint)?;
    let port = endpoint.map_or_else(|| kubeadm::api_server_port(cx.spec, host_spec), |endpoint| endpoint.port());

    let mut restart: Vec<_> = what.iter().map(|change| change.component.as_str()).collect();
    if facts.configured.begun {
        // Their files may be new already, and they have not read them.
        restart.extend(cx.desired.files().map(|(_, file)| file.component.name()));
    }
    restart.sort_unstable();
    restart.dedup();
    configured::begin(host, &facts).await?;
    host.write_all(&configured::files(&cx.desired, STAGED)).await?;
    let configure = os
        .script("configure_control_plane")?
        .var("CONFIG", config)
        .var("API_PORT", port)
        .lines("FILES", cx.desired.files().map(|(path, _)| path))
        .lines("REMOVE", &stale)
        .lines("RESTART", restart);
    if let Err(error) = host.run_unit(UNIT, &configure).await {
        // New control planes shall not get what this one did not live with.
        if changed.is_some() {
            cluster.set_kubeadm_configuration(&before, API_DEADLINE).await?;
        }
        return Err(error.into());
    }
    host.write(&configured::record(&cx.desired)?).await?;
    record_files(host).await?;
    // Its kubelet may have lost its API server for a while. Only when it is back another control plane may restart.
    unless_cancelled(cx, cluster.await_nodes_ready(&[name.to_owned()], API_DEADLINE)).await?;
    Ok(Outcome::Done)
}
