//! What the manifests of static pods say of how components run.

use std::collections::BTreeMap;

use kubeone_facts::ComponentFacts;
use serde::Deserialize;

/// The part of a Pod that is of interest.
#[derive(Deserialize)]
struct Manifest {
    spec: PodSpec,
}

#[derive(Deserialize)]
struct PodSpec {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Deserialize)]
struct VolumeMount {
    name: String,
}

/// By the names of the manifests. One that is no manifest of a pod is left out.
pub(super) fn components(manifests: &BTreeMap<String, String>) -> BTreeMap<String, ComponentFacts> {
    let component = |(name, text): (&String, &String)| Some((name.clone(), read(text)?));
    manifests.iter().filter_map(component).collect()
}

fn read(text: &str) -> Option<ComponentFacts> {
    let manifest: Manifest = serde_saphyr::from_str(text).ok()?;
    let container = manifest.spec.containers.into_iter().next()?;
    let argument = |word: &String| {
        let flag = word.strip_prefix("--")?;
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        Some((name.to_owned(), value.to_owned()))
    };
    let arguments: BTreeMap<_, _> = container.command.iter().filter_map(argument).collect();
    let mounts = container.volume_mounts.into_iter().map(|mount| mount.name).collect();
    (!arguments.is_empty()).then_some(ComponentFacts { arguments, mounts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_and_mounts_are_read() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kube-apiserver\nspec:\n  containers:\n  - command:\n    \
                    - kube-apiserver\n    - --profiling=false\n    - --a=b=c\n    - --bare\n    image: x\n    \
                    volumeMounts:\n    - mountPath: /etc/ssl/certs\n      name: ca-certs\n      readOnly: true\n";
        let facts = read(text).unwrap();
        let arguments: Vec<_> = facts.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(arguments, ["a=b=c", "bare=", "profiling=false"]);
        assert_eq!(facts.mounts, ["ca-certs"]);
    }

    #[test]
    fn what_is_no_manifest_says_nothing() {
        for text in ["", "[", "spec: {}", "spec:\n  containers: []\n", "spec:\n  containers:\n  - command: [x]\n"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
