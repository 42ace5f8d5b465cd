//! Which addons the settings ask for, and what they look like for this cluster.

use kubeone_kubernetes::{Addon, AddonError, Parameters, Rendered};
use kubeone_spec::{ClusterSpec, Cni};

/// An addon that the cluster shall have.
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    /// Hash of its objects; `None` when they cannot be made, which the step that applies it reports.
    pub(crate) hash: Option<String>,
}

pub(crate) fn wanted(spec: &ClusterSpec) -> Vec<Wanted> {
    let names: &[&'static str] = match spec.cluster_network.cni {
        Cni::Canal => &["canal"],
        Cni::None => &[],
    };
    let wanted = |name: &&'static str| Wanted { name, hash: render(spec, name).ok().map(|rendered| rendered.hash) };
    names.iter().map(wanted).collect()
}

pub(crate) fn render(spec: &ClusterSpec, name: &str) -> Result<Rendered, AddonError> {
    Addon::find(name)?.render(&Parameters::new(&spec.cluster_network, &spec.api_endpoint))
}
