//! What the default plan says, case by case.

use serde_json::json;

use super::*;
use crate::schema::Nesting;
use crate::{Attribute, CallContext};

fn schema() -> Schema {
    Schema::new([
        Attribute::string("name").required(),
        Attribute::string("id").computed(),
        Attribute::string("size").optional_computed(),
        Attribute::string("password").write_only(),
        Attribute::nested(
            "disks",
            Nesting::Map,
            [Attribute::number("gb").required(), Attribute::string("uuid").computed()],
        ),
    ])
}

fn request(prior: serde_json::Value, proposed: serde_json::Value, config: serde_json::Value) -> PlanRequest {
    PlanRequest {
        prior_state: prior.into(),
        proposed_state: proposed.into(),
        config: config.into(),
        prior_private: b"old".to_vec(),
        planned_private: None,
        prior_identity: Value::Null,
        provider_meta: Value::Null,
        context: CallContext::default(),
    }
}

/// The plan as JSON, with `?` for what is unknown.
fn show(value: &Value) -> serde_json::Value {
    value.clone().without_nulls().to_json_with(&schema().ty(), |_, _| json!("?"))
}

#[test]
fn create_leaves_open_what_the_provider_fills_in() {
    let config = json!({ "name": "a", "password": "p", "disks": { "root": { "gb": 1 } } });
    let response = propose(&schema(), &request(json!(null), config.clone(), config));
    let expected = json!({ "name": "a", "id": "?", "size": "?", "disks": { "root": { "gb": 1, "uuid": "?" } } });
    assert_eq!(show(&response.planned_state), expected);
}

#[test]
fn nothing_changes_when_nothing_was_asked_for() {
    let prior = json!({ "name": "a", "id": "1", "size": "s", "password": null });
    let mut proposed = prior.clone();
    proposed["password"] = json!("p");
    let response = propose(&schema(), &request(prior.clone(), proposed, json!({ "name": "a", "password": "p" })));
    assert_eq!(response.planned_state, prior.into());
    assert_eq!(response.private, b"old");
}

#[test]
fn a_change_opens_computed_values_and_keep_prior_closes_them() {
    let prior = json!({ "name": "a", "id": "1", "size": "s" });
    let proposed = json!({ "name": "b", "id": "1", "size": "s" });
    let request = request(prior, proposed, json!({ "name": "b" }));
    let mut response = propose(&schema(), &request);
    assert_eq!(show(&response.planned_state), json!({ "name": "b", "id": "?", "size": "?" }));
    keep_prior(&mut response.planned_state, &request.prior_state, ["id"]);
    assert_eq!(show(&response.planned_state), json!({ "name": "b", "id": "1", "size": "?" }));
    mark_unknown(&mut response.planned_state, ["id"]);
    assert_eq!(show(&response.planned_state)["id"], "?");
    replace_on_change(&mut response, &request.prior_state, ["name", "password"]);
    assert_eq!(response.requires_replace, [AttributePath::new("name")]);
}

#[test]
fn destroy_plans_nothing() {
    let response = propose(&schema(), &request(json!({ "name": "a" }), json!(null), json!(null)));
    assert!(response.planned_state.is_null());
}

#[test]
fn configuration_from_state_has_only_what_a_user_can_set() {
    let state = json!({ "name": "a", "id": "1", "size": "s", "disks": { "root": { "gb": 1, "uuid": "u" } } });
    let config = config_from_state(&schema(), &state.into());
    assert_eq!(show(&config), json!({ "name": "a", "size": "s", "disks": { "root": { "gb": 1 } } }));
}
