//! The shape of what users write and read, derived from the types of `kubeone-spec`: one JSON Schema each for the
//! cluster and the provider block, and the Terraform schema made of it.

mod immutable;
mod stand_in;

use std::sync::LazyLock;

use kubeone_spec::{
    ClusterHealth, ClusterSpec, ClusterStatus, ClusterStatusSpec, FieldPath, Kubeconfig, KubeconfigSpec, ProviderSpec,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value as Json};
use tfplugin::Schema;

/// Everything that is known about one kind of block from its Rust types.
pub(crate) struct Model {
    json: Json,
    schema: Schema,
}

/// `resource "kubeone_cluster"`: settings of [`ClusterSpec`], computed attributes of [`ClusterStatus`].
pub(crate) static CLUSTER: LazyLock<Model> = LazyLock::new(|| {
    let mut json = json_schema::<ClusterSpec>();
    add_computed(&mut json, json_schema::<ClusterStatus>());
    Model::new(json)
});

/// `ephemeral "kubeone_kubeconfig"`: settings of [`KubeconfigSpec`], computed attributes of [`Kubeconfig`].
pub(crate) static KUBECONFIG: LazyLock<Model> = LazyLock::new(|| {
    let mut json = json_schema::<KubeconfigSpec>();
    add_computed(&mut json, json_schema::<Kubeconfig>());
    Model::new(json)
});

/// `data "kubeone_cluster_status"`: settings of [`ClusterStatusSpec`], computed attributes of [`ClusterHealth`].
pub(crate) static CLUSTER_STATUS: LazyLock<Model> = LazyLock::new(|| {
    let mut json = json_schema::<ClusterStatusSpec>();
    add_computed(&mut json, json_schema::<ClusterHealth>());
    Model::new(json)
});

/// `provider "kubeone"`.
pub(crate) static PROVIDER: LazyLock<Model> = LazyLock::new(|| Model::new(json_schema::<ProviderSpec>()));

impl Model {
    #[expect(
        clippy::expect_used,
        reason = "the input is fixed when the provider is built, and a test builds the schema"
    )]
    fn new(json: Json) -> Self {
        let schema = Schema::from_json_schema(&json).expect("settings have a Terraform schema");
        Self { json, schema }
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether users write this attribute, as opposed to one that is only computed.
    pub(crate) fn is_setting(&self, attribute: &str) -> bool {
        self.json["properties"].get(attribute).is_some_and(|property| property["x-computed"] != true)
    }

    /// A value that decodes, for a part whose value is not known yet.
    pub(crate) fn stand_in(&self, path: &FieldPath) -> Json {
        stand_in::stand_in(&self.json, path)
    }

    /// The settings that differ although they cannot change.
    pub(crate) fn immutable_changes(&self, prior: &Json, wanted: &Json) -> Vec<FieldPath> {
        immutable::changes(&self.json, prior, wanted)
    }

    /// The attribute path for keys as serde reports them.
    pub(crate) fn locate(&self, keys: &[String]) -> tfplugin::AttributePath {
        self.schema.locate(keys)
    }
}

fn json_schema<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Puts the properties of a status beside those of the settings.
fn add_computed(settings: &mut Json, mut status: Json) {
    mark_computed(&mut status);
    let (Some(properties), Some(computed)) = (settings["properties"].as_object_mut(), status["properties"].as_object())
    else {
        return;
    };
    properties.extend(computed.clone());
}

/// Marks each property, however deep: inside a computed attribute there is nothing to write either.
fn mark_computed(schema: &mut Json) {
    for property in schema["properties"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        property["x-computed"] = true.into();
        mark_computed(property);
    }
    if schema["additionalProperties"].is_object() {
        mark_computed(&mut schema["additionalProperties"]);
    }
}

/// The schema of one element: a property of an object or a value of a map.
fn element<'a>(schema: &'a Json, name: &str) -> Option<&'a Json> {
    properties(schema).and_then(|properties| properties.get(name)).or_else(|| map_values(schema))
}

fn properties(schema: &Json) -> Option<&Map<String, Json>> {
    schema["properties"].as_object()
}

fn map_values(schema: &Json) -> Option<&Json> {
    Some(&schema["additionalProperties"]).filter(|values| values.is_object())
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use tfplugin::Attribute;
    use tfplugin::schema::{AttributeKind, Origin};

    use super::*;

    #[test]
    fn schemas_are_what_users_rely_on() {
        expect_file!["model/cluster.txt"].assert_eq(&outline(&CLUSTER.schema().block.attributes, ""));
        expect_file!["model/kubeconfig.txt"].assert_eq(&outline(&KUBECONFIG.schema().block.attributes, ""));
        expect_file!["model/cluster_status.txt"].assert_eq(&outline(&CLUSTER_STATUS.schema().block.attributes, ""));
        expect_file!["model/provider.txt"].assert_eq(&outline(&PROVIDER.schema().block.attributes, ""));
    }

    #[test]
    fn every_attribute_is_described() {
        fn undescribed(attributes: &[Attribute]) -> Vec<&str> {
            let nested = attributes.iter().flat_map(|attribute| match &attribute.kind {
                AttributeKind::Nested { attributes, .. } => undescribed(attributes),
                AttributeKind::Plain(_) => Vec::new(),
            });
            let own = attributes.iter().filter(|attribute| attribute.description.is_empty());
            own.map(|attribute| attribute.name.as_str()).chain(nested).collect()
        }
        assert_eq!(undescribed(&CLUSTER.schema().block.attributes), [""; 0]);
        assert_eq!(undescribed(&KUBECONFIG.schema().block.attributes), [""; 0]);
        assert_eq!(undescribed(&CLUSTER_STATUS.schema().block.attributes), [""; 0]);
        assert_eq!(undescribed(&PROVIDER.schema().block.attributes), [""; 0]);
    }

    fn outline(attributes: &[Attribute], indent: &str) -> String {
        attributes.iter().map(|attribute| outline_of_one(attribute, indent)).collect()
    }

    fn outline_of_one(attribute: &Attribute, indent: &str) -> String {
        let origin = match attribute.origin {
            Origin::Required => "required",
            Origin::Optional => "optional",
            Origin::Computed => "computed",
            Origin::OptionalComputed => "optional, computed",
        };
        let sensitive = if attribute.sensitive { ", sensitive" } else { "" };
        match &attribute.kind {
            AttributeKind::Plain(ty) => format!("{indent}{} = {ty} ({origin}{sensitive})\n", attribute.name),
            AttributeKind::Nested { nesting, attributes } => {
                let inner = outline(attributes, &format!("{indent}  "));
                let nesting = format!("{nesting:?}").to_lowercase();
                format!("{indent}{} = {nesting} ({origin}{sensitive})\n{inner}", attribute.name)
            }
        }
    }
}
