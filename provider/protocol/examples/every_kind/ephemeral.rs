//! `ephemeral.everykind_key`: a key that is never stored.

use std::sync::Arc;

use tfplugin::{
    Attribute, CloseRequest, Diagnostics, EphemeralResource, OpenRequest, OpenResponse, RenewRequest, RenewResponse,
    Schema,
};

use crate::store::Store;

pub(crate) struct Key {
    pub(crate) store: Arc<Store>,
}

#[tfplugin::async_trait]
impl EphemeralResource for Key {
    fn type_name(&self) -> &'static str {
        "everykind_key"
    }

    fn schema(&self) -> Schema {
        Schema::new([Attribute::string("purpose").required(), Attribute::string("key").computed().sensitive()])
    }

    async fn open(&self, request: OpenRequest) -> OpenResponse {
        let purpose = request.config.attribute("purpose").as_str().unwrap_or_default().to_owned();
        self.store.note(&format!("opened {purpose}"));
        let mut result = request.config;
        result.set(&"key".into(), format!("key for {purpose}"));
        OpenResponse { result, private: purpose.into_bytes(), ..OpenResponse::default() }
    }

    async fn renew(&self, request: RenewRequest) -> RenewResponse {
        self.store.note(&format!("renewed {}", String::from_utf8_lossy(&request.private)));
        RenewResponse { private: request.private, ..RenewResponse::default() }
    }

    async fn close(&self, request: CloseRequest) -> Diagnostics {
        self.store.note(&format!("closed {}", String::from_utf8_lossy(&request.private)));
        Diagnostics::new()
    }
}
