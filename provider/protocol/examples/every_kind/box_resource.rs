//! `everykind_box`: every shape of attribute, import, upgrade, move, identity.

use std::sync::Arc;

use serde_json::json;
use tfplugin::schema::{BlockNesting, NestedBlock, Nesting};
use tfplugin::{
    ApplyRequest, ApplyResponse, Attribute, AttributePath, Deferred, Diagnostic, Diagnostics, IdentityAttribute,
    IdentitySchema, ImportRequest, ImportResponse, ImportTarget, ImportedResource, MoveRequest, MoveResponse,
    PlanRequest, PlanResponse, ReadRequest, ReadResponse, Resource, Schema, Step, Type, UpgradeIdentityRequest,
    UpgradeStateRequest, ValidateRequest, Value, plan,
};

use crate::store::Store;

pub(crate) struct BoxResource {
    pub(crate) store: Arc<Store>,
}

pub(crate) fn schema() -> Schema {
    let item = [
        Attribute::number("weight").required(),
        Attribute::string("color"),
        Attribute::string("serial").computed(),
        Attribute::nested("label", Nesting::Single, [Attribute::string("text").required()]),
    ];
    Schema::new([
        Attribute::string("name").required().description("Name of the box; a change makes a new one."),
        Attribute::string("id").computed(),
        Attribute::nested("items", Nesting::Map, item.clone()),
        Attribute::nested("slots", Nesting::List, item),
        Attribute::new("tags", Type::set(Type::String)),
        Attribute::nested("marks", Nesting::Set, [Attribute::string("text").required(), Attribute::number("size")]),
        Attribute::number("limit").optional_computed(),
        Attribute::new("anything", Type::Dynamic),
        Attribute::string("secret").sensitive(),
        Attribute::string("password_wo").write_only(),
        Attribute::number("password_wo_version"),
        Attribute::string("fingerprint").computed().description("Of the password."),
        Attribute::string("fail").description("Makes `create`, `update` or `delete` fail, or `panic`."),
    ])
    .block(NestedBlock::new(
        "side",
        BlockNesting::List,
        [Attribute::string("color").required(), Attribute::string("paint").computed()],
    ))
    .block(NestedBlock::new("lid", BlockNesting::Single, [Attribute::string("shape")]))
    .version(1)
    .description("A box.")
}

fn identity(name: &Value) -> Value {
    Value::object([("name", name.clone())])
}

impl BoxResource {
    /// Fills in what the plan left open, and stores the result.
    fn save(&self, request: &ApplyRequest) -> Result<Value, Diagnostics> {
        let config = &request.config;
        let mut state = request.planned_state.clone();
        let name = state.attribute("name").as_str().unwrap_or_default().to_owned();
        for path in state.unknown_paths(&schema().ty()) {
            let Some(Step::Attribute(attribute)) = path.steps().last() else { continue };
            let value = match attribute.as_str() {
                "id" => Value::from(format!("box-{name}")),
                "limit" => 10_i64.into(),
                "fingerprint" => {
                    let password = config.attribute("password_wo").as_str().unwrap_or_default();
                    format!("{} letters", password.len()).into()
                }
                "paint" => "oil".into(),
                "serial" => format!("{name}/{path}").into(),
                _ => Value::Null,
            };
            state.set(&path, value);
        }
        self.store.write(&name, &state)?;
        Ok(state)
    }

    fn outcome(request: ApplyRequest, verb: &str, result: Result<Value, Diagnostics>) -> ApplyResponse {
        assert_ne!(request.config.attribute("fail").as_str(), Some("panic"), "asked to panic during {verb}");
        match result {
            Ok(state) => ApplyResponse {
                identity: identity(state.attribute("name")),
                state,
                private: b"kept".to_vec(),
                diagnostics: Diagnostics::new(),
            },
            Err(diagnostics) => request.failed(diagnostics),
        }
    }

    fn refuse(request: &ApplyRequest, verb: &str) -> Result<(), Diagnostics> {
        let wish = [&request.config, &request.prior_state].into_iter().find(|value| !value.is_null());
        match wish.and_then(|value| value.attribute("fail").as_str()) {
            Some(fail) if fail == verb => {
                Err(Diagnostic::error(format!("{verb} failed"), "As asked.").at("fail").into())
            }
            _ => Ok(()),
        }
    }

    fn load(&self, name: &str) -> Result<Value, Diagnostics> {
        let missing = || Diagnostic::error("no such box", format!("There is no box `{name}`."));
        Ok(self.store.read(name)?.ok_or_else(missing)?)
    }
}

#[tfplugin::async_trait]
impl Resource for BoxResource {
    fn type_name(&self) -> &'static str {
        "everykind_box"
    }

    fn schema(&self) -> Schema {
        schema()
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        let schema = IdentitySchema::new([IdentityAttribute::required("name", Type::String)]);
        Some(IdentitySchema { version: 1, ..schema })
    }

    async fn validate(&self, request: ValidateRequest) -> Diagnostics {
        let items = request.config.attribute("items").as_map().into_iter().flatten();
        let too_light =
            items.filter(|(_, item)| item.attribute("weight").as_number().is_some_and(|weight| weight.as_f64() <= 0.0));
        too_light
            .map(|(key, _)| {
                let path = AttributePath::new("items").key(key).attribute("weight");
                Diagnostic::error("item without weight", "An item weighs more than nothing.").at(path)
            })
            .collect()
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        let name = request.state.attribute("name").as_str().unwrap_or_default();
        match self.store.read(name) {
            Ok(Some(state)) => ReadResponse {
                identity: identity(state.attribute("name")),
                state,
                private: request.private,
                ..ReadResponse::default()
            },
            Ok(None) => ReadResponse::default(),
            Err(diagnostics) => request.unchanged(diagnostics),
        }
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        let mut response = plan::propose(&schema(), &request);
        if request.config.attribute("name").is_unknown() && request.context.client_capabilities.deferral_allowed {
            response.deferred = Some(Deferred::ResourceConfigUnknown);
            return response;
        }
        plan::replace_on_change(&mut response, &request.prior_state, ["name"]);
        if response.requires_replace.is_empty() {
            plan::keep_prior(&mut response.planned_state, &request.prior_state, ["id", "limit"]);
            let version = AttributePath::new("password_wo_version");
            if request.prior_state.get(&version) == response.planned_state.get(&version) {
                plan::keep_prior(&mut response.planned_state, &request.prior_state, ["fingerprint"]);
            }
        }
        response
    }

    async fn create(&self, request: ApplyRequest) -> ApplyResponse {
        let result = Self::refuse(&request, "create").and_then(|()| self.save(&request));
        Self::outcome(request, "create", result)
    }

    async fn update(&self, request: ApplyRequest) -> ApplyResponse {
        let result = Self::refuse(&request, "update").and_then(|()| self.save(&request));
        Self::outcome(request, "update", result)
    }

    async fn delete(&self, request: ApplyRequest) -> ApplyResponse {
        let name = request.prior_state.attribute("name").as_str().unwrap_or_default();
        match Self::refuse(&request, "delete").and_then(|()| self.store.remove(name)) {
            Ok(()) => ApplyResponse::default(),
            Err(diagnostics) => request.failed(diagnostics),
        }
    }

    async fn import(&self, request: ImportRequest) -> ImportResponse {
        let name = match &request.target {
            ImportTarget::Id(id) => id.clone(),
            ImportTarget::Identity(identity) => identity.attribute("name").as_str().unwrap_or_default().to_owned(),
        };
        match self.load(&name) {
            Ok(state) => {
                let identity = identity(state.attribute("name"));
                ImportedResource { state, identity, private: Vec::new() }.into()
            }
            Err(diagnostics) => diagnostics.into(),
        }
    }

    /// Version 0 called the name `title`.
    async fn upgrade_state(&self, request: UpgradeStateRequest) -> Result<serde_json::Value, Diagnostics> {
        let mut state = request.state;
        state["name"] = state["title"].clone();
        Ok(state)
    }

    async fn upgrade_identity(&self, request: UpgradeIdentityRequest) -> Result<serde_json::Value, Diagnostics> {
        Ok(json!({ "name": request.identity["title"] }))
    }

    async fn move_state(&self, request: MoveRequest) -> MoveResponse {
        if request.source_type != "terraform_data" {
            let detail = format!("`{}` cannot become a box.", request.source_type);
            return Diagnostics::from(Diagnostic::error("cannot move", detail)).into();
        }
        // The world cannot be reached here; `read` fills in the rest.
        let name = Value::from(request.source_state.value["output"]["value"].clone());
        let state = Value::object([("name", name.clone())]);
        MoveResponse { state, identity: identity(&name), ..MoveResponse::default() }
    }
}
