//! Which crate may know which: spec ← facts ← desired ← plan ← engine ← terraform → protocol, and what crates that only decide may use.

use std::path::Path;

use crate::{read, report, rust_files};

/// Each crate's folder and the workspace crates it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("provider/protocol", &[]),
    ("provider/spec", &[]),
    ("cloud-adapters", &["kubeone-spec"]),
    ("provider/facts", &["kubeone-spec"]),
    ("provider/desired", &["kubeone-spec", "kubeone-facts"]),
    ("provider/plan", &["kubeone-spec", "kubeone-facts", "kubeone-desired"]),
    ("provider/hosts", &["kubeone-spec"]),
    ("provider/kubernetes", &["kubeone-spec", "kubeone-desired"]),
    (
        "provider/engine",
        &[
            "kubeone-spec",
            "kubeone-facts",
            "kubeone-desired",
            "kubeone-plan",
            "cloud-adapters",
            "kubeone-hosts",
            "kubeone-kubernetes",
        ],
    ),
    (
        "provider/terraform",
        &[
            "tfplugin",
            "kubeone-spec",
            "kubeone-facts",
            "kubeone-plan",
            "cloud-adapters",
            "kubeone-hosts",
            "kubeone-engine",
        ],
    ),
    ("acceptance-tests", &[]),
    ("test-programs", &[]),
    ("xtask", &["acceptance-tests", "test-programs"]),
];

const OURS: &[&str] = &[
    "tfplugin",
    "kubeone-spec",
    "kubeone-facts",
    "kubeone-desired",
    "kubeone-plan",
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

/// Crates that decide and never act.
const PURE: [&str; 4] = ["provider/spec", "provider/facts", "provider/desired", "provider/plan"];

/// What they may use. None of it opens a socket or a file, starts a program, or reads the environment.
const OF_PURE: &[&str] = &[
    "base64",
    "bech32",
    "hex",
    "ipnet",
    "jiff",
    "minijinja",
    "schemars",
    "serde",
    "serde_json",
    "serde-saphyr",
    "sha2",
    "thiserror",
    "toml",
    "x509-parser",
    "zeroize",
];

#[test]
fn crates_that_decide_cannot_act() {
    let mut violations = Vec::new();
    for folder in PURE {
        let manifest = manifest(&format!("{folder}/Cargo.toml"));
        let used = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        let foreign = used.filter(|name| !OURS.contains(&name.as_str()) && !OF_PURE.contains(&name.as_str()));
        violations.extend(foreign.map(|name| format!("{folder} depends on {name}")));
    }
    report("a crate that decides may use plain data only; see OF_PURE", &violations);
}

/// The standard library can act, and so can jiff's clock.
#[test]
fn code_that_decides_reads_no_clock_file_or_environment() {
    let banned = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::process",
        "std::env",
        "SystemTime",
        "Instant::",
        "Timestamp::now",
        "Zoned::now",
    ];
    let mut violations = Vec::new();
    let mut seen = 0;
    for file in rust_files() {
        let inside = PURE.iter().any(|folder| file.starts_with(Path::new(folder).join("src")));
        // Tests read their cases from files.
        if !inside || file.ends_with("world/cases.rs") {
            continue;
        }
        seen += 1;
        for (number, line) in read(&file).lines().enumerate() {
            if banned.iter().any(|word| line.contains(word)) {
                violations.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(seen > 60, "the crates that decide were not found where they are expected");
    report("what decides gets time, files and environment as data", &violations);
}
