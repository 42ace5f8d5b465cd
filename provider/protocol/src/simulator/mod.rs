//! A client that plays Terraform core, over the real wire and as strict as core.
//!
//! It starts a provider program, shakes hands with mutual TLS, and walks resources through validate, plan, final plan, apply,
//! read and a second plan. Each answer is held against the rules that core enforces, and a few that core only relies on: the
//! second plan has to be empty. What no Terraform on the machine can show, such as actions or identity, is shown here.
//!
//! ```no_run
//! # async fn example() -> Result<(), tfplugin::simulator::Failure> {
//! use serde_json::json;
//! use tfplugin::simulator::{Core, Profile};
//!
//! let core = Core::start("target/debug/terraform-provider-example".as_ref(), Profile::TERRAFORM_1_16).await?;
//! core.configure(json!({ "folder": "/tmp" })).await?;
//! let mut instance = core.resource("example_box")?;
//! instance.apply(json!({ "name": "a" })).await?;
//! instance.destroy().await?;
//! core.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Core::serve`] takes a provider of the test's own process instead of a program, for tests that put fakes around it.

mod connect;
mod contract;
mod failure;
mod handshake;
mod kinds;
mod profile;
mod propose;
mod resource;
mod schema;

use std::collections::BTreeMap;
use std::path::Path;

#[cfg(test)]
pub(crate) use connect::{ClientIdentity, client_tls};
pub use failure::{Failure, Rule};
pub use kinds::{Found, Opened};
pub use profile::Profile;
pub use resource::{Instance, Planned};

use tonic::transport::Channel;

use self::handshake::Process;
use crate::proto::plugin::grpc_controller_client::GrpcControllerClient;
use crate::proto::tfplugin6 as proto;
use crate::proto::tfplugin6::provider_client::ProviderClient;
use crate::{Diagnostics, FunctionSignature, IdentitySchema, Provider, Schema, Type, Value};

type Client = ProviderClient<Channel>;

/// A running provider and what it says about itself.
pub struct Core {
    /// `None` when the provider runs in the process of the test.
    process: Option<Process>,
    channel: Channel,
    client: Client,
    profile: Profile,
    schemas: Schemas,
}

/// All schemas of a provider, read back from the wire.
#[derive(Debug, Default)]
pub struct Schemas {
    pub provider: Schema,
    pub resources: BTreeMap<String, Schema>,
    pub identities: BTreeMap<String, IdentitySchema>,
    pub data_sources: BTreeMap<String, Schema>,
    pub ephemeral_resources: BTreeMap<String, Schema>,
    pub list_resources: BTreeMap<String, Schema>,
    pub actions: BTreeMap<String, Schema>,
    pub functions: BTreeMap<String, FunctionSignature>,
}

impl Core {
    /// Starts a provider program as Terraform does, and asks for its schemas.
    pub async fn start(program: &Path, profile: Profile) -> Result<Self, Failure> {
        let (process, channel) = Process::start(program).await?;
        Self::ask(Some(process), channel, profile).await
    }

    /// Serves a provider in this process, over a stream in memory, and asks for its schemas.
    pub async fn serve(provider: impl Provider, profile: Profile) -> Result<Self, Failure> {
        let channel = connect::connect_over(crate::server::in_process(provider)).await?;
        Self::ask(None, channel, profile).await
    }

    async fn ask(process: Option<Process>, channel: Channel, profile: Profile) -> Result<Self, Failure> {
        let mut client = ProviderClient::new(channel.clone())
            .max_decoding_message_size(crate::server::MAX_MESSAGE)
            .max_encoding_message_size(crate::server::MAX_MESSAGE);
        let answer = client.get_provider_schema(proto::GetProviderSchemaRequest {}).await?.into_inner();
        failure::refuse_errors(answer.diagnostics.clone())?;
        let identities =
            client.get_resource_identity_schemas(proto::GetResourceIdentitySchemasRequest {}).await?.into_inner();
        failure::refuse_errors(identities.diagnostics.clone())?;
        let schemas = schema::read(answer, identities)?;
        Ok(Self { process, channel, client, profile, schemas })
    }

    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// What the provider program has logged so far.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Sends the provider block; answers with warnings.
    pub async fn configure(&self, config: impl Into<Value>) -> Result<Diagnostics, Failure> {
        let config = encode(&config.into(), &self.schemas.provider.ty())?;
        let mut client = self.client.clone();
        let request = proto::ValidateProviderConfigRequest { config: config.clone() };
        failure::refuse_errors(client.validate_provider_config(request).await?.into_inner().diagnostics)?;
        let request = proto::ConfigureProviderRequest {
            terraform_version: self.profile.version.to_owned(),
            config,
            client_capabilities: Some(self.profile.capabilities()),
        };
        failure::refuse_errors(client.configure_provider(request).await?.into_inner().diagnostics)
    }

    /// A resource that does not exist yet.
    pub fn resource(&self, type_name: &str) -> Result<Instance<'_>, Failure> {
        Instance::new(self, type_name)
    }

    /// What Ctrl-C does. Calls in progress are still to be awaited.
    pub async fn interrupt(&self) -> Result<(), Failure> {
        self.client.clone().stop_provider(proto::StopProviderRequest {}).await?;
        Ok(())
    }

    /// Asks the provider to end, and sees to it that it does.
    pub async fn stop(self) -> Result<(), Failure> {
        let mut controller = GrpcControllerClient::new(self.channel.clone());
        controller.shutdown(crate::proto::plugin::Empty {}).await?;
        // An open connection would make the provider wait for more calls.
        drop((controller, self.client, self.channel));
        match self.process {
            Some(process) => process.ended().await,
            None => Ok(()),
        }
    }

    /// The process id of the provider program, for tests that kill it.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }
}

/// Values are optional fields of their messages.
fn encode(value: &Value, ty: &Type) -> Result<Option<proto::DynamicValue>, Failure> {
    Ok(Some(proto::DynamicValue::encode(value, ty)?))
}
