//! Which addons the settings ask for, and what they look like for this cluster.

use kubeone_spec::{ClusterSpec, Cni};

use crate::{Addon, AddonError, KUBE_PROXY, Parameters, Rendered};

/// An addon that the cluster shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedAddon {
    pub name: &'static str,
    /// Hash of its objects; `None` when they cannot be made, which the step that applies it reports.
    pub hash: Option<String>,
}

pub fn wanted(spec: &ClusterSpec) -> Vec<WantedAddon> {
    let names: &[&'static str] = match spec.cluster_network.cni {
        Cni::Canal => &["canal"],
        Cni::None => &[],
    };
    let wanted =
        |name: &&'static str| WantedAddon { name, hash: render(spec, name).ok().map(|rendered| rendered.hash) };
    names.iter().map(wanted).collect()
}

pub fn render(spec: &ClusterSpec, name: &str) -> Result<Rendered, AddonError> {
    Addon::find(name)?.render(&Parameters::new(&spec.cluster_network, &spec.api_endpoint))
}

/// Whether one of kubeadm's own objects may be missing: where no network plugin is ours, something of its user's may do the
/// work of kube-proxy.
pub fn may_be_missing(cni: Cni, object: &str) -> bool {
    object == KUBE_PROXY && cni == Cni::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canal_can_be_made_from_default_settings() {
        let spec = serde_json::from_value(serde_json::json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        }))
        .unwrap();
        let addons = wanted(&spec);
        assert_eq!(addons.iter().map(|addon| addon.name).collect::<Vec<_>>(), ["canal"]);
        assert!(addons[0].hash.is_some());
    }
}
