//! kubeadm's configuration as a running cluster keeps it. It may be another's than ours, so it is changed where it must
//! be, and otherwise left as it is.

use std::net::SocketAddr;

use kubeone_facts::{Configured, HostFacts};
use kubeone_spec::{ClusterSpec, HostSpec, KubernetesVersion, Role};
use serde_json::{Map, Value, json};

use super::types::{InitConfiguration, KUBEADM_API};
use super::{node_registration, running_endpoint, to_yaml};
use crate::DesiredError;
use crate::control_plane::{Component, ControlPlane, FOLDER};

/// Before which the API server's manifest names its address and port.
const ENDPOINT_ANNOTATION: &str = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint:";

/// Where the API server of a manifest tells others to reach it.
pub fn advertised_endpoint(manifest: &str) -> Option<SocketAddr> {
    let value = manifest.lines().find_map(|line| line.trim().strip_prefix(ENDPOINT_ANNOTATION))?;
    value.trim().trim_matches('"').parse().ok()
}

const ENCRYPTION: &str = "encryption-provider-config";
/// What kubeadm makes in its folder of certificates, as far as an API server uses it.
const OWN_PKI: [&str; 8] = [
    "ca",
    "sa",
    "apiserver",
    "apiserver-kubelet-client",
    "apiserver-etcd-client",
    "front-proxy-ca",
    "front-proxy-client",
    "etcd/ca",
];

/// The file that says how Secrets are encrypted at rest, if they are.
pub fn encryption_configuration(manifest: &str) -> Option<&str> {
    arguments(manifest).find_map(|(name, value)| (name == ENCRYPTION).then_some(value))
}

/// Files with settings that the arguments of an API server name and kubeadm does not make: how Secrets are encrypted, and
/// what lies beside kubeadm's own files, such as a policy for audits.
pub fn named_files(manifest: &str) -> Vec<&str> {
    let is_own = |path: &str| {
        let name = path.strip_prefix("/etc/kubernetes/pki/").and_then(|name| name.rsplit_once('.'));
        name.is_some_and(|(name, _)| OWN_PKI.contains(&name))
    };
    let is_file = |name: &str| name.ends_with("-file") || name.ends_with("-config");
    let named = arguments(manifest).filter(|(name, path)| {
        *name == ENCRYPTION
            || is_file(name) && path.starts_with("/etc/kubernetes/") && !is_own(path) && !path.starts_with(FOLDER)
    });
    named.map(|(_, path)| path).collect()
}

/// Name and value of each argument in a manifest.
fn arguments(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    manifest.lines().filter_map(|line| {
        let argument = line.trim().trim_start_matches("- ").trim_matches(['"', '\'']).strip_prefix("--")?;
        let (name, value) = argument.split_once('=')?;
        Some((name, value.trim_matches(['"', '\''])))
    })
}

/// What kubeadm's phases need to write the manifests of a control plane again, in another version.
pub fn upgrade_config(
    spec: &ClusterSpec,
    name: &str,
    host: &HostSpec,
    facts: &HostFacts,
    version: KubernetesVersion,
    running: &str,
    endpoint: Option<SocketAddr>,
) -> Result<String, DesiredError> {
    let cluster = in_version(running, version)?;
    let init = InitConfiguration {
        api_version: KUBEADM_API,
        kind: "InitConfiguration",
        bootstrap_tokens: Vec::new(),
        node_registration: node_registration(name, host, Role::ControlPlane, facts),
        local_api_endpoint: running_endpoint(spec, host, endpoint),
        patches: super::patches(facts),
    };
    Ok([to_yaml(&init)?, to_yaml(&Value::Object(cluster))?].join("---\n"))
}

/// What kubeadm needs to name the images of a version: a cluster may take them from a registry of its own.
pub fn images_config(running: &str, version: KubernetesVersion) -> Result<String, DesiredError> {
    Ok(to_yaml(&Value::Object(in_version(running, version)?))?)
}

/// The configuration of a running cluster with what the settings want of its control plane; `None` when it says so already.
/// What others added stays; what we added for earlier settings goes.
pub fn reconfigured(
    running: &str,
    desired: &ControlPlane,
    before: &Configured,
) -> Result<Option<String>, DesiredError> {
    let present = read(running)?;
    let mut cluster = present.clone();
    for component in Component::ALL {
        let Some(section) = section(&mut cluster, component) else { continue };
        let name = component.name();
        let gone = before.arguments.get(name).map(Vec::as_slice).unwrap_or_default();
        let arguments = desired.arguments(component).map(|(name, value)| json!({ "name": name, "value": value }));
        replace_named(section, "extraArgs", &arguments.collect::<Vec<_>>(), gone);
        let gone = before.mounts.get(name).map(Vec::as_slice).unwrap_or_default();
        let volumes = super::component(desired, component).extra_volumes;
        let volumes: Vec<_> = volumes.iter().map(|volume| json!(volume)).collect();
        replace_named(section, "extraVolumes", &volumes, gone);
    }
    cluster.retain(|_, value| *value != json!({}));
    if cluster == present { Ok(None) } else { Ok(Some(to_yaml(&Value::Object(cluster))?)) }
}

/// The configuration with these names for API servers; `None` when they are there already, and no others.
pub fn with_names(running: &str, names: &[String]) -> Result<Option<String>, DesiredError> {
    let mut cluster = read(running)?;
    let Some(api_server) = cluster.entry("apiServer").or_insert_with(|| json!({})).as_object_mut() else {
        return Ok(None);
    };
    let names = json!(names);
    if *api_server.get("certSANs").unwrap_or(&json!([])) == names {
        return Ok(None);
    }
    api_server.insert("certSANs".to_owned(), names);
    Ok(Some(to_yaml(&Value::Object(cluster))?))
}

/// The part of the configuration that is about one component. An etcd that kubeadm does not run has none.
fn section(cluster: &mut Map<String, Value>, component: Component) -> Option<&mut Map<String, Value>> {
    let name = match component {
        Component::Etcd => {
            let etcd = cluster.entry("etcd").or_insert_with(|| json!({ "local": {} })).as_object_mut()?;
            return etcd.get_mut("local")?.as_object_mut();
        }
        Component::ApiServer => "apiServer",
        Component::ControllerManager => "controllerManager",
        Component::Scheduler => "scheduler",
    };
    cluster.entry(name).or_insert_with(|| json!({})).as_object_mut()
}

/// Puts these entries into a list, in the place of those of the same name, and takes away those named `gone`. Before v1beta4
/// arguments were no list; such a cluster is left as it is.
fn replace_named(section: &mut Map<String, Value>, field: &str, entries: &[Value], gone: &[String]) {
    let present = match section.get(field) {
        None => Vec::new(),
        Some(Value::Array(present)) => present.clone(),
        Some(_) => return,
    };
    let is = |entry: &Value, name: &str| entry["name"] == name;
    let is_ours = |entry: &Value| {
        entries.iter().any(|ours| ours["name"] == entry["name"]) || gone.iter().any(|name| is(entry, name))
    };
    let others = present.iter().filter(|entry| !is_ours(entry)).cloned();
    let mut ours: Vec<Value> = Vec::new();
    // In the order in which they were, so that nothing changes where nothing has to.
    for entry in &present {
        ours.extend(entries.iter().find(|it| it["name"] == entry["name"]).cloned());
    }
    let added = entries.iter().filter(|entry| !present.iter().any(|it| it["name"] == entry["name"])).cloned();
    let list: Vec<Value> = others.chain(ours).chain(added).collect();
    let same = list.len() == present.len() && list.iter().all(|entry| present.contains(entry));
    if !same {
        section.insert(field.to_owned(), list.into());
    }
    if section.get(field) == Some(&json!([])) {
        section.remove(field);
    }
}

fn in_version(running: &str, version: KubernetesVersion) -> Result<Map<String, Value>, DesiredError> {
    let mut cluster = read(running)?;
    cluster.insert("kubernetesVersion".to_owned(), format!("v{version}").into());
    Ok(cluster)
}

fn read(yaml: &str) -> Result<Map<String, Value>, DesiredError> {
    serde_saphyr::from_str(yaml).map_err(|error| DesiredError::Unreadable {
        what: "kubeadm's configuration in the cluster".to_owned(),
        reason: error.to_string(),
    })
}
