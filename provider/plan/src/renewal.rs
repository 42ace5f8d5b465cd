//! Which certificates of a control plane are due, and which components use them.

use std::fmt;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use kubeone_facts::HostFacts;
use kubeone_spec::ClusterSpec;

use crate::quorum;
use crate::situation::{HostSituation, Situation};

/// A certificate that kubeadm renews.
#[derive(Debug, PartialEq, Eq)]
pub struct ComponentCertificate {
    /// Its name in `kubeadm certs renew`.
    pub name: &'static str,
    pub path: &'static str,
    /// The static pod that reads it at startup. User credentials have none.
    pub user: Option<&'static str>,
}

const fn certificate(name: &'static str, path: &'static str, user: Option<&'static str>) -> ComponentCertificate {
    ComponentCertificate { name, path, user }
}

pub const COMPONENT_CERTIFICATES: [ComponentCertificate; 11] = [
    certificate("admin.conf", "/etc/kubernetes/admin.conf", None),
    certificate("super-admin.conf", "/etc/kubernetes/super-admin.conf", None),
    certificate("apiserver", API_SERVER_CERTIFICATE, Some("kube-apiserver")),
    certificate("apiserver-etcd-client", "/etc/kubernetes/pki/apiserver-etcd-client.crt", Some("kube-apiserver")),
    certificate("apiserver-kubelet-client", "/etc/kubernetes/pki/apiserver-kubelet-client.crt", Some("kube-apiserver")),
    certificate("front-proxy-client", "/etc/kubernetes/pki/front-proxy-client.crt", Some("kube-apiserver")),
    certificate("controller-manager.conf", "/etc/kubernetes/controller-manager.conf", Some("kube-controller-manager")),
    certificate("scheduler.conf", "/etc/kubernetes/scheduler.conf", Some("kube-scheduler")),
    certificate("etcd-healthcheck-client", "/etc/kubernetes/pki/etcd/healthcheck-client.crt", Some("etcd")),
    certificate("etcd-peer", "/etc/kubernetes/pki/etcd/peer.crt", Some("etcd")),
    certificate("etcd-server", "/etc/kubernetes/pki/etcd/server.crt", Some("etcd")),
];

/// The serving certificate of the API server.
pub const API_SERVER_CERTIFICATE: &str = "/etc/kubernetes/pki/apiserver.crt";

/// Certificate authorities. kubeadm does not renew them.
pub const AUTHORITIES: [&str; 3] =
    ["/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/front-proxy-ca.crt", "/etc/kubernetes/pki/etcd/ca.crt"];

/// The client certificate of the kubelet, which renews it itself until it expires.
pub const KUBELET_CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// The self-signed serving certificate that a kubelet creates at its first start. It is not verified and not renewed.
pub const KUBELET_SERVING_CERTIFICATE: &str = "/var/lib/kubelet/pki/kubelet.crt";

/// The certificates to renew on one host, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Renewal {
    pub certificates: Vec<&'static ComponentCertificate>,
    pub reason: Reason,
    /// Whether the API server's certificate is recreated with all wanted names. Otherwise it keeps its names.
    pub new_names: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Reason {
    Interrupted,
    Trigger,
    /// Names that the API server's certificate lacks.
    Names(Vec<String>),
    /// The file whose certificate expires first, and when.
    Ends {
        file: &'static str,
        end: String,
        over: bool,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("an earlier renewal was interrupted"),
            Self::Trigger => f.write_str("`renew_trigger` changed"),
            Self::Names(names) => write!(f, "new API server names {}", names.join(", ")),
            Self::Ends { file, end, over } => {
                let day = end.split('T').next().unwrap_or(end);
                write!(f, "{file} {} on {day}", if *over { "expired" } else { "expires" })
            }
        }
    }
}

impl Renewal {
    /// The static pods to restart, each once.
    pub fn components(&self) -> Vec<&'static str> {
        let mut users: Vec<_> = self.certificates.iter().filter_map(|certificate| certificate.user).collect();
        users.sort_unstable();
        users.dedup();
        users
    }
}

/// What to renew on a finished control plane. `now` is when the host was observed, and used if the host does not report
/// its own time: certificates are verified by the host's clock.
pub fn renewal(spec: &ClusterSpec, facts: &HostFacts, now: &str) -> Option<Renewal> {
    let now = facts.now(now)?;
    let before = SignedDuration::try_from(spec.certificates.renew_before.0).unwrap_or(SignedDuration::MAX);
    let limit = now.saturating_add(before).unwrap_or(Timestamp::MAX);
    let present =
        || COMPONENT_CERTIFICATES.iter().filter(|certificate| facts.certificates.contains_key(certificate.path));
    let end = |certificate: &ComponentCertificate| facts.certificates.get(certificate.path)?.parse::<Timestamp>().ok();
    let begun = |certificate: &&ComponentCertificate| facts.renewal_begun.iter().any(|name| name == certificate.name);
    let names = missing_names(spec, facts);
    let new_names = !names.is_empty();
    let due = |certificate: &&ComponentCertificate| {
        end(certificate).is_some_and(|end| end <= limit)
            || begun(certificate)
            || (new_names && certificate.path == API_SERVER_CERTIFICATE)
    };

    let wanted = spec.certificates.renew_trigger.as_ref();
    // A host without a marker is adopted, and its marker will contain the current value.
    let is_new = facts.marker.as_ref().is_some_and(|marker| marker.renew_trigger.as_ref() != wanted);
    if wanted.is_some() && is_new {
        return Some(Renewal { certificates: present().collect(), reason: Reason::Trigger, new_names });
    }
    let certificates: Vec<_> = present().filter(due).collect();
    if !facts.renewal_begun.is_empty() && !certificates.is_empty() {
        return Some(Renewal { certificates, reason: Reason::Interrupted, new_names });
    }
    if new_names {
        return Some(Renewal { certificates, reason: Reason::Names(names), new_names });
    }
    let first = certificates.iter().min_by_key(|certificate| end(certificate))?;
    let (file, end) = (first.path, end(first)?);
    let file = file.rsplit('/').next().unwrap_or(file);
    let reason = Reason::Ends { file, end: end.to_string(), over: end <= now };
    Some(Renewal { certificates, reason, new_names })
}

/// Wanted names that the API server's certificate lacks. A recreated certificate drops names that are not wanted.
fn missing_names(spec: &ClusterSpec, facts: &HostFacts) -> Vec<String> {
    if !facts.certificates.contains_key(API_SERVER_CERTIFICATE) {
        return Vec::new();
    }
    let is_there = |wanted: &&String| facts.api_server_names.iter().any(|name| is_same_name(name, wanted));
    spec.api_endpoint.alternative_names.iter().filter(|name| !is_there(name)).cloned().collect()
}

/// An address can be written in several ways.
fn is_same_name(one: &str, other: &str) -> bool {
    let address = |name: &str| name.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    match (address(one), address(other)) {
        (None, None) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}

/// What to renew on an observed host of the cluster.
pub(crate) fn renewal_of(situation: &Situation<'_>, host: &HostSituation<'_>) -> Option<Renewal> {
    let renewal = due(situation, host)?;
    missing_members(situation, host, &renewal).is_none().then_some(renewal)
}

/// A renewal that is postponed because etcd would lose quorum, and the members that are missing. Other steps do not
/// wait for it.
pub(crate) fn postponed_renewal(situation: &Situation<'_>, host: &HostSituation<'_>) -> Option<(Renewal, Vec<String>)> {
    let renewal = due(situation, host)?;
    let missing = missing_members(situation, host, &renewal)?;
    Some((renewal, missing))
}

fn due(situation: &Situation<'_>, host: &HostSituation<'_>) -> Option<Renewal> {
    if !host.is_ours() {
        return None;
    }
    let observed = situation.observed;
    let renewal = renewal(situation.spec, host.facts?, &observed.observed_at)?;
    // kubeadm's configuration in the cluster gets the names, too, for new control planes. So they wait for the API.
    let waits = matches!(renewal.reason, Reason::Names(_)) && observed.api_facts().is_none();
    (!waits).then_some(renewal)
}

/// An expired certificate is renewed in any case.
fn missing_members(situation: &Situation<'_>, host: &HostSituation<'_>, renewal: &Renewal) -> Option<Vec<String>> {
    let waits = renewal.components().contains(&"etcd") && !matches!(renewal.reason, Reason::Ends { over: true, .. });
    if waits { quorum::missing_for_a_restart(situation, host) } else { None }
}
