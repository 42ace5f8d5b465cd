//! The Kubernetes API, reached through whichever control plane answers of those that may be asked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kubeone_desired::kubeadm::api_server_port;
use kubeone_facts::{AddonState, ApiFacts, ApiState, DeprecatedApi, NodeFacts, NodeSettings, Observed};
use kubeone_hosts::Host;
use kubeone_kubernetes::{ApiServer, ApiStream, Cluster, ClusterFacts, Kubeconfig};
use kubeone_plan::evidence::{Backing, RestoreReport, last_restore};
use kubeone_plan::wanted::Wanted;
use kubeone_spec::Role;

use super::trust::{self, Claim, Trust, Verdict};
use super::{causes, certificates};
use crate::error::StepError;
use crate::machines::Hosts;

/// An API server that restarts is back within this time.
const API_PATIENCE: Duration = Duration::from_secs(10);

/// A host that may carry an API server, and the port it would listen on.
struct Server {
    host: Arc<dyn Host>,
    port: u16,
}

/// A control plane by its name. One that leaves may have the name of one that stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Stays(&'a str),
    Leaves(&'a str),
}

/// All control planes that the settings and the state know, those that leave after those that stay.
fn servers<'a>(wanted: &'a Wanted, hosts: &'a Hosts) -> impl Iterator<Item = (Place<'a>, Server)> {
    let spec = &wanted.spec;
    let stay =
        spec.control_plane.iter().filter_map(|(name, host)| Some((Place::Stays(name), host, hosts.wanted.get(name)?)));
    let leaving = wanted.leaving.iter().filter(|(_, leaving)| leaving.role == Role::ControlPlane);
    let leaving =
        leaving.filter_map(|(name, leaving)| Some((Place::Leaves(name), &leaving.host, hosts.leaving.get(name)?)));
    stay.chain(leaving)
        .map(|(place, spec_of, host)| (place, Server { host: host.clone(), port: api_server_port(spec, spec_of) }))
}

/// Reads the API once, if there is a control plane that may be asked for it.
pub(super) async fn observe_api(wanted: &Wanted, hosts: &Hosts, observed: &Observed) -> ApiState {
    let trusted = servers(wanted, hosts).filter_map(|(place, server)| {
        let (name, state) = match place {
            Place::Stays(name) => (name, observed.hosts.get(name)),
            Place::Leaves(name) => (name, observed.leaving.get(name)),
        };
        Some((trust::of_seen(wanted, observed, name, state)?, server))
    });
    let mut trusted: Vec<_> = trusted.collect();
    trusted.sort_by_key(|(trust, _)| *trust);
    if trusted.is_empty() {
        return ApiState::Absent;
    }
    let facts = async {
        let kubeconfig = first_kubeconfig(wanted, &trusted).await?;
        let cluster = Cluster::connect(&kubeconfig, ways(trusted.into_iter().map(|(_, server)| server)));
        let facts = Box::pin(cluster.facts(API_PATIENCE)).await?;
        Ok::<_, StepError>(api_facts(facts, &kubeconfig))
    };
    match facts.await {
        Ok(facts) => ApiState::Answered(Box::new(facts)),
        Err(error) => ApiState::Silent { reason: causes(&error) },
    }
}

/// Connects through the control planes that may be asked.
pub(crate) async fn connect(wanted: &Wanted, hosts: &Hosts, backing: Backing<'_>) -> Result<Cluster, StepError> {
    let Found { kubeconfig, ways: servers } = find(wanted, hosts, backing).await?;
    Ok(Cluster::connect(&kubeconfig, ways(servers)))
}

/// Connects to the cluster that begins on this host. This run has just let kubeadm make it there, so no marker can say so
/// yet. Other hosts become its control planes later and outlive this one perhaps.
pub(crate) async fn connect_to_new(wanted: &Wanted, hosts: &Hosts, name: &str) -> Result<Cluster, StepError> {
    let kubeconfig = trust::read_kubeconfig(begun(wanted, hosts, name)?.host.as_ref()).await?;
    let others = look(wanted, hosts).await.into_iter().filter(|looked| looked.name != name);
    let others = others.filter(|looked| looked.verdict == Ok(Verdict::MayBecomeOne)).map(|looked| looked.server);
    Ok(Cluster::connect(&kubeconfig, ways([begun(wanted, hosts, name)?].into_iter().chain(others))))
}

/// Connects to whatever an earlier run began on this host, to see how far it came.
pub(crate) async fn connect_to_begun(wanted: &Wanted, hosts: &Hosts, name: &str) -> Result<Cluster, StepError> {
    let server = begun(wanted, hosts, name)?;
    let kubeconfig = trust::read_kubeconfig(server.host.as_ref()).await?;
    Ok(Cluster::connect(&kubeconfig, ways([server])))
}

fn begun(wanted: &Wanted, hosts: &Hosts, name: &str) -> Result<Server, StepError> {
    let mut servers = servers(wanted, hosts);
    let server = servers.find_map(|(place, server)| (place == Place::Stays(name)).then_some(server));
    server.ok_or_else(|| StepError::UnknownHost { host: name.to_owned() })
}

/// A control plane, and what follows from its claims.
struct Looked<'a> {
    name: &'a str,
    server: Server,
    verdict: Result<Verdict, String>,
}

/// Looks at all control planes, without reading a secret.
async fn look<'a>(wanted: &'a Wanted, hosts: &'a Hosts) -> Vec<Looked<'a>> {
    let claims = servers(wanted, hosts).map(async |(place, server)| {
        let (Place::Stays(name) | Place::Leaves(name)) = place;
        (name, Claim::of(server.host.as_ref()).await, server)
    });
    let claims = join_all(claims).await;
    let markers: Vec<_> = claims.iter().filter_map(|(_, claim, _)| claim.as_ref().ok()?.marker()).collect();
    let looked = claims.into_iter().map(|(name, claim, server)| {
        let verdict = claim.map(|claim| claim.judge(wanted, &markers)).map_err(|error| causes(&error));
        Looked { name, server, verdict }
    });
    looked.collect()
}

/// Credentials that may be used, and all ways to try them.
struct Found {
    kubeconfig: Kubeconfig,
    ways: Vec<Server>,
}

async fn find(wanted: &Wanted, hosts: &Hosts, backing: Backing<'_>) -> Result<Found, StepError> {
    let (mut trusted, mut later, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for Looked { name, server, verdict } in look(wanted, hosts).await {
        match verdict {
            Ok(Verdict::Trusted(trust, restored)) => trusted.push((trust, restored, server)),
            Ok(Verdict::MayBecomeOne) => later.push(server),
            Ok(Verdict::Refused(reason)) => reasons.push(format!("{name}: {reason}")),
            Err(reason) => reasons.push(format!("{name}: {reason}")),
        }
    }
    // Those that were not there when etcd was restored last come after the others: they have the data before.
    let voices = trusted.iter().map(|(_, restored, server)| {
        let (name, restored) = (server.host.name(), restored.as_deref());
        RestoreReport { name, restored, has_data: true }
    });
    let last = last_restore(&voices.collect::<Vec<_>>(), backing).map(str::to_owned);
    trusted.sort_by_key(|(trust, restored, _)| (*trust, *restored != last));
    let trusted: Vec<_> = trusted.into_iter().map(|(trust, _, server)| (trust, server)).collect();
    if trusted.is_empty() {
        let reason = if reasons.is_empty() { "no control plane is finished".to_owned() } else { reasons.join("; ") };
        return Err(StepError::NoApi { reason });
    }
    let kubeconfig = first_kubeconfig(wanted, &trusted).await?;
    Ok(Found { kubeconfig, ways: trusted.into_iter().map(|(_, server)| server).chain(later).collect() })
}

/// The first of them that can be used. A marker is easily forged, so one that trusts the CA of the state alone comes before
/// those that trust another, as while the CA is exchanged.
async fn first_kubeconfig(wanted: &Wanted, servers: &[(Trust, Server)]) -> Result<Kubeconfig, StepError> {
    let mut error = StepError::NoApi { reason: "no control plane can be reached".to_owned() };
    let mut other = None;
    for (trust, server) in servers {
        match trust::kubeconfig(server.host.as_ref(), *trust, wanted).await {
            Ok(kubeconfig) if trust::is_best(&kubeconfig, wanted) => return Ok(kubeconfig),
            Ok(kubeconfig) => _ = other.get_or_insert(kubeconfig),
            Err(reason) => {
                tracing::debug!(host = server.host.name(), reason = causes(&reason), "its credentials are passed over");
                error = reason;
            }
        }
    }
    other.ok_or(error)
}

/// An API that was reached through one certain control plane.
pub(crate) struct Reached {
    pub(crate) cluster: Cluster,
    pub(crate) facts: ApiFacts,
    /// `server` of the administrator's kubeconfig.
    pub(crate) server: String,
}

/// Connects through this very control plane, which the user has named as the entrance to a cluster that is not known yet,
/// and reads the API once.
pub(crate) async fn connect_through(host: Arc<dyn Host>, port: u16) -> Result<Reached, StepError> {
    let kubeconfig = trust::read_kubeconfig(host.as_ref()).await?;
    let cluster = Cluster::connect(&kubeconfig, ways([Server { host, port }]));
    let facts = Box::pin(cluster.facts(API_PATIENCE)).await?;
    Ok(Reached { cluster, facts: api_facts(facts, &kubeconfig), server: kubeconfig.server().to_owned() })
}

/// The SHA-256 of the CA that control planes trust.
pub(crate) async fn ca_sha256(wanted: &Wanted, hosts: &Hosts) -> Result<String, StepError> {
    Ok(authority(&find(wanted, hosts, Backing::default()).await?.kubeconfig))
}

fn authority(kubeconfig: &Kubeconfig) -> String {
    kubeconfig.authorities().next().map(certificates::sha256_of_der).unwrap_or_default()
}

/// The ways to these API servers.
fn ways(servers: impl IntoIterator<Item = Server>) -> Vec<ApiServer> {
    let way = |Server { host, port }: Server| ApiServer {
        name: host.name().to_owned(),
        open: Arc::new(move || {
            let host = host.clone();
            Box::pin(async move {
                match host.tunnel("127.0.0.1", port).await {
                    Ok(stream) => Ok(Box::new(stream) as Box<dyn ApiStream>),
                    Err(error) => Err(causes(&error).into()),
                }
            })
        }),
    };
    servers.into_iter().map(way).collect()
}

fn api_facts(facts: ClusterFacts, kubeconfig: &Kubeconfig) -> ApiFacts {
    let addon = |addon: kubeone_kubernetes::AddonStatus| AddonState {
        hash: addon.hash,
        ready: addon.ready,
        drift: addon.drift,
    };
    ApiFacts {
        cluster_uid: facts.uid,
        ca_sha256: authority(kubeconfig),
        ca_certificate: kubeconfig.ca_certificate(),
        version: facts.version,
        nodes: facts.nodes.into_iter().map(|(name, it)| (name, node_facts(it))).collect(),
        addons: facts.addons.into_iter().map(|(name, it)| (name, addon(it))).collect(),
        missing: facts.missing,
        kubeadm_version: facts.kubeadm_version,
        kube_proxy_version: facts.kube_proxy_version,
        deprecated_apis: facts.deprecated_apis.into_iter().map(deprecated_api).collect(),
    }
}

/// A node as the API describes it.
pub(crate) fn node_facts(node: kubeone_kubernetes::Node) -> NodeFacts {
    NodeFacts {
        ready: node.ready,
        control_plane: node.control_plane,
        unschedulable: node.unschedulable,
        cordoned_by_us: node.cordoned_by_us,
        kubelet_version: node.kubelet_version,
        container_runtime_version: node.container_runtime_version,
        internal_address: node.internal_address,
        machine_id: node.machine_id,
        settings: NodeSettings {
            labels: node.settings.labels,
            annotations: node.settings.annotations,
            taints: node.settings.taints,
            own_taints: node.settings.own_taints,
        },
    }
}

fn deprecated_api(api: kubeone_kubernetes::DeprecatedApi) -> DeprecatedApi {
    DeprecatedApi { group_version: api.group_version, resource: api.resource, removed_release: api.removed_release }
}

#[cfg(test)]
mod tests;
