//! The kubelet settings of one host: the file that holds them, and what has to change on the host so that they are as
//! wanted. Pure.
//!
//! They lie in a folder of ours that the kubelet reads after kubeadm's file, so neither kubeadm nor an upgrade ever writes
//! over them, and without them there is nothing of ours.

use std::collections::{BTreeMap, BTreeSet};

use kubeone_facts::HostFacts;
use kubeone_spec::KubeletSpec;
use serde_json::{Map, Value, json};

use crate::DesiredError;
use crate::control_plane::sha256;

/// Holds the settings.
pub const SETTINGS: &str = "/etc/kubeone/kubelet.conf.d/settings.conf";
/// Points the kubelet at the folder. It comes after the file of kubeadm's package, whose variable it takes.
pub const SERVICE: &str = "/etc/systemd/system/kubelet.service.d/20-kubeone.conf";
/// The settings before, as long as nobody knows whether the kubelet runs well with the new ones.
pub const BEFORE: &str = "/etc/kubeone/kubelet-settings.before";

/// All of them.
pub const FILES: [&str; 3] = [SERVICE, SETTINGS, BEFORE];

/// Content of [`SERVICE`].
pub const SERVICE_TEXT: &str = "[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml \
                                    --config-dir=/etc/kubeone/kubelet.conf.d\"\n";

/// The settings in the kubelet's own words, without what makes a file of them.
pub fn configuration(kubelet: &KubeletSpec) -> Value {
    // Settings were read from a value a moment ago, so they can be written as one.
    let fields = serde_json::to_value(kubelet).unwrap_or_default();
    let mut fields: Map<_, _> =
        fields.as_object().into_iter().flatten().map(|(name, value)| (camel_case(name), value.clone())).collect();
    if let Some(pulls) = kubelet.max_parallel_image_pulls {
        fields.insert(SERIALIZE.to_owned(), (pulls == 1).into());
    }
    fields.into()
}

/// It goes with `maxParallelImagePulls`, and is no setting of its own.
const SERIALIZE: &str = "serializeImagePulls";

/// The content of [`SETTINGS`]; empty when nothing is set.
pub fn file(kubelet: &KubeletSpec) -> Result<String, DesiredError> {
    if kubelet.is_empty() {
        return Ok(String::new());
    }
    let mut file = json!({ "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration" });
    if let (Some(file), Value::Object(fields)) = (file.as_object_mut(), configuration(kubelet)) {
        file.extend(fields);
    }
    Ok(serde_saphyr::to_string(&file)?)
}

/// The settings in a file of ours; `None` when somebody else wrote it.
pub fn read(file: &str) -> Option<KubeletSpec> {
    if file.is_empty() {
        return Some(KubeletSpec::default());
    }
    let mut fields: Map<String, Value> = serde_saphyr::from_str(file).ok()?;
    for word in ["apiVersion", "kind", SERIALIZE] {
        fields.remove(word);
    }
    let fields: Map<_, _> = fields.into_iter().map(|(name, value)| (snake_case(&name), value)).collect();
    serde_json::from_value(fields.into()).ok()
}

/// What has to change so that the kubelet of this host runs with these settings, in words; empty when nothing has to.
pub fn changes(kubelet: &KubeletSpec, facts: &HostFacts) -> Vec<String> {
    let mut changes = match read(&facts.kubelet_settings) {
        Some(present) => differences(&present, kubelet),
        None => vec!["somebody edited them".to_owned()],
    };
    let service = (!kubelet.is_empty()).then(service_hash);
    if changes.is_empty() && facts.files.get(SERVICE) != service.as_ref() {
        changes.push("its service does not find them".to_owned());
    }
    if changes.is_empty() && facts.files.contains_key(BEFORE) {
        changes.push("a change was interrupted".to_owned());
    }
    changes
}

/// SHA-256 of [`SERVICE_TEXT`].
pub fn service_hash() -> String {
    sha256(SERVICE_TEXT)
}

fn differences(present: &KubeletSpec, wanted: &KubeletSpec) -> Vec<String> {
    let (present, wanted) = (flat(present), flat(wanted));
    let names: BTreeSet<_> = present.keys().chain(wanted.keys()).collect();
    let text = |value: Option<&String>| value.map_or("default", String::as_str).to_owned();
    let changed = names.into_iter().filter(|name| present.get(*name) != wanted.get(*name));
    changed.map(|name| format!("{name} {} → {}", text(present.get(name)), text(wanted.get(name)))).collect()
}

/// Each single setting under its name, as users write it.
fn flat(kubelet: &KubeletSpec) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut flat = BTreeMap::new();
    let fields = serde_json::to_value(kubelet).unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => {
                flat.extend(parts.iter().map(|(part, value)| (format!("{name}.{part}"), text(value))));
            }
            Value::Array(parts) => _ = flat.insert(name.clone(), parts.iter().map(text).collect::<Vec<_>>().join(", ")),
            value => _ = flat.insert(name.clone(), text(value)),
        }
    }
    flat
}

/// `image_gc_high_threshold_percent` as the kubelet spells it: `imageGCHighThresholdPercent`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        match word {
            "gc" => text.push_str("GC"),
            word => {
                let (first, rest) = word.split_at(1.min(word.len()));
                text.push_str(&first.to_ascii_uppercase());
                text.push_str(rest);
            }
        }
    }
    text
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.replace("GC", "Gc").chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn all() -> KubeletSpec {
        serde_json::from_value(json!({
            "max_pods": 200, "pod_pids_limit": 4096, "system_reserved": { "memory": "500Mi" },
            "kube_reserved": { "cpu": "100m" }, "eviction_hard": { "memory.available": "5%" },
            "image_gc_high_threshold_percent": 70, "image_gc_low_threshold_percent": 60, "max_parallel_image_pulls": 4,
            "container_log_max_size": "50Mi", "container_log_max_files": 3, "shutdown_grace_period": "1m",
            "shutdown_grace_period_critical_pods": "20s", "allowed_unsafe_sysctls": ["net.core.somaxconn"],
        }))
        .unwrap()
    }

    #[test]
    fn the_kubelet_reads_its_own_words() {
        expect![["
            apiVersion: kubelet.config.k8s.io/v1beta1
            kind: KubeletConfiguration
            maxPods: 200
            podPidsLimit: 4096
            systemReserved:
              memory: 500Mi
            kubeReserved:
              cpu: 100m
            evictionHard:
              memory.available: 5%
            imageGCHighThresholdPercent: 70
            imageGCLowThresholdPercent: 60
            maxParallelImagePulls: 4
            containerLogMaxSize: 50Mi
            containerLogMaxFiles: 3
            shutdownGracePeriod: 1m
            shutdownGracePeriodCriticalPods: 20s
            allowedUnsafeSysctls:
            - net.core.somaxconn
            serializeImagePulls: false
        "]]
        .assert_eq(&file(&all()).unwrap());
        assert_eq!(file(&KubeletSpec::default()).unwrap(), "");
    }

    #[test]
    fn what_was_written_is_read_again() {
        assert_eq!(read(&file(&all()).unwrap()), Some(all()));
        assert_eq!(read(""), Some(KubeletSpec::default()));
        assert_eq!(read("apiVersion: kubelet.config.k8s.io/v1beta1\nregisterNode: false\n"), None);
        assert_eq!(read("]"), None);
    }

    fn host(kubelet: &KubeletSpec) -> HostFacts {
        let mut facts = HostFacts { kubelet_settings: file(kubelet).unwrap(), ..HostFacts::default() };
        if !kubelet.is_empty() {
            facts.files.insert(SERVICE.to_owned(), service_hash());
        }
        facts
    }

    #[test]
    fn single_settings_are_compared() {
        let mut wanted = all();
        assert_eq!(changes(&wanted, &host(&wanted)), [""; 0]);
        wanted.max_pods = None;
        wanted.system_reserved = [("cpu".to_owned(), "1".to_owned())].into();
        assert_eq!(
            changes(&wanted, &host(&all())),
            ["max_pods 200 → default", "system_reserved.cpu default → 1", "system_reserved.memory 500Mi → default"]
        );
        assert_eq!(changes(&KubeletSpec::default(), &host(&all())).len(), 13);
    }

    #[test]
    fn what_keeps_them_from_the_kubelet_is_a_change_too() {
        let wanted = all();
        let mut edited = host(&wanted);
        edited.kubelet_settings = "maxPods: [".to_owned();
        assert_eq!(changes(&wanted, &edited), ["somebody edited them"]);
        let mut rewritten = host(&wanted);
        rewritten.kubelet_settings.insert_str(0, "# a remark\n");
        assert_eq!(changes(&wanted, &rewritten), [""; 0]);
        let mut lost = host(&wanted);
        lost.files.clear();
        assert_eq!(changes(&wanted, &lost), ["its service does not find them"]);
        let mut interrupted = host(&wanted);
        interrupted.files.insert(BEFORE.to_owned(), String::new());
        assert_eq!(changes(&wanted, &interrupted), ["a change was interrupted"]);
    }
}
