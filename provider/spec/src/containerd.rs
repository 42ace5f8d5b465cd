//! The container runtime of the nodes.

mod registry;
mod runtime;
mod version;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding, is_digest, is_image};

pub use registry::{Mirror, MirrorCapability, Registry, RegistryCredentials};
pub use runtime::Runtime;
pub use version::ContainerdVersion;

/// containerd, which runs the containers on every node that this provider set up. Adopted hosts keep the container
/// runtime they have. A change of its configuration restarts containerd; containers keep running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Containerd {
    /// Version of containerd on all nodes, such as `2.2.5`. When unset, new nodes get the newest version that the
    /// package repository offers and this Kubernetes version supports, and existing nodes get newer patch releases as
    /// soon as the host's package lists name one: the plan shows each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<ContainerdVersion>,
    /// How images are pulled from a registry, by its host as in image names: `docker.io`, `registry.k8s.io` or
    /// `registry.example.com:5000`. `*` applies to all registries without an entry of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, Registry>,
    /// Image of the pause container that holds the namespaces of each pod. When unset, the one that kubeadm uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_image: Option<String>,
    /// Give a container's devices the user and group of its `securityContext`, so that containers that do not run as
    /// root can use devices such as block volumes and GPUs. containerd's default is `false`.
    pub device_ownership_from_security_context: bool,
    /// Further runtimes, by the name that a RuntimeClass gives as its `handler`. Their programs must be on the hosts
    /// already; RuntimeClasses are yours to create.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub runtimes: BTreeMap<String, Runtime>,
    /// Runtime of pods without a RuntimeClass: `runc` or one of `runtimes`. When unset, `runc`. It also runs the pods
    /// of the control plane and of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_runtime: Option<String>,
    /// TOML that is merged into `/etc/containerd/config.toml` last, for settings without an attribute here. It is in
    /// the format of configuration version 3, replaces values of this provider, and cannot set `version`. containerd
    /// must start with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<String>,
}

const LARGEST_OVERLAY: usize = 64 << 10;

pub(crate) fn findings(containerd: &Containerd) -> Vec<Finding> {
    let path = FieldPath::root("containerd");
    let mut findings = registry::findings(&containerd.registries, &path.clone().field("registries"));
    if let Some(image) = containerd.sandbox_image.as_ref().filter(|image| !is_sandbox_image(image)) {
        findings.push(Finding::error(
            path.clone().field("sandbox_image"),
            format!("`{image}` is not the full name of an image"),
            "Write registry, path and tag, such as `registry.k8s.io/pause:3.10.1`. A digest may follow.",
        ));
    }
    let runtimes = path.clone().field("runtimes");
    findings.extend(runtime::findings(&containerd.runtimes, &runtimes));
    if let Some(name) = &containerd.default_runtime
        && name != runtime::RUNC
        && !containerd.runtimes.contains_key(name)
    {
        let finding = Finding::error(
            path.clone().field("default_runtime"),
            format!("`{name}` is not a runtime"),
            "Write `runc` or a key of `containerd.runtimes`.",
        );
        findings.push(finding.derived_from(runtimes));
    }
    let overlay = containerd.overlay.as_deref().and_then(overlay_fault);
    findings.extend(overlay.map(|(summary, detail)| Finding::error(path.field("overlay"), summary, detail)));
    findings
}

fn is_sandbox_image(text: &str) -> bool {
    match text.split_once('@') {
        Some((image, digest)) => is_image(image) && is_digest(digest),
        None => is_image(text),
    }
}

/// What is wrong, and what would be right.
fn overlay_fault(text: &str) -> Option<(String, String)> {
    if text.len() > LARGEST_OVERLAY {
        let right = format!("Write at most {LARGEST_OVERLAY} bytes.");
        return Some((format!("the overlay has {} bytes", text.len()), right));
    }
    match text.parse::<toml::Table>() {
        Err(error) => Some(("the overlay is not TOML".to_owned(), format!("{}.", one_line(error.message())))),
        Ok(overlay) if overlay.contains_key("version") => {
            let right = "Remove it: the provider writes version 3.";
            Some(("the overlay sets `version`".to_owned(), right.to_owned()))
        }
        Ok(_) => None,
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}
