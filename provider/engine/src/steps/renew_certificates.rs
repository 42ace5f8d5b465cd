//! Renews the certificates of one control plane and restarts what uses them, while the others keep etcd's quorum.

use super::{await_earlier, control_plane, host_spec, os_of};
use crate::cx::Cx;
use crate::error::StepError;
use crate::kubeadm;
use crate::observe::{now, observe_host};
use crate::observed::Marker;
use crate::renewal::renewal;
use crate::report::Outcome;

const UNIT: &str = "kubeone-renew";

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    let Some(renewal) = renewal(cx.spec, &facts, &now().to_string()) else {
        return Ok(Outcome::Skipped("no certificate is due".to_owned()));
    };
    let os = os_of(&facts)?;
    let health = control_plane::await_quorum_without(cx, name, host).await?;
    let config = kubeadm::init_config(cx.spec, name, host_spec, cx.spec.kubernetes_version, &facts)?;
    let renew = os
        .script("renew_certificates")?
        .lines("CERTIFICATES", renewal.certificates.iter().map(|certificate| certificate.name))
        .var("CONFIG", config);
    host.run_unit(UNIT, &renew).await?;
    let restart = control_plane::Restart { components: renewal.components(), health, renewed: true };
    restart.run(cx, host, host_spec, &os).await?;
    host.write(&marker.renewed(cx.spec).file()?).await?;
    Ok(Outcome::Done)
}
