//! Which control planes are asked for the Kubernetes API, and with whose credentials. Any other host's are not even read.
//!
//! A host is asked because its marker says that it is a finished node of the very cluster, or because the state names the
//! cluster, by its uid and its CA, and the host has nothing but that CA to show. A CA cannot be claimed: whoever answers must
//! hold a certificate that it signed.

use std::collections::BTreeSet;
use std::path::Path;

use kubeone_facts::{HostState, Marker, Observed, marker};
use kubeone_hosts::Host;
use kubeone_kubernetes::Kubeconfig;
use kubeone_plan::Situation;
use kubeone_plan::standing::{Foreign, Standing, is_finished_by, standing_of};
use kubeone_plan::wanted::Wanted;

use super::certificates;
use crate::error::StepError;

pub(crate) const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
pub(crate) const CA_CERTIFICATE: &str = "/etc/kubernetes/pki/ca.crt";

/// Why a control plane may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    Marker,
    /// It is adoptable as far as the host itself can show: the rest is known when the API has answered.
    Authority,
}

/// The authorities that Terraform's state names, as SHA-256. Without the uid that goes with them they mean nothing.
fn known_authorities(wanted: &Wanted) -> BTreeSet<String> {
    let is_known = wanted.uid.as_deref().is_some_and(|uid| !uid.is_empty());
    let pem = wanted.ca_certificate.as_deref().filter(|_| is_known).unwrap_or_default();
    certificates::sha256_of_all(pem)
}

/// Whether a control plane that was seen so may be asked; `None` when not.
pub(super) fn of_seen(wanted: &Wanted, observed: &Observed, name: &str, state: Option<&HostState>) -> Option<Trust> {
    let Some(HostState::Reached(facts)) = state else { return None };
    if !facts.kubernetes.admin_conf {
        return None;
    }
    match standing_of(wanted, observed, name, state) {
        Standing::Finished => {
            // One of the cluster before the last restore may answer still, with the data before.
            let situation = Situation::new(wanted, observed);
            let is_abandoned = situation.host(name).is_some_and(|host| host.is_abandoned);
            (!is_abandoned).then_some(Trust::Marker)
        }
        Standing::Foreign(Foreign::Unmarked) | Standing::Damaged { .. } | Standing::Adoptable => {
            known_authorities(wanted).contains(&facts.kubernetes.ca_sha256).then_some(Trust::Authority)
        }
        _ => None,
    }
}

/// What a host shows of itself without any of its secrets.
pub(super) struct Claim {
    marker: Option<Vec<u8>>,
    ca_certificate: Option<Vec<u8>>,
}

/// What follows from the claims of a control plane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With the last restore that its marker remembers.
    Trusted(Trust, Option<String>),
    /// It is ours or unclaimed and no node yet: it may become a control plane during this run.
    MayBecomeOne,
    Refused(&'static str),
}

impl Claim {
    pub(super) async fn of(host: &dyn Host) -> Result<Self, StepError> {
        let mut files = host.read_all(&[Path::new(marker::PATH), Path::new(CA_CERTIFICATE)]).await?.into_iter();
        let mut next = || files.next().flatten().map(|file| file.expose().clone());
        Ok(Self { marker: next(), ca_certificate: next() })
    }

    #[cfg(test)]
    pub(super) fn made_of(marker: Option<&str>, ca_certificate: Option<&str>) -> Self {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Self { marker: marker.map(bytes), ca_certificate: ca_certificate.map(bytes) }
    }

    /// The marker, if there is one that can be read.
    pub(super) fn marker(&self) -> Option<Marker> {
        Marker::parse(&String::from_utf8_lossy(self.marker.as_deref()?)).as_ref().cloned()
    }

    /// `markers` are those of all control planes.
    pub(super) fn judge(&self, wanted: &Wanted, markers: &[Marker]) -> Verdict {
        let Some(marker) = self.marker() else { return self.judge_unmarked(wanted) };
        if is_finished_by(wanted, &marker, markers) {
            return Verdict::Trusted(Trust::Marker, marker.restored);
        }
        if marker.cluster == wanted.spec.name && marker.uid.is_none() {
            return Verdict::MayBecomeOne;
        }
        Verdict::Refused("it belongs to another cluster")
    }

    fn judge_unmarked(&self, wanted: &Wanted) -> Verdict {
        match (&self.ca_certificate, &self.marker) {
            (None, None) => Verdict::MayBecomeOne,
            (Some(pem), _) if has_known_authority(wanted, pem) => Verdict::Trusted(Trust::Authority, None),
            (_, Some(_)) => Verdict::Refused("its /etc/kubeone/cluster.json cannot be read"),
            (Some(_), None) => Verdict::Refused("no marker says that it is a node of this cluster"),
        }
    }
}

fn has_known_authority(wanted: &Wanted, pem: &[u8]) -> bool {
    let authority = std::str::from_utf8(pem).ok().and_then(certificates::sha256_of_pem);
    authority.is_some_and(|authority| known_authorities(wanted).contains(&authority))
}

/// The administrator's kubeconfig of a control plane that may be asked. One that is trusted for its CA must trust no
/// other: a second authority beside the known one could be anyone's.
pub(super) async fn kubeconfig(host: &dyn Host, trust: Trust, wanted: &Wanted) -> Result<Kubeconfig, StepError> {
    let kubeconfig = read_kubeconfig(host).await?;
    if trust == Trust::Authority && !has_known_authorities(&kubeconfig, wanted) {
        let reason = format!("{ADMIN_CONF} trusts another CA than that of the cluster in Terraform's state");
        return Err(StepError::Refused { reason });
    }
    Ok(kubeconfig)
}

/// Whether no other credentials would be better: it trusts only the CA that the state holds, or the state holds none.
pub(super) fn is_best(kubeconfig: &Kubeconfig, wanted: &Wanted) -> bool {
    known_authorities(wanted).is_empty() || has_known_authorities(kubeconfig, wanted)
}

fn has_known_authorities(kubeconfig: &Kubeconfig, wanted: &Wanted) -> bool {
    let known = known_authorities(wanted);
    kubeconfig.authorities().all(|der| known.contains(&certificates::sha256_of_der(der)))
}

/// The administrator's kubeconfig, whoever's it is. Only for a host that the user named for just that, or on which this very
/// run began the cluster.
pub(super) async fn read_kubeconfig(host: &dyn Host) -> Result<Kubeconfig, StepError> {
    let path = Path::new(ADMIN_CONF);
    let missing = || StepError::MissingFile { host: host.name().to_owned(), path: path.to_owned() };
    let file = host.read(path).await?.ok_or_else(missing)?;
    let what = || format!("{ADMIN_CONF} on {}", host.name());
    Kubeconfig::parse(file.expose()).map_err(|source| StepError::Kubeconfig { what: what(), source })
}
