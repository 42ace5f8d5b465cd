//! Everything but managed resources: data sources, functions, ephemeral resources, actions and searches.

use std::collections::BTreeMap;

use super::contract::check_known;
use super::failure::refuse_errors;
use super::propose::complete;
use super::{Core, Failure, Rule, encode};
use crate::proto::tfplugin6 as proto;
use crate::{Diagnostics, FunctionError, Schema, Value};

/// An open ephemeral resource.
#[derive(Debug)]
pub struct Opened {
    type_name: String,
    pub result: Value,
    pub private: Vec<u8>,
}

/// One result of a search.
#[derive(Debug)]
pub struct Found {
    pub identity: Value,
    pub display_name: String,
    pub resource: Option<Value>,
    pub diagnostics: Diagnostics,
}

impl Core {
    pub async fn read_data_source(&self, type_name: &str, config: impl Into<Value>) -> Result<Value, Failure> {
        let (schema, config) = prepare(&self.schemas.data_sources, type_name, config)?;
        let mut client = self.client.clone();
        let request =
            proto::ValidateDataResourceConfigRequest { type_name: type_name.to_owned(), config: config.clone() };
        refuse_errors(client.validate_data_resource_config(request).await?.into_inner().diagnostics)?;
        let request = proto::ReadDataSourceRequest {
            type_name: type_name.to_owned(),
            config,
            provider_meta: None,
            client_capabilities: Some(self.profile.capabilities()),
        };
        let answer = client.read_data_source(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        if answer.deferred.is_some() && !self.profile.deferral {
            return Err(Rule::DefersWhenAllowed.violated());
        }
        let state = answer.state.unwrap_or_default().decode(&schema.ty())?;
        check_known(Rule::ReadKnowsAll, &schema.ty(), &state)?;
        Ok(state)
    }

    /// The outer error is a failure of the wire, the inner one an answer of the function.
    pub async fn call_function(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = Value>,
    ) -> Result<Result<Value, FunctionError>, Failure> {
        let missing = || Failure::Missing { name: name.to_owned() };
        let signature = self.schemas.functions.get(name).ok_or_else(missing)?;
        let parameters = signature.parameters.iter().chain(signature.variadic.iter().cycle());
        let arguments = arguments.into_iter().zip(parameters);
        let arguments = arguments.map(|(argument, parameter)| proto::DynamicValue::encode(&argument, &parameter.ty));
        let request =
            proto::CallFunctionRequest { name: name.to_owned(), arguments: arguments.collect::<Result<_, _>>()? };
        let answer = self.client.clone().call_function(request).await?.into_inner();
        Ok(match answer.error {
            None => Ok(answer.result.unwrap_or_default().decode(&signature.returns)?),
            Some(error) => Err(FunctionError {
                text: error.text,
                argument: error.function_argument.and_then(|position| usize::try_from(position).ok()),
            }),
        })
    }

    pub async fn open_ephemeral(&self, type_name: &str, config: impl Into<Value>) -> Result<Opened, Failure> {
        let (schema, config) = prepare(&self.schemas.ephemeral_resources, type_name, config)?;
        let mut client = self.client.clone();
        let request =
            proto::ValidateEphemeralResourceConfigRequest { type_name: type_name.to_owned(), config: config.clone() };
        refuse_errors(client.validate_ephemeral_resource_config(request).await?.into_inner().diagnostics)?;
        let request = proto::OpenEphemeralResourceRequest {
            type_name: type_name.to_owned(),
            config,
            client_capabilities: Some(self.profile.capabilities()),
        };
        let answer = client.open_ephemeral_resource(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        let result = answer.result.unwrap_or_default().decode(&schema.ty())?;
        check_known(Rule::ReadKnowsAll, &schema.ty(), &result)?;
        Ok(Opened { type_name: type_name.to_owned(), result, private: answer.private.unwrap_or_default() })
    }

    pub async fn renew_ephemeral(&self, opened: &mut Opened) -> Result<(), Failure> {
        let request = proto::RenewEphemeralResourceRequest {
            type_name: opened.type_name.clone(),
            private: Some(opened.private.clone()),
        };
        let answer = self.client.clone().renew_ephemeral_resource(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        opened.private = answer.private.unwrap_or_default();
        Ok(())
    }

    pub async fn close_ephemeral(&self, opened: Opened) -> Result<(), Failure> {
        let request =
            proto::CloseEphemeralResourceRequest { type_name: opened.type_name, private: Some(opened.private) };
        refuse_errors(self.client.clone().close_ephemeral_resource(request).await?.into_inner().diagnostics).map(drop)
    }

    /// Validates, plans and invokes an action; answers with the progress it reported.
    pub async fn invoke_action(&self, type_name: &str, config: impl Into<Value>) -> Result<Vec<String>, Failure> {
        use proto::invoke_action_event::Type;
        let (_, config) = prepare(&self.schemas.actions, type_name, config)?;
        let mut client = self.client.clone();
        let request = proto::ValidateActionConfigRequest { type_name: type_name.to_owned(), config: config.clone() };
        refuse_errors(client.validate_action_config(request).await?.into_inner().diagnostics)?;
        let client_capabilities = Some(self.profile.capabilities());
        let request =
            proto::PlanActionRequest { action_type: type_name.to_owned(), config: config.clone(), client_capabilities };
        refuse_errors(client.plan_action(request).await?.into_inner().diagnostics)?;
        let request = proto::InvokeActionRequest { action_type: type_name.to_owned(), config, client_capabilities };
        let mut events = client.invoke_action(request).await?.into_inner();
        let mut progress = Vec::new();
        while let Some(event) = events.message().await? {
            match event.r#type {
                Some(Type::Progress(line)) => progress.push(line.message),
                Some(Type::Completed(completed)) => {
                    return refuse_errors(completed.diagnostics).map(|_| progress);
                }
                None => {}
            }
        }
        Err(Rule::ActionCompletes.violated())
    }

    /// Searches for existing objects; stops reading at the limit, as core does.
    pub async fn list(
        &self,
        type_name: &str,
        config: impl Into<Value>,
        include_resource: bool,
        limit: usize,
    ) -> Result<Vec<Found>, Failure> {
        let (_, config) = prepare(&self.schemas.list_resources, type_name, config)?;
        let resource = self.resource(type_name)?;
        let mut client = self.client.clone();
        let request = proto::ValidateListResourceConfigRequest {
            type_name: type_name.to_owned(),
            config: config.clone(),
            include_resource_object: None,
            limit: None,
        };
        refuse_errors(client.validate_list_resource_config(request).await?.into_inner().diagnostics)?;
        let request = proto::ListResourceRequest {
            type_name: type_name.to_owned(),
            config,
            include_resource_object: include_resource,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        };
        let mut events = client.list_resource(request).await?.into_inner();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(event) = events.message().await?
        {
            let diagnostics = refuse_errors(event.diagnostic)?;
            let identity = resource.decode_identity(event.identity)?;
            if identity.is_null() && diagnostics.is_empty() {
                return Err(Rule::IdentityExists.violated());
            }
            let resource = event.resource_object.map(|object| resource.decode(Some(object))).transpose()?;
            found.push(Found { identity, display_name: event.display_name, resource, diagnostics });
        }
        Ok(found)
    }
}

/// The schema of a type, and a configuration as the wire wants it.
fn prepare<'schemas>(
    schemas: &'schemas BTreeMap<String, Schema>,
    type_name: &str,
    config: impl Into<Value>,
) -> Result<(&'schemas Schema, Option<proto::DynamicValue>), Failure> {
    let schema = schemas.get(type_name).ok_or_else(|| Failure::Missing { name: type_name.to_owned() })?;
    let config = complete(schema, config.into());
    Ok((schema, encode(&config, &schema.ty())?))
}
