//! Addons: folders of manifest templates, rendered for one cluster.

use std::collections::BTreeMap;

use kubeone_spec::{ApiEndpoint, ClusterNetwork, Subnet};
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{MANAGED_BY_LABEL, MANAGER, Workload};

/// One folder under `addons/`, as the build embeds it.
struct Folder {
    name: &'static str,
    manifest: &'static str,
    /// File name and content.
    templates: &'static [(&'static str, &'static str)],
}

const FOLDERS: &[Folder] = include!(concat!(env!("OUT_DIR"), "/addons.rs"));

/// An addon that the provider brings along.
#[derive(Clone, Debug)]
pub struct Addon {
    pub name: &'static str,
    manifest: Manifest,
    templates: &'static [(&'static str, &'static str)],
}

/// `addon.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    description: String,
    /// Image references by the name that templates use.
    images: BTreeMap<String, String>,
    /// What runs when the addon is ready.
    #[serde(default)]
    workloads: Vec<Workload>,
    /// Objects, as [`ObjectRef`](crate::ObjectRef) writes them, that the addon's own programs change.
    #[serde(default)]
    changed_by_itself: Vec<String>,
}

/// What templates know of the cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    pub pod_subnet: Subnet,
    pub service_subnet: Subnet,
    pub cluster_domain: String,
    /// Where the API answers before services work; without it, addons use the service address.
    pub api_server_host: Option<String>,
    pub api_server_port: u16,
    /// The largest packet of a pod: what the hosts' network carries, less 50 bytes for VXLAN.
    pub mtu: u16,
    /// Image references that replace those of `addon.toml`, by name.
    pub images: BTreeMap<String, String>,
}

impl Parameters {
    pub fn new(network: &ClusterNetwork, api_endpoint: &ApiEndpoint) -> Self {
        Self {
            pod_subnet: network.pod_subnet,
            service_subnet: network.service_subnet,
            cluster_domain: network.cluster_domain.clone(),
            api_server_host: Some(api_endpoint.host.clone()),
            api_server_port: api_endpoint.port,
            mtu: 1450,
            images: BTreeMap::new(),
        }
    }
}

/// The objects of an addon for one cluster.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub addon: &'static str,
    pub objects: Vec<Value>,
    /// Objects that the addon's own programs change: who edited them cannot be told.
    pub changed_by_itself: Vec<String>,
    /// Equal when, and only when, the objects are equal.
    pub hash: String,
}

/// Why an addon could not be prepared. Except for an unknown name, this is a bug in the provider.
#[derive(Debug, Error)]
pub enum AddonError {
    #[error("find addon `{name}`; there are {}", Addon::names().collect::<Vec<_>>().join(", "))]
    Unknown { name: String },
    #[error("read addon.toml of addon `{addon}`")]
    Manifest { addon: &'static str, source: toml::de::Error },
    #[error("render {template} of addon `{addon}`")]
    Template { addon: &'static str, template: &'static str, source: minijinja::Error },
    #[error("read the rendered {template} of addon `{addon}`: {reason}")]
    Yaml { addon: &'static str, template: &'static str, reason: String },
}

impl Addon {
    /// Names of all addons.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FOLDERS.iter().map(|folder| folder.name)
    }

    pub fn find(name: &str) -> Result<Self, AddonError> {
        let folder = FOLDERS
            .iter()
            .find(|folder| folder.name == name)
            .ok_or_else(|| AddonError::Unknown { name: name.to_owned() })?;
        let manifest =
            toml::from_str(folder.manifest).map_err(|source| AddonError::Manifest { addon: folder.name, source })?;
        Ok(Self { name: folder.name, manifest, templates: folder.templates })
    }

    pub fn description(&self) -> &str {
        &self.manifest.description
    }

    /// What runs when the addon is ready.
    pub fn workloads(&self) -> &[Workload] {
        &self.manifest.workloads
    }

    /// References of the images it needs, to be pulled before they are needed.
    pub fn images(&self, parameters: &Parameters) -> Vec<String> {
        self.image_references(&parameters.images).into_values().collect()
    }

    pub fn render(&self, parameters: &Parameters) -> Result<Rendered, AddonError> {
        let parameters = Parameters { images: self.image_references(&parameters.images), ..parameters.clone() };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut objects = Vec::new();
        for &(template, source) in self.templates {
            let text = environment
                .render_named_str(template, source, Serde(&parameters))
                .map_err(|source| AddonError::Template { addon: self.name, template, source })?;
            let unreadable = |reason: String| AddonError::Yaml { addon: self.name, template, reason };
            let documents: Vec<Map<String, Value>> =
                serde_saphyr::from_multiple(&text).map_err(|error| unreadable(error.to_string()))?;
            for document in documents {
                let object = ordered(document, self.name).ok_or_else(|| unreadable("this is no object".to_owned()))?;
                objects.push(object);
            }
        }
        let hash = hash(&objects).map_err(|error| AddonError::Yaml {
            addon: self.name,
            template: "objects",
            reason: error.to_string(),
        })?;
        let changed_by_itself = self.manifest.changed_by_itself.clone();
        Ok(Rendered { addon: self.name, objects, changed_by_itself, hash })
    }

    fn image_references(&self, replaced: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let reference = |(name, own): (&String, &String)| (name.clone(), replaced.get(name).unwrap_or(own).clone());
        self.manifest.images.iter().map(reference).collect()
    }
}

/// The object with our labels. Its fields are in one order, whatever the template's is, so that the hash depends on content.
fn ordered(mut object: Map<String, Value>, addon: &str) -> Option<Value> {
    let mut metadata: BTreeMap<String, Value> = serde_json::from_value(object.remove("metadata")?).ok()?;
    let mut sorted = |field: &str| -> Option<BTreeMap<String, String>> {
        metadata.remove(field).map_or_else(|| Some(BTreeMap::new()), |entries| serde_json::from_value(entries).ok())
    };
    let (annotations, mut labels) = (sorted("annotations")?, sorted("labels")?);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
    labels.insert("app.kubernetes.io/part-of".to_owned(), addon.to_owned());
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), json!(annotations));
    }
    metadata.insert("labels".to_owned(), json!(labels));
    let mut ordered = Map::new();
    for field in ["apiVersion", "kind"] {
        ordered.insert(field.to_owned(), object.remove(field)?);
    }
    ordered.insert("metadata".to_owned(), json!(metadata));
    ordered.extend(object);
    Some(ordered.into())
}

fn hash(objects: &[Value]) -> serde_json::Result<String> {
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(objects)?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::{expect, expect_file};

    use super::*;
    use crate::ObjectRef;

    fn parameters() -> Parameters {
        let endpoint = serde_json::from_value(serde_json::json!({ "host": "192.0.2.10", "port": 6443 })).unwrap();
        Parameters::new(&ClusterNetwork::default(), &endpoint)
    }

    fn addons() -> impl Iterator<Item = Addon> {
        Addon::names().map(|name| Addon::find(name).unwrap())
    }

    #[test]
    fn each_object_is_complete_and_unique() {
        for addon in addons() {
            let mut seen = BTreeSet::new();
            for object in addon.render(&parameters()).unwrap().objects {
                let reference = ObjectRef::from(&object);
                assert!(!reference.api_version.is_empty() && !reference.kind.is_empty(), "{reference}");
                assert!(!reference.name.is_empty(), "{reference}");
                assert!(seen.insert(reference.clone()), "{reference} is there twice");
            }
            for object in &addon.manifest.changed_by_itself {
                assert!(seen.iter().any(|it| it.to_string() == *object), "{object} changes itself");
            }
            for workload in addon.workloads() {
                assert!(seen.iter().any(|object| object.to_string() == workload.to_string()), "{workload} is awaited");
            }
        }
    }

    #[test]
    fn each_image_comes_from_the_manifest() {
        for addon in addons() {
            let parameters = parameters();
            let rendered = serde_json::to_string(&addon.render(&parameters).unwrap().objects).unwrap();
            let used: BTreeSet<&str> =
                rendered.split("\"image\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let listed = addon.images(&parameters);
            assert_eq!(used, listed.iter().map(String::as_str).collect(), "images of {}", addon.name);
        }
    }

    #[test]
    fn an_image_can_be_replaced() {
        let mut parameters = parameters();
        parameters.images.insert("flannel".to_owned(), "registry.example.com/flannel:v1".to_owned());
        let canal = Addon::find("canal").unwrap();
        assert!(canal.images(&parameters).contains(&"registry.example.com/flannel:v1".to_owned()));
    }

    #[test]
    fn the_hash_follows_the_parameters() {
        let canal = Addon::find("canal").unwrap();
        let hash = |parameters: &Parameters| canal.render(parameters).unwrap().hash;
        assert_eq!(hash(&parameters()), hash(&parameters()));
        assert_ne!(hash(&parameters()), hash(&Parameters { mtu: 1400, ..parameters() }));
    }

    #[test]
    fn without_an_endpoint_the_service_address_is_used() {
        let canal = Addon::find("canal").unwrap();
        let rendered = canal.render(&Parameters { api_server_host: None, ..parameters() }).unwrap();
        assert!(!serde_json::to_string(&rendered.objects).unwrap().contains("KUBERNETES_SERVICE_HOST"));
    }

    #[test]
    fn an_unknown_addon_names_the_known_ones() {
        let error = Addon::find("canel").unwrap_err();
        expect!["find addon `canel`; there are canal"].assert_eq(&error.to_string());
    }

    #[test]
    fn objects_are_those_of_the_golden_file() {
        for addon in addons() {
            let objects = addon.render(&parameters()).unwrap().objects;
            let names: Vec<String> = objects.iter().map(|object| ObjectRef::from(object).to_string()).collect();
            let golden = format!("{}/addons/{}/objects.txt", env!("CARGO_MANIFEST_DIR"), addon.name);
            expect_file![golden].assert_eq(&(names.join("\n") + "\n"));
        }
    }
}
