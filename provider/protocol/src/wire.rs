//! Between our types and the messages of the protocol.

use crate::proto::tfplugin6 as proto;
use crate::{
    AttributePath, ClientCapabilities, CodecError, Deferred, Diagnostic, Diagnostics, Severity, Step, Type, Value,
};

impl From<AttributePath> for proto::AttributePath {
    fn from(path: AttributePath) -> Self {
        use proto::attribute_path::step::Selector;
        let steps = path.steps().iter().map(|step| match step {
            Step::Attribute(name) => Selector::AttributeName(name.clone()),
            Step::Key(key) => Selector::ElementKeyString(key.clone()),
            Step::Index(index) => Selector::ElementKeyInt(*index),
        });
        Self { steps: steps.map(|selector| proto::attribute_path::Step { selector: Some(selector) }).collect() }
    }
}

impl From<Diagnostic> for proto::Diagnostic {
    fn from(diagnostic: Diagnostic) -> Self {
        use proto::diagnostic::Severity as Wire;
        let severity = match diagnostic.severity {
            Severity::Error => Wire::Error,
            Severity::Warning => Wire::Warning,
        };
        Self {
            severity: severity.into(),
            summary: diagnostic.summary,
            detail: diagnostic.detail,
            attribute: diagnostic.path.map(Into::into),
        }
    }
}

pub(crate) fn diagnostics_to_wire(diagnostics: Diagnostics) -> Vec<proto::Diagnostic> {
    diagnostics.into_iter().map(Into::into).collect()
}

impl From<Deferred> for proto::Deferred {
    fn from(deferred: Deferred) -> Self {
        use proto::deferred::Reason;
        let reason = match deferred {
            Deferred::Unknown => Reason::Unknown,
            Deferred::ResourceConfigUnknown => Reason::ResourceConfigUnknown,
            Deferred::ProviderConfigUnknown => Reason::ProviderConfigUnknown,
            Deferred::AbsentPrerequisite => Reason::AbsentPrereq,
        };
        Self { reason: reason.into() }
    }
}

impl From<proto::ClientCapabilities> for ClientCapabilities {
    fn from(wire: proto::ClientCapabilities) -> Self {
        Self {
            deferral_allowed: wire.deferral_allowed,
            write_only_attributes_allowed: wire.write_only_attributes_allowed,
            store_planned_private: wire.store_planned_private,
            computed_blocks_allowed: wire.computed_blocks_allowed,
        }
    }
}

impl proto::DynamicValue {
    pub(crate) fn encode(value: &Value, ty: &Type) -> Result<Self, CodecError> {
        Ok(Self { msgpack: value.to_msgpack(ty)?, json: Vec::new() })
    }

    pub(crate) fn decode(&self, ty: &Type) -> Result<Value, CodecError> {
        match (self.msgpack.as_slice(), self.json.as_slice()) {
            ([], []) => Ok(Value::Null),
            ([], json) => Value::from_json_slice(json, ty),
            (msgpack, _) => Value::from_msgpack(msgpack, ty),
        }
    }
}
