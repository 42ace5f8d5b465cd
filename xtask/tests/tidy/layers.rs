//! Which crate may know which: spec ← {cloud-adapters, hosts, kubernetes} ← engine ← terraform → protocol.

use std::path::Path;

use crate::{read, report, rust_files};

/// Each crate's folder and the workspace crates it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("provider/protocol", &[]),
    ("provider/spec", &[]),
    ("cloud-adapters", &["kubeone-spec"]),
    ("provider/hosts", &["kubeone-spec"]),
    ("provider/kubernetes", &["kubeone-spec"]),
    ("provider/engine", &["kubeone-spec", "cloud-adapters", "kubeone-hosts", "kubeone-kubernetes"]),
    ("provider/terraform", &["tfplugin", "kubeone-spec", "cloud-adapters", "kubeone-hosts", "kubeone-engine"]),
    ("acceptance-tests", &[]),
    ("test-programs", &[]),
    ("xtask", &["acceptance-tests", "test-programs"]),
];

const OURS: &[&str] = &[
    "tfplugin",
    "kubeone-spec",
    "kubeone-hosts",
    "kubeone-kubernetes",
    "kubeone-engine",
    "cloud-adapters",
    "acceptance-tests",
    "test-programs",
    "terraform-provider-kubeone",
    "xtask",
];

fn manifest(path: &str) -> toml::Table {
    read(Path::new(path)).parse().expect("a manifest is TOML")
}

/// Only what tests may use whatever their crate is: it knows nothing of ours.
const OF_TESTS: &str = "test-programs";

fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let names =
        |table: &str| manifest.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    let of_tests = names("dev-dependencies").filter(|name| *name != OF_TESTS);
    ["dependencies", "build-dependencies"].into_iter().flat_map(names).chain(of_tests).cloned().collect()
}

#[test]
fn crates_depend_only_downwards() {
    let mut violations = Vec::new();
    for (folder, allowed) in LAYERS {
        let manifest = manifest(&format!("{folder}/Cargo.toml"));
        // A crate's tests may ask for its own optional features.
        let own = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
        for name in dependencies(&manifest) {
            if OURS.contains(&name.as_str()) && !allowed.contains(&name.as_str()) && name != own {
                violations.push(format!("{folder} depends on {name}"));
            }
        }
    }
    report("a crate may only depend on the layers below it (see ARCHITECTURE.md)", &violations);
}

#[test]
fn every_crate_has_a_layer() {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("members are a list");
    let members: Vec<_> = members.iter().filter_map(toml::Value::as_str).collect();
    let layers: Vec<_> = LAYERS.iter().map(|(folder, _)| *folder).collect();
    let missing: Vec<_> = members.iter().filter(|member| !layers.contains(member)).map(ToString::to_string).collect();
    report("add the crate to LAYERS", &missing);
    assert_eq!(members.len(), layers.len(), "LAYERS names a crate that is no member");
}

#[test]
fn spec_does_no_io() {
    let manifest = dependencies(&manifest("provider/spec/Cargo.toml"));
    let banned = ["tokio", "russh", "kube", "reqwest", "tfplugin"];
    let found: Vec<_> = manifest.into_iter().filter(|name| banned.contains(&name.as_str())).collect();
    report("provider/spec is plain data", &found);
}

/// Deciding and acting are kept apart: what decides cannot even name what acts.
#[test]
fn plan_and_check_do_not_act() {
    let banned = ["kubeone_hosts", "kubeone_kubernetes", "tokio", "crate::steps", "crate::execute", "crate::observe::"];
    let mut violations = Vec::new();
    let mut seen = 0;
    for file in rust_files() {
        let Ok(inside) = file.strip_prefix("provider/engine/src") else { continue };
        if !inside.starts_with("plan")
            && !inside.starts_with("check")
            && inside != Path::new("plan.rs")
            && inside != Path::new("check.rs")
        {
            continue;
        }
        seen += 1;
        for (number, line) in read(&file).lines().enumerate() {
            if banned.iter().any(|word| line.contains(word)) {
                violations.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(seen >= 3, "plan and check were not found where they are expected");
    report("plan and check are pure: no hosts, no kubernetes, no tokio, no steps", &violations);
}
