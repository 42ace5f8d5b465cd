//! Paths to fields, in the words of the settings and in those of the protocol.

use kubeone_spec::{FieldPath, Step};
use tfplugin::AttributePath;

pub(crate) fn to_attribute_path(path: &FieldPath) -> AttributePath {
    path.0
        .iter()
        .map(|step| match step {
            Step::Field(name) => tfplugin::Step::Attribute(name.clone()),
            Step::Key(key) => tfplugin::Step::Key(key.clone()),
            Step::Index(index) => tfplugin::Step::Index(i64::try_from(*index).unwrap_or(i64::MAX)),
        })
        .collect()
}

pub(crate) fn to_field_path(path: &AttributePath) -> FieldPath {
    let steps = path.steps().iter().map(|step| match step {
        tfplugin::Step::Attribute(name) => Step::Field(name.clone()),
        tfplugin::Step::Key(key) => Step::Key(key.clone()),
        tfplugin::Step::Index(index) => Step::Index(usize::try_from(*index).unwrap_or(usize::MAX)),
    });
    FieldPath(steps.collect())
}
