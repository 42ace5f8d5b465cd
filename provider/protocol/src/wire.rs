//! Between our types and the messages of the protocol.

use crate::proto::tfplugin6 as proto;
use crate::visible::for_message;
use crate::{
    AttributePath, ClientCapabilities, CodecError, Deferred, Diagnostic, Diagnostics, FunctionError, Severity, Step,
    Type, Value,
};

impl From<AttributePath> for proto::AttributePath {
    fn from(path: AttributePath) -> Self {
        use proto::attribute_path::step::Selector;
        let steps = path.steps().iter().map(|step| match step {
            Step::Attribute(name) => Selector::AttributeName(for_message(name.clone())),
            Step::Key(key) => Selector::ElementKeyString(for_message(key.clone())),
            Step::Index(index) => Selector::ElementKeyInt(*index),
        });
        Self { steps: steps.map(|selector| proto::attribute_path::Step { selector: Some(selector) }).collect() }
    }
}

/// The way of every message to Terraform, which prints it as it is.
impl From<Diagnostic> for proto::Diagnostic {
    fn from(diagnostic: Diagnostic) -> Self {
        use proto::diagnostic::Severity as Wire;
        let severity = match diagnostic.severity {
            Severity::Error => Wire::Error,
            Severity::Warning => Wire::Warning,
        };
        Self {
            severity: severity.into(),
            summary: for_message(diagnostic.summary),
            detail: for_message(diagnostic.detail),
            attribute: diagnostic.path.map(Into::into),
        }
    }
}

/// The error of a function has a form of its own.
impl From<FunctionError> for proto::FunctionError {
    fn from(error: FunctionError) -> Self {
        Self {
            text: for_message(error.text),
            function_argument: error.argument.and_then(|position| i64::try_from(position).ok()),
        }
    }
}

/// And so has what an action says while it runs.
pub(crate) fn progress_to_wire(message: String) -> proto::invoke_action_event::Progress {
    proto::invoke_action_event::Progress { message: for_message(message) }
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

#[cfg(test)]
mod tests {
    use super::*;

    const RED: &str = "\u{1b}[31mred\u{9b}0m\u{202e}";
    const SHOWN: &str = r"\u{1b}[31mred\u{9b}0m\u{202e}";

    /// Whatever a message is made of, a host may have had a hand in it.
    #[test]
    fn no_message_can_move_the_cursor() {
        let path = AttributePath::new(RED).key(RED).index(1);
        let wire: proto::Diagnostic = Diagnostic::error(RED, format!("{RED}\nline")).at(path).into();
        assert_eq!((wire.summary.as_str(), wire.detail), (SHOWN, format!("{SHOWN}\nline")));
        let clean = AttributePath::new(SHOWN).key(SHOWN).index(1);
        assert_eq!(wire.attribute, Some(clean.into()));
        let wire: proto::FunctionError = FunctionError::new(RED).into();
        assert_eq!(wire.text, SHOWN);
        assert_eq!(progress_to_wire(RED.to_owned()).message, SHOWN);
    }
}
