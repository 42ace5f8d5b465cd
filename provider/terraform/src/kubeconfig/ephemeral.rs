//! `ephemeral "kubeone_kubeconfig"`: opened whenever Terraform needs it, never stored.

use async_trait::async_trait;
use kubeone_spec::{Kubeconfig, KubeconfigSpec, validate_kubeconfig};
use tfplugin::{
    Deferred, Diagnostic, Diagnostics, EphemeralResource, OpenRequest, OpenResponse, Schema, ValidateEphemeralRequest,
    Value,
};

use super::mint::{Minted, mint};
use crate::connection::Connection;
use crate::decode::decode;
use crate::diagnostics::{chain, from_findings};
use crate::model::KUBECONFIG;

pub(crate) struct EphemeralKubeconfig {
    connection: Connection,
}

impl EphemeralKubeconfig {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

/// Neither `renew` nor `close` has anything to do: what was handed out cannot be prolonged, because Terraform has given it
/// to others, and a client certificate cannot be revoked. It ends by itself.
#[async_trait]
impl EphemeralResource for EphemeralKubeconfig {
    fn type_name(&self) -> &'static str {
        "kubeone_kubeconfig"
    }

    fn schema(&self) -> Schema {
        KUBECONFIG.schema().clone()
    }

    async fn validate(&self, request: ValidateEphemeralRequest) -> Diagnostics {
        match decode::<KubeconfigSpec>(&KUBECONFIG, &request.config) {
            Ok(decoded) => from_findings(decoded.keep_certain(validate_kubeconfig(&decoded.settings))),
            Err(diagnostic) => diagnostic.into(),
        }
    }

    async fn open(&self, request: OpenRequest) -> OpenResponse {
        open(&self.connection, request).await.unwrap_or_else(|diagnostic| Diagnostics::from(diagnostic).into())
    }
}

async fn open(connection: &Connection, request: OpenRequest) -> Result<OpenResponse, Diagnostic> {
    let wanted = decode::<KubeconfigSpec>(&KUBECONFIG, &request.config)?;
    // Terraform itself waits for what is not known. Should one ask all the same, it can wait longer, or is told so.
    let later = |reason| OpenResponse { deferred: Some(reason), ..OpenResponse::default() };
    if !wanted.unknown.is_empty() {
        return Ok(later(Deferred::ResourceConfigUnknown));
    }
    match mint(connection, &wanted.settings, &request.context.cancel).await? {
        Minted::NotReachable => Ok(later(Deferred::ProviderConfigUnknown)),
        Minted::Done(kubeconfig) => {
            let result = answer(request.config, &kubeconfig)?;
            Ok(OpenResponse { result, ..OpenResponse::default() })
        }
    }
}

/// The configuration with the computed attributes filled in.
fn answer(mut config: Value, kubeconfig: &Kubeconfig) -> Result<Value, Diagnostic> {
    // The reason could quote the value, and the value holds a key; a shape that cannot be written says enough.
    let values =
        Value::encode(kubeconfig).map_err(|error| Diagnostic::bug("a kubeconfig cannot be written", chain(&error)))?;
    for (name, value) in values.as_map().into_iter().flatten() {
        config.set(&name.as_str().into(), value.clone());
    }
    Ok(config)
}
