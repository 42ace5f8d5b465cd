//! Runtimes beside runc.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate::is_dns_label_or_number;
use crate::{FieldPath, Finding};

/// The built-in runtime.
pub(super) const RUNC: &str = "runc";

/// A runtime that containerd can run containers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// containerd's name of the runtime, such as `io.containerd.runsc.v1` (gVisor), `io.containerd.kata.v2` (Kata
    /// Containers) or `io.containerd.runc.v2` (with `BinaryName` among the `options`, such as crun).
    #[serde(rename = "type")]
    pub runtime_type: String,
    /// Absolute path of the runtime's shim on the hosts. When unset, containerd looks for
    /// `containerd-shim-NAME-VERSION` in its `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_path: Option<String>,
    /// Options of the runtime, such as `{ ConfigPath = "/etc/kata/config.toml" }`. `true`, `false` and whole numbers
    /// are written to containerd's configuration as such, everything else as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Do not pass all devices of the host to privileged containers. Runtimes that use virtual machines need `true`.
    #[serde(default)]
    pub privileged_without_host_devices: bool,
}

pub(super) fn findings(runtimes: &BTreeMap<String, Runtime>, path: &FieldPath) -> Vec<Finding> {
    runtimes.iter().flat_map(|(name, runtime)| of_one(name, runtime, &path.clone().key(name))).collect()
}

fn of_one(name: &str, runtime: &Runtime, path: &FieldPath) -> Vec<Finding> {
    let mut findings = Vec::new();
    if name == RUNC {
        let finding = Finding::error(
            path.clone(),
            "the runtime `runc` is built in",
            "Choose another name. `containerd.overlay` can change the settings of runc.",
        );
        findings.push(finding.of_keys());
    } else if !is_dns_label_or_number(name) {
        let finding = Finding::error(
            path.clone(),
            format!("`{name}` is not a runtime name"),
            "Use at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit: a RuntimeClass \
             takes no other `handler`.",
        );
        findings.push(finding.of_keys());
    }
    if !is_runtime_type(&runtime.runtime_type) {
        findings.push(Finding::error(
            path.clone().field("type"),
            format!("`{}` is not a runtime type", runtime.runtime_type),
            "Write containerd's name, such as `io.containerd.runsc.v1`.",
        ));
    }
    if let Some(binary) = runtime.binary_path.as_ref().filter(|binary| !is_program(binary)) {
        findings.push(Finding::error(
            path.clone().field("binary_path"),
            format!("`{binary}` is not the absolute path of a program"),
            "Write a path such as `/usr/local/bin/containerd-shim-runsc-v1`.",
        ));
    }
    if runtime.options.contains_key("") {
        findings.push(Finding::error(
            path.clone().field("options").key(""),
            "an option has no name",
            "Write the name of the option, such as `ConfigPath`.",
        ));
    }
    findings
}

/// containerd takes the last two parts for the shim's name and version: `containerd-shim-runsc-v1`.
fn is_runtime_type(text: &str) -> bool {
    let Some((rest, version)) = text.rsplit_once(".v") else { return false };
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    is_number && rest.contains('.') && rest.split('.').all(is_dns_label_or_number)
}

fn is_program(path: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}
