//! The calls of the protocol, one file per kind.

mod actions;
mod answer;
mod data_sources;
mod ephemeral;
mod functions;
mod list;
mod provider;
mod resources;
mod routes;
mod schemas;
mod states;

use std::sync::Arc;

use super::calls::Calls;
use super::catalog::Catalog;
use crate::proto::tfplugin6 as proto;
use crate::{Deferred, Diagnostic, Diagnostics, Type, Value};

/// What every call needs.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) catalog: Arc<Catalog>,
    pub(super) calls: Arc<Calls>,
}

/// What Terraform sent. Absent means null.
fn decode(what: &str, wire: Option<&proto::DynamicValue>, ty: &Type) -> Result<Value, Diagnostics> {
    let Some(wire) = wire else { return Ok(Value::Null) };
    wire.decode(ty).map_err(|error| {
        let reason = &error.reason;
        let mut diagnostic = Diagnostic::bug(format!("cannot read the {what}"), format!("{error}: {reason}"));
        diagnostic.path = Some(error.path).filter(|path| !path.is_root());
        diagnostic.into()
    })
}

/// What a handler answered, on its way to Terraform.
fn encode(what: &str, value: &Value, ty: &Type) -> Result<proto::DynamicValue, Diagnostics> {
    proto::DynamicValue::encode(value, ty).map_err(|error| {
        let reason = &error.reason;
        Diagnostic::bug(format!("the {what} does not match the schema"), format!("{error}: {reason}")).into()
    })
}

fn decode_identity(wire: Option<&proto::ResourceIdentityData>, ty: Option<&Type>) -> Result<Value, Diagnostics> {
    let Some((wire, ty)) = wire.zip(ty) else { return Ok(Value::Null) };
    decode("identity", wire.identity_data.as_ref(), ty)
}

/// No identity schema or no identity: nothing is sent.
fn encode_identity(identity: &Value, ty: Option<&Type>) -> Result<Option<proto::ResourceIdentityData>, Diagnostics> {
    match ty.filter(|_| !identity.is_null()) {
        Some(ty) => Ok(Some(proto::ResourceIdentityData { identity_data: Some(encode("identity", identity, ty)?) })),
        None => Ok(None),
    }
}

/// Refuses a deferral that the client would not understand.
fn deferral(deferred: Option<Deferred>, allowed: bool, diagnostics: &mut Diagnostics) -> Option<proto::Deferred> {
    let deferred = deferred?;
    if !allowed {
        diagnostics.error(
            "values are missing that are only known after apply",
            "This Terraform cannot put off a part of the plan. Apply what this depends on first, for example with `-target`.",
        );
        return None;
    }
    Some(deferred.into())
}
