//! Rust structs become Terraform schemas.
#![expect(dead_code, reason = "the structs are only described")]

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tfplugin::schema::{AttributeKind, Nesting};
use tfplugin::{Attribute, Schema};

/// A cluster.
#[derive(Deserialize, JsonSchema)]
struct Cluster {
    /// Its name.
    name: String,
    /// Which cloud.
    cloud: Option<Cloud>,
    /// Hosts by name.
    hosts: BTreeMap<String, Host>,
    #[serde(default)]
    taints: Vec<Taint>,
    #[serde(default)]
    zones: BTreeSet<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Network.
    #[serde(default)]
    network: Network,
    #[schemars(extend("x-computed" = true))]
    uid: Option<String>,
    #[schemars(extend("x-optional-computed" = true))]
    host_key: Option<String>,
    #[schemars(extend("x-sensitive" = true, "x-write-only" = true))]
    token: Option<String>,
    #[deprecated]
    old: Option<bool>,
    matrix: Option<Vec<Vec<f64>>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Cloud {
    /// The one.
    Aws,
    Hetzner,
}

/// A machine.
#[derive(Deserialize, JsonSchema)]
struct Host {
    address: String,
    #[serde(default = "default_port")]
    port: u16,
    bastion: Option<Box<Bastion>>,
}

fn default_port() -> u16 {
    22
}

#[derive(Deserialize, JsonSchema)]
struct Bastion {
    host: String,
}

#[derive(Deserialize, JsonSchema)]
struct Taint {
    key: String,
}

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct Network {
    /// Range of pods.
    #[schemars(default = "default_subnet")]
    pod_subnet: String,
    mtu: Option<i32>,
}

fn default_subnet() -> String {
    "10.244.0.0/16".into()
}

fn print(attributes: &[Attribute], depth: usize, text: &mut String) {
    for attribute in attributes {
        let indent = "  ".repeat(depth);
        let mut marks = String::new();
        for (set, mark) in [
            (attribute.sensitive, " sensitive"),
            (attribute.write_only, " write-only"),
            (attribute.deprecated.is_some(), " deprecated"),
        ] {
            marks.push_str(if set { mark } else { "" });
        }
        let Attribute { name, origin, description, .. } = attribute;
        let kind = match &attribute.kind {
            AttributeKind::Plain(ty) => ty.to_string(),
            AttributeKind::Nested { nesting, .. } => format!("{nesting:?} of"),
        };
        let line = format!("{indent}{name}: {kind} ({origin:?}{marks}) {description}");
        text.push_str(line.trim_end());
        text.push('\n');
        if let AttributeKind::Nested { attributes, .. } = &attribute.kind {
            print(attributes, depth + 1, text);
        }
    }
}

#[test]
fn a_struct_becomes_nested_attributes() {
    let schema = Schema::from_json_schema(schema_for!(Cluster).as_value()).unwrap();
    let mut text = String::new();
    print(&schema.block.attributes, 0, &mut text);
    expect_test::expect![[r"
        name: string (Required) Its name.
        cloud: string (Optional) Which cloud.
        hosts: Map of (Required) Hosts by name.
          address: string (Required)
          port: number (Optional) Default: `22`.
          bastion: Single of (Optional)
            host: string (Required)
        taints: List of (Optional)
          key: string (Required)
        zones: set(string) (Optional)
        labels: map(string) (Optional)
        network: Single of (Optional) Network.
          pod_subnet: string (Optional) Range of pods. Default: `10.244.0.0/16`.
          mtu: number (Optional)
        uid: string (Computed)
        host_key: string (OptionalComputed)
        token: string (Optional sensitive write-only)
        old: bool (Optional deprecated)
        matrix: list(list(number)) (Optional)
    "]]
    .assert_eq(&text);
    assert_eq!(schema.block.description, "A cluster.");
}

#[test]
fn paths_follow_the_types() {
    let schema = Schema::from_json_schema(schema_for!(Cluster).as_value()).unwrap();
    let path = |keys: &[&str]| schema.locate(keys).to_string();
    assert_eq!(path(&["hosts", "cp-1", "address"]), r#"hosts["cp-1"].address"#);
    assert_eq!(path(&["taints", "0", "key"]), "taints[0].key");
    assert_eq!(path(&["network", "mtu"]), "network.mtu");
    assert_eq!(path(&["zones", "0"]), "zones", "elements of sets have no address");
    assert_eq!(path(&["hosts", "cp-1", "nothing"]), r#"hosts["cp-1"]"#);
}

#[test]
fn what_has_no_counterpart_is_refused_with_its_place() {
    let refused = |properties: serde_json::Value| {
        let schema = json!({ "type": "object", "properties": properties });
        Schema::from_json_schema(&schema).unwrap_err().to_string()
    };
    let errors = [
        refused(json!({ "camelCase": { "type": "string" } })),
        refused(json!({ "a": {} })),
        refused(json!({ "a": { "type": "array" } })),
        refused(json!({ "a": { "anyOf": [{ "type": "string" }, { "type": "integer" }] } })),
        refused(json!({ "a": { "type": "object", "properties": { "b": { "$ref": "#/nowhere" } } } })),
        refused(json!({ "a": { "type": "object", "additionalProperties": true } })),
        Schema::from_json_schema(&json!({ "type": "string" })).unwrap_err().to_string(),
        Schema::from_json_schema(&json!({
            "type": "object",
            "properties": { "child": { "$ref": "#/$defs/node" } },
            "$defs": { "node": { "type": "object", "properties": { "child": { "$ref": "#/$defs/node" } } } },
        }))
        .unwrap_err()
        .to_string(),
    ];
    expect_test::expect![[r"
        cannot turn `camelCase` into a Terraform attribute: attribute names consist of lower-case letters, digits and underscores
        cannot turn `a` into a Terraform attribute: it has no type
        cannot turn `a` into a Terraform attribute: the array does not say what it contains
        cannot turn `a` into a Terraform attribute: it is a choice between several types; use an object with one optional property for each
        cannot turn `a.b` into a Terraform attribute: `#/nowhere` does not exist
        cannot turn `a` into a Terraform attribute: its keys have values of any type
        cannot turn `the root` into a Terraform attribute: the root is not an object with properties
        cannot turn `child.child` into a Terraform attribute: it contains itself, and Terraform types cannot be recursive"]].assert_eq(&errors.join("\n"));
}

#[test]
fn builders_and_json_schema_agree() {
    let by_hand = Schema::new([Attribute::nested("taints", Nesting::List, [Attribute::string("key").required()])]);
    let schema = Schema::from_json_schema(schema_for!(Cluster).as_value()).unwrap();
    let taints = schema.block.attributes.iter().find(|attribute| attribute.name == "taints").unwrap();
    assert_eq!(by_hand.block.attributes[0].ty(), taints.ty());
}
