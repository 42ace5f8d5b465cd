//! Makes a kubeconfig with a client certificate that the cluster's CA signs on one of its control planes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use kubeone_desired::kubeadm;
use kubeone_facts::{Marker, MarkerFile, marker};
use kubeone_hosts::{Host, Os};
use kubeone_spec::{ClusterReference, Kubeconfig, KubeconfigSpec, Secret, Span};
use tokio::time::timeout;

use crate::error::StepError;

/// kubeadm signs in less than a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the control planes whose they are, all at once, and takes a certificate from the first that is a finished node of
/// this very cluster. Nothing on any host is changed.
pub async fn mint_kubeconfig(
    wanted: &KubeconfigSpec,
    control_plane: &BTreeMap<String, Arc<dyn Host>>,
) -> Result<Kubeconfig, StepError> {
    let mut asked: FuturesUnordered<_> = control_plane
        .values()
        .map(async |host| (host.as_ref(), carries_cluster(host.as_ref(), &wanted.cluster).await))
        .collect();
    let mut refusals = Vec::new();
    while let Some((host, answer)) = asked.next().await {
        let minted = match answer {
            Ok(()) => match timeout(PATIENCE, mint_on(host, wanted)).await {
                Ok(minted) => minted,
                Err(_) => {
                    Err(StepError::Refused { reason: format!("no certificate came within {} s", PATIENCE.as_secs()) })
                }
            },
            Err(error) => Err(error),
        };
        match minted {
            Ok(kubeconfig) => return Ok(kubeconfig),
            Err(error) => refusals.push(format!("{}: {}", host.name(), crate::observe::causes(&error))),
        }
    }
    refusals.sort();
    let reason = if refusals.is_empty() { "the cluster names none".to_owned() } else { refusals.join("; ") };
    Err(StepError::NoApi { reason })
}

/// Whether less than a third of a client certificate's life is left at that time. One whose end cannot be read is as good
/// as ended.
pub fn is_due(expires_at: &str, ttl: Span, at: SystemTime) -> bool {
    let limit = Timestamp::try_from(at).and_then(|at| at.checked_add(ttl.0 / 3));
    let end = expires_at.parse::<Timestamp>();
    !matches!((end, limit), (Ok(end), Ok(limit)) if end >= limit)
}

/// Whether this is a control plane of this cluster, by its marker.
async fn carries_cluster(host: &dyn Host, cluster: &ClusterReference) -> Result<(), StepError> {
    let refused = |reason: String| StepError::Refused { reason };
    let content = host.read(Path::new(marker::PATH)).await?;
    let content = content.ok_or_else(|| refused("no cluster is on it".to_owned()))?;
    let found = match Marker::parse(&String::from_utf8_lossy(content.expose())) {
        MarkerFile::Good(marker) => marker,
        MarkerFile::Unusable { reason } => {
            return Err(StepError::Unreadable { what: marker::PATH.to_owned(), reason });
        }
        MarkerFile::Absent => return Err(refused("no cluster is on it".to_owned())),
    };
    if found.cluster != cluster.name {
        return Err(refused(format!("it belongs to the cluster `{}`", found.cluster)));
    }
    match (&found.uid, &cluster.id) {
        (None, _) => Err(refused("it is no finished node yet".to_owned())),
        (Some(uid), Some(id)) if uid != id => {
            Err(refused(format!("it belongs to another cluster of the same name, with the id {uid}")))
        }
        (Some(_), _) => Ok(()),
    }
}

async fn mint_on(host: &dyn Host, wanted: &KubeconfigSpec) -> Result<Kubeconfig, StepError> {
    let script = Os::common()
        .script("mint_kubeconfig")?
        .var("CONFIG", kubeadm::client_config(&wanted.cluster)?)
        .var("CLIENT_NAME", &wanted.user)
        .lines("GROUPS_OF_CLIENT", &wanted.groups)
        .var("VALIDITY", wanted.ttl);
    let printed = Secret::new(host.run(&script).await?.stdout);
    tracing::info!(host = host.name(), user = wanted.user, ttl = %wanted.ttl, "a client certificate was signed");
    read(&printed, wanted)
}

/// Takes kubeadm's kubeconfig apart, and writes one for the server that is wanted.
fn read(printed: &Secret<String>, wanted: &KubeconfigSpec) -> Result<Kubeconfig, StepError> {
    let what = || "the kubeconfig that kubeadm made".to_owned();
    let read = kubeone_kubernetes::Kubeconfig::parse(printed.expose().as_bytes())
        .map_err(|source| StepError::Kubeconfig { what: what(), source })?;
    let client_certificate = read.client_certificate();
    Ok(Kubeconfig {
        host: wanted.host(),
        ca_certificate: read.ca_certificate(),
        client_key: read.client_key(),
        expires_at: end_of(&client_certificate)
            .ok_or_else(|| StepError::Unreadable { what: what(), reason: "its certificate has no end".to_owned() })?,
        client_certificate,
        kubeconfig: read.to_yaml(&wanted.cluster.name, &wanted.user, &wanted.host())?,
    })
}

/// When a certificate ends.
fn end_of(certificate: &str) -> Option<String> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).ok()?;
    let end = pem.parse_x509().ok()?.validity().not_after.timestamp();
    Timestamp::from_second(end).ok().map(|end| end.to_string())
}

#[cfg(test)]
mod tests;
