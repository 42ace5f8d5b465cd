//! Renews the certificates of one control plane and restarts what uses them, while the others keep etcd's quorum.

use std::time::Duration;

use kubeone_desired::kubeadm;
use kubeone_facts::Marker;
use kubeone_plan::renewal::{Reason, renewal};

use super::{API_DEADLINE, await_earlier, control_plane, host_spec, kubeadm_configuration, os_of};
use crate::cx::Cx;
use crate::error::StepError;
use crate::marker_file::marker_file;
use crate::observe::{now, observe_host};
use crate::report::Outcome;

const UNIT: &str = "kubeone-renew";

/// Where a certificate with other names is made, before it takes the place of the present one.
const NEW_CERTIFICATES: &str = "/etc/kubernetes/pki/kubeone-new";

/// All certificates may have ended, and then nobody answers.
const API_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    let Some(renewal) = renewal(cx.spec, &facts, &now().to_string()) else {
        return Ok(Outcome::Skipped("no certificate is due".to_owned()));
    };
    let os = os_of(&facts)?;
    // What was interrupted may have told the cluster names that are not wanted any more.
    let remembers = renewal.new_names || !facts.renewal_begun.is_empty();
    let remembered = if remembers { remember_names(cx).await } else { Ok(()) };
    let new_names = match remembered {
        // What has ended cannot wait for an API that is silent because of it; the names can.
        Err(_) if !matches!(renewal.reason, Reason::Names(_)) => false,
        remembered => remembered.map(|()| renewal.new_names)?,
    };
    let components = renewal.components();
    let health = if components.contains(&"etcd") {
        control_plane::await_quorum_without(cx, name, host).await?
    } else {
        control_plane::is_well(host).await?
    };
    let version = cx.spec.kubernetes_version;
    let config = kubeadm::init_config(cx.spec, name, host_spec, version, &facts)?;
    let endpoint = control_plane::advertised_endpoint(host).await?;
    let running = kubeadm::Running { endpoint, certificates_dir: Some(NEW_CERTIFICATES) };
    let named = kubeadm::init_config_with(cx.spec, name, host_spec, version, &facts, running)?;
    let renew = os
        .script("renew_certificates")?
        .lines("CERTIFICATES", renewal.certificates.iter().map(|certificate| certificate.name))
        .var("NEW_NAMES", new_names)
        .var("NEW_CERTIFICATES", NEW_CERTIFICATES)
        .var("NAMED_CONFIG", named)
        .var("CONFIG", config);
    host.run_unit(UNIT, &renew).await?;
    let restart = control_plane::Restart { components, health, renewed: true };
    restart.run(cx, host, host_spec, &os).await?;
    host.write(&marker_file(&marker.renewed(cx.spec))?).await?;
    Ok(Outcome::Done)
}

/// Control planes to come get their names from the cluster, so it knows them first.
async fn remember_names(cx: &Cx<'_>) -> Result<(), StepError> {
    let cluster = cx.cluster().await?;
    let configuration = kubeadm_configuration(cluster, API_PATIENCE).await?;
    if let Some(changed) = kubeadm::with_names(&configuration, &cx.spec.api_endpoint.alternative_names)? {
        cluster.set_kubeadm_configuration(&changed, API_DEADLINE).await?;
    }
    Ok(())
}
