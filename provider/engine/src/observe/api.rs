//! The Kubernetes API, reached through whichever control plane answers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use kubeone_hosts::Host;
use kubeone_kubernetes::{ApiConnector, ApiStream, Cluster, ClusterFacts};
use kubeone_spec::{ClusterSpec, Secret};
use serde::Deserialize;

use super::causes;
use crate::cx::Hosts;
use crate::error::StepError;
use crate::kubeadm::api_server_port;
use crate::observed::{AddonState, ApiFacts, ApiState, NodeFacts, Observed};

const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// An API server that restarts is back within this time.
const API_PATIENCE: Duration = Duration::from_secs(10);

/// Reads the API once, if a control plane that was seen carries one.
pub(super) async fn observe_api(spec: &ClusterSpec, hosts: &Hosts, observed: &Observed) -> ApiState {
    let has_admin_conf = |name: &String| observed.facts(name).is_some_and(|facts| facts.kubernetes.admin_conf);
    let names: Vec<&String> = spec.control_plane.keys().filter(|name| has_admin_conf(name)).collect();
    if names.is_empty() {
        return ApiState::Absent;
    }
    let facts = async {
        let kubeconfig = first_kubeconfig(hosts, &names).await?;
        let cluster = Cluster::connect(&kubeconfig, connector(spec, hosts, &names)).await?;
        let facts = Box::pin(cluster.facts(API_PATIENCE)).await?;
        Ok::<_, StepError>(api_facts(facts, ca_certificate(&kubeconfig)?))
    };
    match facts.await {
        Ok(facts) => ApiState::Answered(Box::new(facts)),
        Err(error) => ApiState::Silent { reason: causes(&error) },
    }
}

/// Connects through any control plane that carries an administrator's kubeconfig.
pub(crate) async fn connect(spec: &ClusterSpec, hosts: &Hosts) -> Result<Cluster, StepError> {
    let names: Vec<&String> = spec.control_plane.keys().filter(|name| hosts.contains_key(*name)).collect();
    let found = join_all(names.iter().map(async |name| (*name, first_kubeconfig(hosts, &[name]).await))).await;
    let mut answers = Vec::new();
    let mut error = StepError::NoApi { reason: "no control plane can be reached".to_owned() };
    for (name, kubeconfig) in found {
        match kubeconfig {
            Ok(kubeconfig) => answers.push((name, kubeconfig)),
            Err(reason) => error = reason,
        }
    }
    let names: Vec<&String> = answers.iter().map(|(name, _)| *name).collect();
    let connector = connector(spec, hosts, &names);
    match answers.first() {
        Some((_, kubeconfig)) => Ok(Cluster::connect(kubeconfig, connector).await?),
        None => Err(error),
    }
}

async fn first_kubeconfig(hosts: &Hosts, names: &[&String]) -> Result<Secret<Vec<u8>>, StepError> {
    let mut error = StepError::NoApi { reason: "no control plane can be reached".to_owned() };
    for host in names.iter().filter_map(|name| hosts.get(*name)) {
        match read_kubeconfig(host.as_ref()).await {
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

/// Opens streams to the API servers of these hosts, trying one after the other.
fn connector(spec: &ClusterSpec, hosts: &Hosts, names: &[&String]) -> ApiConnector {
    let servers: Vec<(Arc<dyn Host>, u16)> = names
        .iter()
        .filter_map(|name| Some((hosts.get(*name)?.clone(), api_server_port(spec, spec.control_plane.get(*name)?))))
        .collect();
    let servers = Arc::new(servers);
    Arc::new(move || {
        let servers = servers.clone();
        Box::pin(async move {
            let mut refused = Vec::new();
            for (host, port) in servers.iter() {
                match host.tunnel("127.0.0.1", *port).await {
                    Ok(stream) => return Ok(Box::new(stream) as Box<dyn ApiStream>),
                    Err(error) => refused.push(causes(&error)),
                }
            }
            Err(refused.join("; ").into())
        })
    })
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
    certificate_authority_data: String,
}

fn ca_certificate(kubeconfig: &Secret<Vec<u8>>) -> Result<String, StepError> {
    // The reason does not quote the file: it is a secret.
    let unreadable = |reason: &str| StepError::Unreadable { what: ADMIN_CONF.to_owned(), reason: reason.to_owned() };
    let text = std::str::from_utf8(kubeconfig.expose()).map_err(|_| unreadable("it is not text"))?;
    let parsed: Kubeconfig = serde_saphyr::from_str(text).map_err(|_| unreadable("it is not a kubeconfig"))?;
    let entry = parsed.clusters.into_iter().next().ok_or_else(|| unreadable("it names no cluster"))?;
    let pem =
        STANDARD.decode(entry.cluster.certificate_authority_data).map_err(|_| unreadable("its CA is not base64"))?;
    String::from_utf8(pem).map_err(|_| unreadable("its CA is not PEM"))
}

fn api_facts(facts: ClusterFacts, ca_certificate: String) -> ApiFacts {
    let node = |node: kubeone_kubernetes::Node| NodeFacts {
        ready: node.ready,
        control_plane: node.control_plane,
        unschedulable: node.unschedulable,
        kubelet_version: node.kubelet_version,
        container_runtime_version: node.container_runtime_version,
        internal_address: node.internal_address,
        labels: node.labels.into_iter().filter(|(key, _)| !is_kubernetes_own(key)).collect(),
    };
    let addon = |addon: kubeone_kubernetes::AddonStatus| AddonState { hash: addon.hash, ready: addon.ready };
    ApiFacts {
        cluster_uid: facts.uid,
        ca_certificate,
        version: facts.version,
        nodes: facts.nodes.into_iter().map(|(name, it)| (name, node(it))).collect(),
        addons: facts.addons.into_iter().map(|(name, it)| (name, addon(it))).collect(),
        init_complete: facts.init_complete,
    }
}

/// Labels in Kubernetes' own domains are set by kubelet, kubeadm and clouds.
fn is_kubernetes_own(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    domain.ends_with("kubernetes.io") || domain.ends_with("k8s.io")
}
