//! The test provider against a core that is as strict as Terraform's and knows all of protocol 6.11.
#![cfg(unix)]

mod support;

use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tfplugin::simulator::{Core, Failure, Profile, Rule};
use tfplugin::{AttributePath, ImportTarget, Number, StoredValue, Value};

async fn start(profile: Profile) -> (Core, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let core = Core::start(support::provider(), profile).await.expect("the provider starts");
    core.configure(json!({ "folder": folder.path() })).await.expect("the provider block is valid");
    (core, folder)
}

fn config(name: &str) -> Json {
    json!({
        "name": name,
        "items": {
            "pen": { "weight": 0.1, "label": { "text": "blue" } },
            "book": { "weight": 12_345_678_901_234_567_890_u64 },
        },
        "slots": [{ "weight": 1 }, { "weight": 2, "color": "red" }],
        "tags": ["z", "a"],
        "marks": [{ "text": "m", "size": 1 }, { "text": "l" }],
        "secret": "s",
        "side": [{ "color": "red" }, { "color": "blue" }],
        "lid": { "shape": "round" },
    })
}

fn notes(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("notes")).unwrap_or_default()
}

fn reported(failure: Failure) -> tfplugin::Diagnostics {
    match failure {
        Failure::Reported { diagnostics } => diagnostics,
        other => unreachable!("expected diagnostics, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_lives_under_every_profile() {
    for profile in Profile::ALL {
        let (core, _folder) = start(profile).await;
        let mut instance = core.resource("everykind_box").unwrap();
        instance.apply(config("a")).await.unwrap();
        assert_eq!(instance.state.attribute("id").as_str(), Some("box-a"));

        let mut changed = config("a");
        changed["items"]["cup"] = json!({ "weight": 3 });
        changed["side"] = json!([{ "color": "blue" }]);
        changed["lid"] = json!(null);
        changed["slots"] = json!([{ "weight": 2 }]);
        changed["anything"] = json!({ "deep": [1, "two", null] });
        let planned = instance.apply(changed).await.unwrap();
        assert_eq!(planned.state.attribute("id").as_str(), Some("box-a"), "kept over an update");
        instance.destroy().await.unwrap();
        core.stop().await.unwrap();
    }
}

#[tokio::test]
async fn unknown_configuration_becomes_known_at_apply() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    let mut at_plan = Value::from(config("a"));
    at_plan.set(&AttributePath::new("items").key("pen").attribute("color"), Value::unknown_not_null());
    at_plan.set(&"tags".into(), Value::unknown());
    let mut at_apply = config("a");
    at_apply["items"]["pen"]["color"] = json!("green");
    let planned = instance.apply_known_later(at_plan, at_apply).await.unwrap();
    assert!(planned.state.attribute("tags").is_unknown());
}

#[tokio::test]
async fn a_plan_is_put_off_only_where_that_is_understood() {
    let nameless = Value::object([("name", Value::unknown())]);
    let (core, _folder) = start(Profile { deferral: true, ..Profile::TERRAFORM_1_16 }).await;
    assert!(core.resource("everykind_box").unwrap().plan(nameless.clone()).await.unwrap().deferred);
    let unknown_prefix = Value::object([("prefix", Value::unknown())]);
    core.read_data_source("everykind_boxes", unknown_prefix.clone()).await.unwrap();

    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    assert!(!core.resource("everykind_box").unwrap().plan(nameless).await.unwrap().deferred);
    reported(core.read_data_source("everykind_boxes", unknown_prefix).await.unwrap_err());
}

#[tokio::test]
async fn a_change_of_name_replaces_the_box() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    instance.apply(config("a")).await.unwrap();
    let planned = instance.apply(config("b")).await.unwrap();
    assert_eq!(planned.requires_replace, [AttributePath::new("name")]);
    assert!(!folder.path().join("a.json").exists());
    assert!(folder.path().join("b.json").exists());
}

#[tokio::test]
async fn drift_is_read_and_a_lost_box_is_gone() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    instance.apply(config("a")).await.unwrap();
    std::fs::remove_file(folder.path().join("a.json")).unwrap();
    instance.refresh().await.unwrap();
    assert!(instance.state.is_null());
}

#[tokio::test]
async fn validation_points_at_the_attribute() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let instance = core.resource("everykind_box").unwrap();
    let failure = instance.validate(json!({ "name": "a", "items": { "x": { "weight": 0 } } })).await.unwrap_err();
    let diagnostics = reported(failure);
    let path = diagnostics.iter().next().and_then(|diagnostic| diagnostic.path.clone());
    assert_eq!(path.unwrap().to_string(), r#"items["x"].weight"#);
}

#[tokio::test]
async fn write_only_values_reach_apply_and_nothing_else() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    let with_password = |text: &str, version: i64| {
        let mut config = config("a");
        config["password_wo"] = json!(text);
        config["password_wo_version"] = json!(version);
        config
    };
    instance.apply(with_password("hunter2", 1)).await.unwrap();
    assert_eq!(instance.state.attribute("fingerprint").as_str(), Some("7 letters"));
    instance.apply(with_password("correct horse", 2)).await.unwrap();
    assert_eq!(instance.state.attribute("fingerprint").as_str(), Some("13 letters"));
    let stored = std::fs::read_to_string(folder.path().join("a.json")).unwrap();
    assert!(!stored.contains("horse"));
    assert!(!core.log().contains("horse"));
}

#[tokio::test]
async fn versions_without_write_only_attributes_are_told_so() {
    let (core, _folder) = start(Profile::TERRAFORM_1_5).await;
    let instance = core.resource("everykind_box").unwrap();
    let failure = instance.validate(json!({ "name": "a", "password_wo": "p" })).await.unwrap_err();
    assert_eq!(reported(failure).iter().next().unwrap().path, Some(AttributePath::new("password_wo")));
}

#[tokio::test]
async fn failures_leave_the_state_as_it_was() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    let failing = |verb: &str| {
        let mut config = config("a");
        config["fail"] = json!(verb);
        config
    };
    instance.apply(failing("create")).await.unwrap_err();
    assert!(instance.state.is_null() && !instance.tainted);
    instance.apply(config("a")).await.unwrap();
    let before = instance.state.clone();
    instance.apply(failing("update")).await.unwrap_err();
    assert_eq!(instance.state, before);
    instance.apply(failing("delete")).await.unwrap();
    instance.destroy().await.unwrap_err();
    assert!(!instance.state.is_null());
}

#[tokio::test]
async fn a_panic_is_a_message_and_the_provider_lives_on() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    instance.apply(config("a")).await.unwrap();
    let before = instance.state.clone();
    let mut panicking = config("a");
    panicking["fail"] = json!("panic");
    let diagnostics = reported(instance.apply(panicking).await.unwrap_err());
    let detail = &diagnostics.iter().next().unwrap().detail;
    assert!(detail.contains("asked to panic during update") && detail.contains("box_resource.rs"), "{detail}");
    assert_eq!(instance.state, before);
    instance.refresh().await.unwrap();
}

#[tokio::test]
async fn import_by_id_and_by_identity() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    core.resource("everykind_box").unwrap().apply(config("a")).await.unwrap();
    for target in [ImportTarget::Id("a".into()), ImportTarget::Identity(json!({ "name": "a" }).into())] {
        let mut instance = core.resource("everykind_box").unwrap();
        instance.import(target).await.unwrap();
        assert_eq!(instance.identity, json!({ "name": "a" }).into());
        let planned = instance.apply(config("a")).await.unwrap();
        assert_eq!(planned.state, instance.state, "nothing to change after import");
    }
    let mut missing = core.resource("everykind_box").unwrap();
    reported(missing.import(ImportTarget::Id("nobody".into())).await.unwrap_err());
}

#[tokio::test]
async fn generated_configuration_leads_to_the_same_state() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_box").unwrap();
    instance.apply(config("a")).await.unwrap();
    let generated = instance.generate_config().await.unwrap();
    assert!(generated.attribute("id").is_null());
    let planned = instance.apply(generated).await.unwrap();
    assert_eq!(planned.state, instance.state);
}

#[tokio::test]
async fn states_of_older_versions_are_upgraded() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    core.resource("everykind_box").unwrap().apply(config("a")).await.unwrap();
    let mut instance = core.resource("everykind_box").unwrap();
    instance.upgrade(StoredValue { version: 0, value: json!({ "title": "a", "gone": [1] }) }).await.unwrap();
    assert_eq!(instance.state.attribute("name").as_str(), Some("a"));
    let identity = instance.upgrade_identity(StoredValue { version: 0, value: json!({ "title": "a" }) }).await.unwrap();
    assert_eq!(identity, json!({ "name": "a" }).into());
    let newer = StoredValue { version: 2, value: json!({}) };
    reported(instance.upgrade(newer).await.unwrap_err());
}

#[tokio::test]
async fn states_of_other_types_are_moved_or_refused() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    core.resource("everykind_box").unwrap().apply(config("a")).await.unwrap();
    let mut instance = core.resource("everykind_box").unwrap();
    let stored = StoredValue { version: 0, value: json!({ "output": { "value": "a", "type": "string" } }) };
    instance.move_from("terraform.io/builtin/terraform", "terraform_data", stored.clone()).await.unwrap();
    assert_eq!(instance.state.attribute("id").as_str(), Some("box-a"));
    reported(instance.move_from("example.com/x/y", "y_thing", stored).await.unwrap_err());
}

#[tokio::test]
async fn functions_answer_and_blame_the_argument() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let shouted = core.call_function("shout", ["a".into(), "b".into(), "c".into()]).await.unwrap();
    assert_eq!(shouted, Ok("A B C".into()));
    let error = core.call_function("shout", ["a".into(), "".into()]).await.unwrap().unwrap_err();
    assert_eq!(error.argument, Some(1));
    for value in [json!(null), json!([1, { "a": true }]), json!(0.1)] {
        let echoed = core.call_function("echo", [value.clone().into()]).await.unwrap().unwrap();
        assert_eq!(echoed.untyped(), &value.into());
    }
    let unknown = core.call_function("echo", [Value::unknown()]).await.unwrap().unwrap();
    assert!(unknown.is_unknown());
}

#[tokio::test]
async fn data_sources_are_read() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    core.resource("everykind_box").unwrap().apply(config("a")).await.unwrap();
    core.resource("everykind_box").unwrap().apply(config("b")).await.unwrap();
    let state = core.read_data_source("everykind_boxes", json!({})).await.unwrap();
    assert_eq!(state.attribute("names"), &Value::list(["a", "b"]));
}

#[tokio::test]
async fn ephemeral_resources_open_renew_and_close() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut opened = core.open_ephemeral("everykind_key", json!({ "purpose": "door" })).await.unwrap();
    assert_eq!(opened.result.attribute("key").as_str(), Some("key for door"));
    core.renew_ephemeral(&mut opened).await.unwrap();
    core.close_ephemeral(opened).await.unwrap();
    assert_eq!(notes(folder.path()), "opened door\nrenewed door\nclosed door\n");
}

#[tokio::test]
async fn actions_report_progress() {
    let (core, _folder) = start(Profile::TERRAFORM_1_14).await;
    core.resource("everykind_box").unwrap().apply(config("a")).await.unwrap();
    let progress = core.invoke_action("everykind_shake", json!({ "name": "a" })).await.unwrap();
    assert_eq!(progress, ["shaking a", "shaken"]);
    let failure = core.invoke_action("everykind_shake", json!({ "name": "nobody" })).await.unwrap_err();
    assert_eq!(reported(failure).iter().next().unwrap().path, Some(AttributePath::new("name")));
}

#[tokio::test]
async fn searches_stop_at_the_limit() {
    let (core, _folder) = start(Profile::TERRAFORM_1_14).await;
    for number in 0..40 {
        core.resource("everykind_box").unwrap().apply(json!({ "name": format!("box{number:02}") })).await.unwrap();
    }
    let found = core.list("everykind_box", json!({ "prefix": "box" }), false, 5).await.unwrap();
    assert_eq!(found.len(), 5);
    assert!(found[0].resource.is_none());
    let found = core.list("everykind_box", json!({}), true, 100).await.unwrap();
    assert_eq!(found.len(), 40);
    assert_eq!(found[39].identity, json!({ "name": "box39" }).into());
    assert_eq!(found[39].resource.as_ref().unwrap().attribute("id").as_str(), Some("box-box39"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_reaches_the_running_apply() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_slow").unwrap();
    let (result, ()) = tokio::join!(instance.apply(json!({ "seconds": 60 })), async {
        wait_for_note(folder.path(), "started").await;
        core.interrupt().await.unwrap();
    });
    assert_eq!(reported(result.unwrap_err()).iter().next().unwrap().summary, "interrupted");
    assert!(instance.state.is_null());
    // A later command of a long-lived process starts afresh.
    core.configure(json!({ "folder": folder.path() })).await.unwrap();
    instance.apply(json!({ "seconds": 0 })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_the_call_is_dropped() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instance = core.resource("everykind_slow").unwrap();
    tokio::select! {
        result = instance.apply(json!({ "seconds": 0.5 })) => panic!("too fast: {result:?}"),
        () = wait_for_note(folder.path(), "started") => {}
    }
    drop(instance);
    wait_for_note(folder.path(), "finished").await;
    core.stop().await.unwrap();
}

#[tokio::test]
async fn large_values_pass() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    let text = "x".repeat(16 << 20);
    let echoed = core.call_function("echo", [text.as_str().into()]).await.unwrap().unwrap();
    assert_eq!(echoed.as_str().map(str::len), Some(text.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_run_side_by_side() {
    let (core, folder) = start(Profile::TERRAFORM_1_16).await;
    let mut instances: Vec<_> = (0..10).map(|_| core.resource("everykind_slow").unwrap()).collect();
    let begin = std::time::Instant::now();
    let applies = instances.iter_mut().map(|instance| instance.apply(json!({ "seconds": 1 })));
    for result in futures::future::join_all(applies).await {
        result.unwrap();
    }
    assert!(begin.elapsed().as_secs() < 8, "ten seconds of work took {:?}", begin.elapsed());
    assert_eq!(notes(folder.path()).matches("finished").count(), 10);
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    for text in ["0.1", "18446744073709551615", "-9223372036854775808", "123456789012345678901234567890.5", "1e-20"] {
        let number = Value::Number(Number::parse(text).unwrap());
        let echoed = core.call_function("echo", [number.clone()]).await.unwrap().unwrap();
        assert_eq!(echoed.untyped(), &number);
    }
}

#[tokio::test]
async fn unknown_names_are_reported() {
    let (core, _folder) = start(Profile::TERRAFORM_1_16).await;
    assert!(matches!(core.resource("everykind_nothing"), Err(Failure::Missing { .. })));
    assert!(matches!(Rule::Schema.to_string().as_str(), "a schema has to be well-formed"));
}

async fn wait_for_note(folder: &Path, line: &str) {
    let mut check = tokio::time::interval(std::time::Duration::from_millis(20));
    let seen = async {
        while !notes(folder).contains(line) {
            check.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.expect("the note appears");
}
