//! The Kubernetes API, reached through whichever control plane answers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use kubeone_hosts::Host;
use kubeone_kubernetes::{ApiServer, ApiStream, Cluster, ClusterFacts};
use kubeone_spec::{Role, Secret};
use serde::Deserialize;

use super::{causes, certificates};
use crate::cx::Hosts;
use crate::error::StepError;
use crate::kubeadm::api_server_port;
use crate::marker;
use crate::observed::{
    AddonState, ApiFacts, ApiState, DeprecatedApi, HostState, Marker, NodeFacts, NodeSettings, Observed,
};
use crate::restore::is_abandoned;
use crate::standing::{Foreign, Standing, standing_of};
use crate::wanted::Wanted;

const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// An API server that restarts is back within this time.
const API_PATIENCE: Duration = Duration::from_secs(10);

/// A host that may carry an API server, and the port it would listen on.
struct Server {
    host: Arc<dyn Host>,
    port: u16,
}

/// All control planes that can be asked, those that leave after those that stay.
fn servers<'a>(wanted: &'a Wanted, hosts: &'a Hosts) -> impl Iterator<Item = (&'a str, Server)> {
    let spec = &wanted.spec;
    let stay = spec.control_plane.iter().filter_map(|(name, host)| Some((name, host, hosts.wanted.get(name)?)));
    let leaving = wanted.leaving.iter().filter(|(_, leaving)| leaving.role == Role::ControlPlane);
    let leaving = leaving.filter_map(|(name, leaving)| Some((name, &leaving.host, hosts.leaving.get(name)?)));
    stay.chain(leaving).map(|(name, spec_of, host)| {
        (name.as_str(), Server { host: host.clone(), port: api_server_port(spec, spec_of) })
    })
}

/// Reads the API once, if a control plane that was seen carries one.
pub(super) async fn observe_api(wanted: &Wanted, hosts: &Hosts, observed: &Observed) -> ApiState {
    // One that belongs to another cluster would answer for that.
    let has_admin_conf = |name: &str| {
        [observed.hosts.get(name), observed.leaving.get(name)].into_iter().any(|state| {
            let has_it = matches!(state, Some(HostState::Reached(facts)) if facts.kubernetes.admin_conf);
            has_it && !is_of_another(&standing_of(wanted, observed, name, state))
        })
    };
    // Control planes of the cluster before the last restore may answer still, with the data before.
    let is_present = |name: &str| !is_abandoned(wanted, observed, name);
    let servers = servers(wanted, hosts).filter(|(name, _)| has_admin_conf(name) && is_present(name));
    let servers: Vec<_> = servers.map(|(_, server)| server).collect();
    if servers.is_empty() {
        return ApiState::Absent;
    }
    let facts = async {
        let kubeconfig = first_kubeconfig(&servers).await?;
        let cluster = Cluster::connect(&kubeconfig, ways(servers)).await?;
        let facts = Box::pin(cluster.facts(API_PATIENCE)).await?;
        Ok::<_, StepError>(api_facts(facts, ca_certificate(&kubeconfig)?))
    };
    match facts.await {
        Ok(facts) => ApiState::Answered(Box::new(facts)),
        Err(error) => ApiState::Silent { reason: causes(&error) },
    }
}

fn is_of_another(standing: &Standing) -> bool {
    matches!(standing, Standing::Foreign(Foreign::OtherName { .. } | Foreign::OtherUid { .. }))
}

/// Connects through any control plane that carries an administrator's kubeconfig.
pub(crate) async fn connect(wanted: &Wanted, hosts: &Hosts) -> Result<Cluster, StepError> {
    let asked = servers(wanted, hosts).map(async |(_, server)| {
        let restored = last_restore(server.host.as_ref()).await;
        (read_kubeconfig(server.host.as_ref()).await, restored, server)
    });
    let mut asked = join_all(asked).await;
    // Those that were not there when etcd was restored last come after the others: they have the data before.
    asked.sort_by(|(_, left, _), (_, right, _)| right.cmp(left));
    let (mut kubeconfig, mut servers) = (None, Vec::new());
    let mut error = no_control_plane();
    for (answer, _, server) in asked {
        match answer {
            Ok(answer) => {
                kubeconfig.get_or_insert(answer);
                servers.push(server);
            }
            // It may become a control plane during this run, and outlive those that are there now.
            Err(reason @ StepError::MissingFile { .. }) => {
                error = reason;
                servers.push(server);
            }
            Err(reason) => error = reason,
        }
    }
    match kubeconfig {
        Some(kubeconfig) => Ok(Cluster::connect(&kubeconfig, ways(servers)).await?),
        None => Err(error),
    }
}

/// What its marker remembers of a restore.
async fn last_restore(host: &dyn Host) -> Option<String> {
    let marker = host.read(Path::new(marker::PATH)).await.ok().flatten()?;
    serde_json::from_slice::<Marker>(marker.expose()).ok()?.restored
}

/// An API that was reached through one certain control plane.
pub(crate) struct Reached {
    pub(crate) cluster: Cluster,
    pub(crate) facts: ApiFacts,
    /// `server` of the administrator's kubeconfig.
    pub(crate) server: String,
}

/// Connects through this very control plane, and reads the API once.
pub(crate) async fn connect_through(host: Arc<dyn Host>, port: u16) -> Result<Reached, StepError> {
    let kubeconfig = read_kubeconfig(host.as_ref()).await?;
    let ClusterEntry { server, .. } = cluster_entry(&kubeconfig)?;
    let cluster = Cluster::connect(&kubeconfig, ways(vec![Server { host, port }])).await?;
    let facts = Box::pin(cluster.facts(API_PATIENCE)).await?;
    Ok(Reached { cluster, facts: api_facts(facts, ca_certificate(&kubeconfig)?), server })
}

/// The SHA-256 of the CA that control planes trust.
pub(crate) async fn ca_sha256(wanted: &Wanted, hosts: &Hosts) -> Result<String, StepError> {
    let servers: Vec<_> = servers(wanted, hosts).map(|(_, server)| server).collect();
    let certificate = ca_certificate(&first_kubeconfig(&servers).await?)?;
    Ok(certificates::sha256_of_pem(&certificate).unwrap_or_default())
}

fn no_control_plane() -> StepError {
    StepError::NoApi { reason: "no control plane can be reached".to_owned() }
}

async fn first_kubeconfig(servers: &[Server]) -> Result<Secret<Vec<u8>>, StepError> {
    let mut error = no_control_plane();
    for server in servers {
        match read_kubeconfig(server.host.as_ref()).await {
            Ok(kubeconfig) => return Ok(kubeconfig),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

async fn read_kubeconfig(host: &dyn Host) -> Result<Secret<Vec<u8>>, StepError> {
    let path = Path::new(ADMIN_CONF);
    let missing = || StepError::MissingFile { host: host.name().to_owned(), path: path.to_owned() };
    host.read(path).await?.ok_or_else(missing)
}

/// The ways to these API servers.
fn ways(servers: Vec<Server>) -> Vec<ApiServer> {
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

/// The part of a kubeconfig that says whom to trust.
#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<NamedCluster>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: ClusterEntry,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    #[serde(default)]
    server: String,
    certificate_authority_data: String,
}

/// The reason does not quote the file: it is a secret.
fn unreadable(reason: &str) -> StepError {
    StepError::Unreadable { what: ADMIN_CONF.to_owned(), reason: reason.to_owned() }
}

fn cluster_entry(kubeconfig: &Secret<Vec<u8>>) -> Result<ClusterEntry, StepError> {
    let text = std::str::from_utf8(kubeconfig.expose()).map_err(|_| unreadable("it is not text"))?;
    let parsed: Kubeconfig = serde_saphyr::from_str(text).map_err(|_| unreadable("it is not a kubeconfig"))?;
    let entry = parsed.clusters.into_iter().next().ok_or_else(|| unreadable("it names no cluster"))?;
    Ok(entry.cluster)
}

fn ca_certificate(kubeconfig: &Secret<Vec<u8>>) -> Result<String, StepError> {
    let certificate = cluster_entry(kubeconfig)?.certificate_authority_data;
    let pem = STANDARD.decode(certificate).map_err(|_| unreadable("its CA is not base64"))?;
    String::from_utf8(pem).map_err(|_| unreadable("its CA is not PEM"))
}

fn api_facts(facts: ClusterFacts, ca_certificate: String) -> ApiFacts {
    let addon = |addon: kubeone_kubernetes::AddonStatus| AddonState {
        hash: addon.hash,
        ready: addon.ready,
        drift: addon.drift,
    };
    ApiFacts {
        cluster_uid: facts.uid,
        ca_sha256: certificates::sha256_of_pem(&ca_certificate).unwrap_or_default(),
        ca_certificate,
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
