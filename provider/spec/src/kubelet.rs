//! Settings of the kubelet on one host.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding, Span};

/// Settings of one kubelet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeletSpec {
    /// Maximum number of pods on the node. The kubelet's default is 110.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_pods: Option<u32>,
    /// Maximum number of processes in a pod. When unset, `hardening.pod_pids_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pod_pids_limit: Option<u32>,
    /// Resources that are reserved for the system and that pods cannot use: quantities of `cpu`, `memory`,
    /// `ephemeral-storage` and `pid`, such as `{ cpu = "200m", memory = "500Mi" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub system_reserved: BTreeMap<String, String>,
    /// Resources that are reserved for the kubelet and the container runtime, in the same form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kube_reserved: BTreeMap<String, String>,
    /// Thresholds below which pods are evicted: a quantity, or a percentage such as `10%`, of `memory.available`,
    /// `nodefs.available`, `nodefs.inodesFree`, `imagefs.available`, `imagefs.inodesFree` and `pid.available`.
    /// Thresholds that are not set keep the kubelet's default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub eviction_hard: BTreeMap<String, String>,
    /// Disk usage, in percent, above which unused images are removed. The kubelet's default is 85.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub image_gc_high_threshold_percent: Option<u8>,
    /// Disk usage, in percent, down to which unused images are removed. The kubelet's default is 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub image_gc_low_threshold_percent: Option<u8>,
    /// How many images are pulled at the same time. By default, the kubelet pulls one at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_parallel_image_pulls: Option<u32>,
    /// Size at which the log of a container is rotated. The kubelet's default is `10Mi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_log_max_size: Option<String>,
    /// How many log files are kept per container. The kubelet's default is 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub container_log_max_files: Option<u32>,
    /// How long a shutdown of the host is delayed so that pods can terminate gracefully, such as `1m`. By default it is
    /// not delayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown_grace_period: Option<Span>,
    /// The part of `shutdown_grace_period` that is reserved for critical pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown_grace_period_critical_pods: Option<Span>,
    /// Kernel settings that pods may change although Kubernetes considers them unsafe, such as `net.core.somaxconn` or
    /// `kernel.msg*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_unsafe_sysctls: Vec<String>,
}

impl KubeletSpec {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

const RESERVABLE: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pid"];
const SIGNALS: [&str; 6] = [
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
];
/// Prefixes of kernel settings that are namespaced per pod. The kubelet refuses to start with any other.
const NAMESPACED: [&str; 4] = ["kernel.shm", "kernel.msg", "fs.mqueue.", "net."];
/// Whole names of such settings.
const NAMESPACED_ALONE: [&str; 1] = ["kernel.sem"];
/// The kubelet reads its numbers as signed 32-bit integers.
const MOST: u32 = i32::MAX.unsigned_abs();
/// The kubelet's default thresholds for image garbage collection.
const IMAGE_GC_THRESHOLDS: (u8, u8) = (80, 85);

/// Errors in the settings at this path. The kubelet would not start with any of them.
pub(crate) fn findings(kubelet: &KubeletSpec, path: &FieldPath) -> Vec<Finding> {
    let mut findings = numbers(kubelet, path);
    for (field, reserved) in [("system_reserved", &kubelet.system_reserved), ("kube_reserved", &kubelet.kube_reserved)]
    {
        let path = path.clone().field(field);
        findings.extend(quantities(reserved, &path, &RESERVABLE, "a resource that can be reserved", is_quantity));
    }
    let limit = |text: &str| is_quantity(text) || is_share(text);
    let signals = path.clone().field("eviction_hard");
    findings.extend(quantities(&kubelet.eviction_hard, &signals, &SIGNALS, "an eviction signal", limit));
    findings.extend(image_gc(kubelet, path));
    if let Some(size) = kubelet.container_log_max_size.as_ref().filter(|size| !is_quantity(size)) {
        findings.push(not_a_quantity(path.clone().field("container_log_max_size"), size, "`10Mi`"));
    }
    findings.extend(shutdown(kubelet, path));
    for (number, sysctl) in kubelet.allowed_unsafe_sysctls.iter().enumerate() {
        if !is_namespaced(sysctl) {
            findings.push(Finding::error(
                path.clone().field("allowed_unsafe_sysctls").index(number),
                format!("`{sysctl}` is not a kernel setting that is namespaced per pod"),
                "Pods can change `kernel.shm*`, `kernel.msg*`, `kernel.sem`, `fs.mqueue.*` and `net.*`.",
            ));
        }
    }
    findings
}

fn numbers(kubelet: &KubeletSpec, path: &FieldPath) -> Vec<Finding> {
    let fields = [
        ("max_pods", kubelet.max_pods, 1),
        ("pod_pids_limit", kubelet.pod_pids_limit, 1),
        ("max_parallel_image_pulls", kubelet.max_parallel_image_pulls, 1),
        ("container_log_max_files", kubelet.container_log_max_files, 2),
    ];
    let stated = fields.into_iter().filter_map(|(field, value, least)| Some((field, value?, least)));
    let out_of_range = stated.filter(|(_, value, least)| !(*least..=MOST).contains(value));
    out_of_range
        .map(|(field, value, least)| {
            let summary = format!("`{field}` cannot be {value}");
            Finding::error(path.clone().field(field), summary, format!("Write a number from {least} to {MOST}."))
        })
        .collect()
}

fn quantities(
    values: &BTreeMap<String, String>,
    path: &FieldPath,
    names: &[&str],
    kind: &str,
    is_right: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in values {
        let path = path.clone().key(name);
        if !names.contains(&name.as_str()) {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let summary = format!("`{name}` is not {kind}");
            findings.push(Finding::error(path, summary, format!("Use {}.", names.join(", "))));
        } else if !is_right(value) {
            findings.push(not_a_quantity(path, value, "`500Mi`, `200m` or `1.5`"));
        }
    }
    findings
}

fn not_a_quantity(path: FieldPath, value: &str, example: &str) -> Finding {
    Finding::error(
        path,
        format!("`{value}` is not a quantity"),
        format!("Write a quantity in Kubernetes' notation, such as {example}."),
    )
}

fn image_gc(kubelet: &KubeletSpec, path: &FieldPath) -> Option<Finding> {
    let (low, high) = (kubelet.image_gc_low_threshold_percent, kubelet.image_gc_high_threshold_percent);
    let field = if high.is_some() { "image_gc_high_threshold_percent" } else { "image_gc_low_threshold_percent" };
    let (low, high) = (low.unwrap_or(IMAGE_GC_THRESHOLDS.0), high.unwrap_or(IMAGE_GC_THRESHOLDS.1));
    if low < high && high <= 100 {
        return None;
    }
    let other = path.clone().field("image_gc_low_threshold_percent");
    let finding = Finding::error(
        path.clone().field(field),
        format!("image garbage collection cannot start at {high} % and stop at {low} %"),
        "The high threshold must be above the low one and at most 100. The kubelet's defaults are 85 and 80.",
    );
    Some(finding.derived_from(other))
}

fn shutdown(kubelet: &KubeletSpec, path: &FieldPath) -> Option<Finding> {
    let critical = kubelet.shutdown_grace_period_critical_pods?;
    if kubelet.shutdown_grace_period.is_some_and(|all| critical.0 <= all.0) {
        return None;
    }
    let all = path.clone().field("shutdown_grace_period");
    let finding = Finding::error(
        path.clone().field("shutdown_grace_period_critical_pods"),
        format!("critical pods cannot have {critical} of the shutdown grace period"),
        "It is part of `shutdown_grace_period`, so set that to the same or a longer time.",
    );
    Some(finding.derived_from(all))
}

/// Whether it is a name, or a prefix of names before a `*`, of kernel settings that are namespaced per pod.
fn is_namespaced(sysctl: &str) -> bool {
    let (name, is_pattern) = sysctl.strip_suffix('*').map_or((sysctl, false), |begin| (begin, true));
    let is_begun =
        |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    let is_whole =
        |text: &str| is_begun(text) && !text.is_empty() && !text.starts_with(['-', '_']) && !text.ends_with(['-', '_']);
    let mut segments: Vec<&str> = name.split('.').collect();
    let last = segments.pop().unwrap_or_default();
    let is_name = segments.into_iter().all(is_whole) && if is_pattern { is_begun(last) } else { is_whole(last) };
    let is_known = NAMESPACED.iter().any(|group| name.starts_with(group)) || NAMESPACED_ALONE.contains(&name);
    is_name && is_known && sysctl.len() <= 253
}

/// A quantity in Kubernetes' notation, without sign and exponent.
fn is_quantity(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[number.len()..];
    is_number(number) && ["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"].contains(&unit)
}

fn is_share(text: &str) -> bool {
    let number = text.strip_suffix('%').filter(|number| is_number(number));
    number.and_then(|number| number.parse::<f64>().ok()).is_some_and(|share| share <= 100.0)
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(kubelet: Value) -> Vec<String> {
        let kubelet = serde_json::from_value(kubelet).unwrap();
        let path = FieldPath::root("kubelet");
        findings(&kubelet, &path).into_iter().map(|it| format!("{}: {}", it.path, it.summary)).collect()
    }

    #[test]
    fn what_the_kubelet_accepts_has_no_findings() {
        let all = json!({
            "max_pods": 200, "pod_pids_limit": 4096,
            "system_reserved": { "cpu": "200m", "memory": "0.5Gi", "ephemeral-storage": "1Gi", "pid": "1000" },
            "kube_reserved": { "cpu": "1" },
            "eviction_hard": { "memory.available": "200Mi", "nodefs.inodesFree": "5%", "pid.available": "0.5%" },
            "image_gc_high_threshold_percent": 70, "image_gc_low_threshold_percent": 60,
            "max_parallel_image_pulls": 4, "container_log_max_size": "50Mi", "container_log_max_files": 2,
            "shutdown_grace_period": "1m", "shutdown_grace_period_critical_pods": "20s",
            "allowed_unsafe_sysctls": ["net.core.somaxconn", "kernel.msg*"],
        });
        assert_eq!(of(all), Vec::<String>::new());
        assert_eq!(of(json!({})), Vec::<String>::new());
    }

    #[test]
    fn what_it_refuses_is_named_with_its_path() {
        let cases = [
            (json!({ "max_pods": 0 }), "kubelet.max_pods: `max_pods` cannot be 0"),
            (
                json!({ "container_log_max_files": 1 }),
                "kubelet.container_log_max_files: `container_log_max_files` cannot be 1",
            ),
            (
                json!({ "system_reserved": { "disk": "1Gi" } }),
                r#"kubelet.system_reserved["disk"]: `disk` is not a resource that can be reserved"#,
            ),
            (
                json!({ "kube_reserved": { "memory": "500 MB" } }),
                r#"kubelet.kube_reserved["memory"]: `500 MB` is not a quantity"#,
            ),
            (
                json!({ "eviction_hard": { "memory.free": "5%" } }),
                r#"kubelet.eviction_hard["memory.free"]: `memory.free` is not an eviction signal"#,
            ),
            (
                json!({ "eviction_hard": { "memory.available": "101%" } }),
                r#"kubelet.eviction_hard["memory.available"]: `101%` is not a quantity"#,
            ),
            (
                json!({ "image_gc_high_threshold_percent": 80 }),
                "kubelet.image_gc_high_threshold_percent: image garbage collection cannot start at 80 % and stop at 80 %",
            ),
            (
                json!({ "image_gc_low_threshold_percent": 90 }),
                "kubelet.image_gc_low_threshold_percent: image garbage collection cannot start at 85 % and stop at 90 %",
            ),
            (json!({ "container_log_max_size": "ten" }), "kubelet.container_log_max_size: `ten` is not a quantity"),
            (
                json!({ "shutdown_grace_period_critical_pods": "10s" }),
                "kubelet.shutdown_grace_period_critical_pods: critical pods cannot have 10s of the shutdown grace period",
            ),
            (
                json!({ "allowed_unsafe_sysctls": ["vm.swappiness"] }),
                "kubelet.allowed_unsafe_sysctls[0]: `vm.swappiness` is not a kernel setting that is namespaced per pod",
            ),
        ];
        for (kubelet, expected) in cases {
            assert_eq!(of(kubelet), [expected]);
        }
    }
}
