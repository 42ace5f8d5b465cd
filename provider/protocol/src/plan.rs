//! What apply would do, worked out from prior state, proposed state and configuration.

mod computed;
mod config;

pub use config::config_from_state;

use crate::{AttributePath, PlanRequest, PlanResponse, Schema, Value};

/// The plan of a resource that does nothing special.
///
/// Create and destroy are as Terraform proposes, with computed attributes unknown. An update without any difference keeps
/// the prior state to the letter, so that the plan is empty. An update with a difference makes computed attributes unknown;
/// give those that will not change their old value with [`keep_prior`].
/// Write-only attributes are always null.
pub fn propose(schema: &Schema, request: &PlanRequest) -> PlanResponse {
    let mut response = PlanResponse {
        private: request.planned_private.clone().unwrap_or_else(|| request.prior_private.clone()),
        identity: request.prior_identity.clone(),
        ..PlanResponse::default()
    };
    if request.is_destroy() {
        return response;
    }
    let proposed = without_write_only(schema, &request.proposed_state);
    response.planned_state = if is_unchanged(schema, request) {
        request.prior_state.clone()
    } else {
        computed::with_unknowns(schema, proposed, &request.config)
    };
    response
}

/// Whether the user asks for nothing new.
pub fn is_unchanged(schema: &Schema, request: &PlanRequest) -> bool {
    without_write_only(schema, &request.proposed_state).equivalent(&request.prior_state, &schema.ty())
}

/// The value with all write-only attributes null, as plan and state must have them.
pub fn without_write_only(schema: &Schema, value: &Value) -> Value {
    let mut value = value.clone();
    computed::clear_write_only(&schema.block, &mut value);
    value
}

/// The write-only attributes that have a value.
pub fn write_only_paths(schema: &Schema, config: &Value) -> Vec<AttributePath> {
    let cleared = without_write_only(schema, config);
    let mut paths = Vec::new();
    config.walk(&schema.ty(), &mut |path, value| {
        if !value.is_null() && cleared.get(path).is_some_and(Value::is_null) {
            paths.push(path.clone());
        }
    });
    paths
}

/// Gives computed attributes their prior value back, when there is one.
pub fn keep_prior(planned: &mut Value, prior: &Value, paths: impl IntoIterator<Item = impl Into<AttributePath>>) {
    for path in paths {
        let path = path.into();
        if planned.get(&path).is_some_and(Value::is_unknown)
            && let Some(kept) = prior.get(&path).filter(|kept| !kept.is_null())
        {
            planned.set(&path, kept.clone());
        }
    }
}

/// Marks attributes as known only after apply.
pub fn mark_unknown(planned: &mut Value, paths: impl IntoIterator<Item = impl Into<AttributePath>>) {
    for path in paths {
        planned.set(&path.into(), Value::unknown());
    }
}

/// Asks for a new object when one of these attributes changes.
pub fn replace_on_change(
    response: &mut PlanResponse,
    prior: &Value,
    paths: impl IntoIterator<Item = impl Into<AttributePath>>,
) {
    if prior.is_null() || response.planned_state.is_null() {
        return;
    }
    for path in paths {
        let path = path.into();
        if prior.get(&path) != response.planned_state.get(&path) {
            response.requires_replace.push(path);
        }
    }
}

#[cfg(test)]
mod tests;
