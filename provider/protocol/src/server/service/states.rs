//! States that come from elsewhere: import, older schema versions, other resource types, and the way back to configuration.

use super::{Service, decode, decode_identity, deferral, encode, encode_identity};
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::find;
use crate::wire::diagnostics_to_wire;
use crate::{
    Diagnostic, Diagnostics, GenerateConfigRequest, ImportRequest, ImportTarget, MoveRequest, StoredValue, Type,
    UpgradeIdentityRequest, UpgradeStateRequest, Value,
};

impl Service {
    pub(super) async fn upgrade_state(
        &self,
        request: proto::UpgradeResourceStateRequest,
    ) -> Result<proto::UpgradeResourceStateResponse, Diagnostics> {
        let entry = find(&self.catalog.resources, &request.type_name)?;
        let json = stored_bytes("state", request.raw_state.as_ref())?;
        let version = request.version;
        refuse_newer("state", version, entry.schema.version)?;
        let state = if version == entry.schema.version {
            stored_value("state", json, &entry.ty)?
        } else {
            let request = UpgradeStateRequest { version, state: parse("state", json)? };
            let upgraded = entry.handler.upgrade_state(request).await?;
            stored_value("state", upgraded.to_string().as_bytes(), &entry.ty)?
        };
        Ok(proto::UpgradeResourceStateResponse {
            upgraded_state: Some(encode("upgraded state", &state, &entry.ty)?),
            diagnostics: Vec::new(),
        })
    }

    pub(super) async fn upgrade_identity(
        &self,
        request: proto::UpgradeResourceIdentityRequest,
    ) -> Result<proto::UpgradeResourceIdentityResponse, Diagnostics> {
        let entry = find(&self.catalog.resources, &request.type_name)?;
        let identity = find(&self.catalog.identities, &request.type_name)?;
        let json = stored_bytes("identity", request.raw_identity.as_ref())?;
        let version = request.version;
        refuse_newer("identity", version, identity.schema.version)?;
        let value = if version == identity.schema.version {
            stored_value("identity", json, &identity.ty)?
        } else {
            let request = UpgradeIdentityRequest { version, identity: parse("identity", json)? };
            let upgraded = entry.handler.upgrade_identity(request).await?;
            stored_value("identity", upgraded.to_string().as_bytes(), &identity.ty)?
        };
        Ok(proto::UpgradeResourceIdentityResponse {
            upgraded_identity: encode_identity(&value, Some(&identity.ty))?,
            diagnostics: Vec::new(),
        })
    }

    pub(super) async fn import_resource(
        &self,
        request: proto::ImportResourceStateRequest,
    ) -> Result<proto::ImportResourceStateResponse, Diagnostics> {
        let entry = find(&self.catalog.resources, &request.type_name)?;
        let identity_type = self.catalog.identity_type(&request.type_name);
        let identity = decode_identity(request.identity.as_ref(), identity_type)?;
        let context = self.calls.context(request.client_capabilities);
        let deferral_allowed = context.client_capabilities.deferral_allowed;
        let target = if identity.is_null() { ImportTarget::Id(request.id) } else { ImportTarget::Identity(identity) };
        let mut response = entry.handler.import(ImportRequest { target, context }).await;
        let mut imported_resources = Vec::new();
        for resource in response.resources {
            imported_resources.push(proto::ImportedResource {
                type_name: request.type_name.clone(),
                state: Some(encode("imported state", &resource.state, &entry.ty)?),
                private: resource.private,
                identity: encode_identity(&resource.identity, identity_type)?,
            });
        }
        Ok(proto::ImportResourceStateResponse {
            imported_resources,
            deferred: deferral(response.deferred, deferral_allowed, &mut response.diagnostics),
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    pub(super) async fn move_state(
        &self,
        request: proto::MoveResourceStateRequest,
    ) -> Result<proto::MoveResourceStateResponse, Diagnostics> {
        let entry = find(&self.catalog.resources, &request.target_type_name)?;
        let identity_type = self.catalog.identity_type(&request.target_type_name);
        let source_state = StoredValue {
            version: request.source_schema_version,
            value: parse("state to move", stored_bytes("state to move", request.source_state.as_ref())?)?,
        };
        let source_identity = match request.source_identity.as_ref().filter(|raw| !raw.json.is_empty()) {
            Some(raw) => Some(StoredValue {
                version: request.source_identity_schema_version,
                value: parse("identity to move", &raw.json)?,
            }),
            None => None,
        };
        let response = entry
            .handler
            .move_state(MoveRequest {
                source_provider: request.source_provider_address,
                source_type: request.source_type_name,
                source_state,
                source_private: request.source_private,
                source_identity,
            })
            .await;
        Ok(proto::MoveResourceStateResponse {
            target_state: Some(encode("moved state", &response.state, &entry.ty)?),
            target_private: response.private,
            target_identity: encode_identity(&response.identity, identity_type)?,
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    pub(super) async fn generate_config(
        &self,
        request: proto::GenerateResourceConfigRequest,
    ) -> Result<proto::GenerateResourceConfigResponse, Diagnostics> {
        let entry = find(&self.catalog.resources, &request.type_name)?;
        let state = decode("state", request.state.as_ref(), &entry.ty)?;
        let config = entry.handler.generate_config(GenerateConfigRequest { state }).await?;
        Ok(proto::GenerateResourceConfigResponse {
            config: Some(encode("generated configuration", &config, &entry.ty)?),
            diagnostics: Vec::new(),
        })
    }
}

fn stored_bytes<'a>(what: &str, raw: Option<&'a proto::RawState>) -> Result<&'a [u8], Diagnostics> {
    let json = raw.map(|raw| raw.json.as_slice()).unwrap_or_default();
    if json.is_empty() {
        let detail = "It is in the format of Terraform 0.11 or older, which this provider never wrote.";
        return Err(Diagnostic::error(format!("cannot read the stored {what}"), detail).into());
    }
    Ok(json)
}

fn refuse_newer(what: &str, stored: i64, current: i64) -> Result<(), Diagnostics> {
    if stored <= current {
        return Ok(());
    }
    let detail = format!(
        "It has schema version {stored}, this version of the provider knows {current} and older. Use a newer provider."
    );
    Err(Diagnostic::error(format!("the stored {what} was written by a newer version of the provider"), detail).into())
}

fn parse(what: &str, json: &[u8]) -> Result<serde_json::Value, Diagnostics> {
    serde_json::from_slice(json)
        .map_err(|error| Diagnostic::error(format!("cannot read the stored {what}"), error.to_string()).into())
}

fn stored_value(what: &str, json: &[u8], ty: &Type) -> Result<Value, Diagnostics> {
    Value::from_json_slice(json, ty).map_err(|error| {
        let detail = format!("{error}: {}", error.reason);
        Diagnostic::error(format!("the stored {what} does not match the schema"), detail).into()
    })
}
