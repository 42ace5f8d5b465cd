//! Functions. Their errors have a form of their own, without summary or path.

use super::Service;
use crate::proto::tfplugin6 as proto;
use crate::server::calls::catch;
use crate::{Diagnostic, Diagnostics, FunctionError};

impl Service {
    pub(super) async fn call_function(&self, request: proto::CallFunctionRequest) -> proto::CallFunctionResponse {
        let result = catch(self.try_call_function(request)).await;
        match result.map_err(|diagnostics| FunctionError::new(text(&diagnostics))).and_then(|result| result) {
            Ok(value) => proto::CallFunctionResponse { result: Some(value), error: None },
            Err(error) => proto::CallFunctionResponse { result: None, error: Some(error.into()) },
        }
    }

    async fn try_call_function(
        &self,
        request: proto::CallFunctionRequest,
    ) -> Result<proto::DynamicValue, FunctionError> {
        let unknown = || FunctionError::new(format!("this provider has no function `{}`", request.name));
        let (function, signature) = self.catalog.functions.get(&request.name).ok_or_else(unknown)?;
        let mut arguments = Vec::new();
        for (position, wire) in request.arguments.iter().enumerate() {
            let parameter = signature.parameters.get(position).or(signature.variadic.as_ref());
            let parameter = parameter.ok_or_else(|| FunctionError::new("too many arguments"))?;
            let value = wire.decode(&parameter.ty).map_err(|error| {
                FunctionError::new(format!("cannot read the argument{}: {}", error.path.describe(), error.reason))
                    .at_argument(position)
            })?;
            arguments.push(value);
        }
        let result = function.call(arguments).await?;
        proto::DynamicValue::encode(&result, &signature.returns).map_err(|error| {
            FunctionError::new(format!(
                "the result does not match the signature{}: {}; this is a bug in the provider",
                error.path.describe(),
                error.reason
            ))
        })
    }
}

fn text(diagnostics: &Diagnostics) -> String {
    let lines = diagnostics.iter().map(|Diagnostic { summary, detail, .. }| format!("{summary}: {detail}"));
    lines.collect::<Vec<_>>().join("\n")
}
