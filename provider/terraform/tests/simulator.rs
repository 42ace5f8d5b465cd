//! The provider program against a client that plays Terraform core and holds it to core's rules.
#![cfg(unix)]

use serde_json::{Value as Json, json};
use tfplugin::simulator::{Core, Failure, Instance, Profile};
use tfplugin::{AttributePath, Diagnostic, Value};

/// Nothing listens there.
const CLOSED_PORT: u16 = 1;

async fn start(profile: Profile) -> Core {
    let program = env!("CARGO_BIN_EXE_terraform-provider-kubeone");
    Core::start(program.as_ref(), profile).await.expect("the provider starts")
}

async fn configured(profile: Profile) -> Core {
    let core = start(profile).await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
    let ssh = json!({ "private_key": key, "connect_timeout_seconds": 1, "known_hosts_file": "/dev/null" });
    core.configure(json!({ "ssh": ssh })).await.expect("the settings are valid");
    core
}

fn config() -> Json {
    let host = |address: &str, private_address: &str| json!({ "address": address, "private_address": private_address, "ssh_port": CLOSED_PORT });
    json!({
        "name": "prod",
        "kubernetes_version": "1.35.4",
        "api_endpoint": { "host": "127.0.0.1" },
        "control_plane": { "cp-1": host("127.0.0.1", "10.0.0.1") },
        "static_workers": { "w-1": host("127.0.0.2", "10.0.0.2") },
    })
}

/// As on the first plan, when the hosts are made by the same apply.
fn config_before_hosts_exist() -> Value {
    let mut config = Value::from(config());
    for (map, name) in [("control_plane", "cp-1"), ("static_workers", "w-1")] {
        assert!(config.set(&AttributePath::new(map).key(name).attribute("address"), Value::unknown()));
    }
    assert!(config.set(&AttributePath::new("api_endpoint").attribute("host"), Value::unknown()));
    config
}

fn reported(failure: Failure) -> Vec<Diagnostic> {
    match failure {
        Failure::Reported { diagnostics } => diagnostics.into_iter().collect(),
        other => unreachable!("expected diagnostics, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_plan_shows_its_steps_to_every_terraform() {
    for profile in Profile::ALL {
        let core = configured(profile).await;
        let cluster = core.resource("kubeone_cluster").unwrap();
        let planned = cluster.plan(config_before_hosts_exist()).await.unwrap();
        let steps = planned.state.attribute("planned_steps").as_list().unwrap();
        assert_eq!(steps[0].as_str(), Some("cp-1: prepare control plane for Kubernetes 1.35.4"));
        assert!(planned.requires_replace.is_empty());
        core.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_create_leaves_no_state_behind() {
    let core = configured(Profile::TERRAFORM_1_11).await;
    let mut cluster = core.resource("kubeone_cluster").unwrap();
    let failure = cluster.apply_known_later(config_before_hosts_exist(), config()).await.unwrap_err();
    let diagnostics = reported(failure);
    assert!(
        diagnostics.iter().any(|it| it.is_error() && it.summary.contains("cp-1 cannot be reached")),
        "{diagnostics:?}"
    );
    assert!(cluster.state.is_null());
    assert!(!cluster.tainted);
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_not_known_yet_hold_up_apply_but_not_plan() {
    let core = start(Profile::TERRAFORM_1_11).await;
    let ssh = Value::object([("private_key", Value::unknown())]);
    core.configure(Value::object([("ssh", ssh)])).await.unwrap();
    let mut cluster = core.resource("kubeone_cluster").unwrap();
    cluster.plan(config()).await.unwrap();
    let diagnostics = reported(cluster.apply(config()).await.unwrap_err());
    assert_eq!(diagnostics[0].summary, "the hosts of cluster `prod` cannot be reached");
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_where_they_are() {
    let core = configured(Profile::TERRAFORM_1_11).await;
    let cluster = core.resource("kubeone_cluster").unwrap();
    let cases = [
        ("/kubernetes_version", json!("latest"), "kubernetes_version"),
        ("/static_workers/w-1/address", json!("127.0.0.1"), r#"static_workers["w-1"].address"#),
        ("/name", json!("Not A Label"), "name"),
    ];
    for (pointer, value, path) in cases {
        let mut config = config();
        *config.pointer_mut(pointer).unwrap() = value;
        let diagnostics = reported(cluster.validate(config).await.unwrap_err());
        assert_eq!(diagnostics[0].path.as_ref().map(ToString::to_string).as_deref(), Some(path));
    }
    let provider = json!({ "backup": { "identity": "AGE-SECRET-KEY-1HUNTER2" } });
    let diagnostics = reported(core.configure(provider).await.unwrap_err());
    assert_eq!(diagnostics[0].path.as_ref().map(ToString::to_string).as_deref(), Some("backup.identity"));
    assert!(!format!("{diagnostics:?}{}", core.log()).contains("HUNTER2"));
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_is_named_and_not_quoted() {
    let core = start(Profile::TERRAFORM_1_11).await;
    core.configure(json!({ "ssh": { "private_key": "hunter2" } })).await.unwrap();
    let mut cluster = core.resource("kubeone_cluster").unwrap();
    let diagnostics = reported(cluster.apply(config()).await.unwrap_err());
    assert!(diagnostics[0].detail.contains("ssh.private_key"), "{diagnostics:?}");
    assert!(!format!("{diagnostics:?}{}", core.log()).contains("hunter2"));
    core.stop().await.unwrap();
}

/// A cluster of the state whose hosts do not answer.
async fn lost_cluster(core: &Core, deletion: Json) -> (Instance<'_>, Json) {
    let mut cluster = core.resource("kubeone_cluster").expect("the provider has clusters");
    let mut settings = config();
    settings["deletion"] = deletion;
    let mut state = cluster.plan(settings.clone()).await.expect("the settings are valid").state;
    let computed = [
        ("id", json!("uid")),
        ("ca_certificate", json!("PEM")),
        ("nodes", json!({})),
        ("ssh_host_keys", json!({})),
        ("planned_steps", json!(["cp-1: initialize control plane with Kubernetes 1.35.4"])),
    ];
    for (name, value) in computed {
        assert!(state.set(&name.into(), Value::from(value)));
    }
    cluster.state = state;
    (cluster, settings)
}

/// A network that is down must not make Terraform forget a cluster that runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_nobody_can_see_is_not_forgotten() {
    let core = configured(Profile::TERRAFORM_1_11).await;
    let (mut cluster, _) = lost_cluster(&core, json!({ "protection": false })).await;
    let diagnostics = reported(cluster.destroy().await.unwrap_err());
    let error = diagnostics.iter().find(|it| it.is_error()).unwrap();
    assert_eq!(error.summary, "no host of the cluster `prod` can be reached");
    assert!(error.detail.contains("terraform state rm"), "{}", error.detail);
    assert!(!cluster.state.is_null());
    core.stop().await.unwrap();
}

/// Whoever wants to destroy a broken cluster has to switch its protection off first.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_cluster_can_lose_its_protection() {
    let core = configured(Profile::TERRAFORM_1_11).await;
    let (mut cluster, mut settings) = lost_cluster(&core, json!({ "protection": true })).await;
    let silent = json!({ "state": "unreachable", "reason": "no route to host" });
    let api = json!({ "state": "silent", "reason": "connection refused" });
    let seen = json!({ "observed": { "hosts": { "cp-1": silent, "w-1": silent }, "api": api } });
    cluster.private = serde_json::to_vec(&seen).unwrap();

    // With another change beside it the plan is refused, as before.
    let mut other = settings.clone();
    other["deletion"] = json!({ "protection": false });
    other["static_workers"]["w-1"]["labels"] = json!({ "pool": "general" });
    assert!(cluster.plan(other).await.is_err());

    let before = cluster.state.clone();
    settings["deletion"] = json!({ "protection": false });
    cluster.apply(settings.clone()).await.unwrap();
    let protection = AttributePath::new("deletion").attribute("protection");
    assert_eq!(cluster.state.get(&protection), Some(&Value::from(false)));
    for computed in ["id", "nodes", "planned_steps"] {
        assert_eq!(cluster.state.attribute(computed), before.attribute(computed), "{computed}");
    }
    core.stop().await.unwrap();
}

/// The plan was made while the cluster was well, and then its hosts went away.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_update_keeps_what_is_done_with_the_state_alone() {
    let core = configured(Profile::TERRAFORM_1_11).await;
    let (mut cluster, mut settings) = lost_cluster(&core, json!({ "protection": true })).await;
    settings["deletion"] = json!({ "protection": false });
    settings["timeouts"] = json!({ "update": "5m" });
    settings["kubernetes_version"] = json!("1.35.5");
    let before = cluster.state.clone();
    reported(cluster.apply(settings).await.unwrap_err());
    let protection = AttributePath::new("deletion").attribute("protection");
    assert_eq!(cluster.state.get(&protection), Some(&Value::from(false)));
    assert_eq!(cluster.state.attribute("kubernetes_version"), before.attribute("kubernetes_version"));
    core.stop().await.unwrap();
}
