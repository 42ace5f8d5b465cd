//! `ephemeral "kubeone_kubeconfig"` against a client that plays Terraform core. What it hands out is shown on real hosts.
#![cfg(unix)]

use serde_json::{Value as Json, json};
use tfplugin::simulator::{Core, Failure, Profile};
use tfplugin::{AttributePath, Diagnostic, Value};

const KIND: &str = "kubeone_kubeconfig";
/// Nothing listens there.
const CLOSED_PORT: u16 = 1;

async fn start() -> Core {
    let program = env!("CARGO_BIN_EXE_terraform-provider-kubeone");
    Core::start(program.as_ref(), Profile::TERRAFORM_1_11).await.expect("the provider starts")
}

async fn configured() -> Core {
    let core = start().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
    let ssh = json!({ "private_key": key, "connect_timeout_seconds": 1, "known_hosts_file": "/dev/null" });
    core.configure(json!({ "ssh": ssh })).await.expect("the settings are valid");
    core
}

fn config() -> Json {
    let host = |address: &str| json!({ "address": address, "ssh_port": CLOSED_PORT });
    json!({ "cluster": {
        "id": "uid", "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "127.0.0.1" },
        "control_plane": { "cp-1": host("127.0.0.1"), "cp-2": host("127.0.0.2") },
    } })
}

fn reported(failure: Failure) -> Diagnostic {
    match failure {
        Failure::Reported { diagnostics } => diagnostics.into_iter().next().expect("a diagnostic"),
        other => unreachable!("expected diagnostics, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_control_plane_that_could_not_help_is_named() {
    let core = configured().await;
    let error = reported(core.open_ephemeral(KIND, config()).await.unwrap_err());
    assert_eq!(error.summary, "no kubeconfig could be made for the cluster `prod`");
    assert!(error.detail.contains("cp-1: ") && error.detail.contains("cp-2: "), "{}", error.detail);
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_where_they_are() {
    let core = configured().await;
    let cases = [
        ("/ttl", json!("1s"), "ttl"),
        ("/groups", json!(["a,b"]), "groups[0]"),
        ("/cluster/control_plane", json!({}), "cluster.control_plane"),
        ("/cluster/kubernetes_version", json!("new"), "cluster.kubernetes_version"),
    ];
    for (pointer, value, path) in cases {
        let mut config = config();
        config["ttl"] = json!("1h");
        config["groups"] = json!([]);
        *config.pointer_mut(pointer).unwrap() = value;
        let error = reported(core.open_ephemeral(KIND, config).await.unwrap_err());
        assert_eq!(error.path.as_ref().map(ToString::to_string).as_deref(), Some(path), "{error:?}");
    }
    core.stop().await.unwrap();
}

/// Terraform waits for unknown values by itself. A client that asks all the same is told why nothing comes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_up_for_what_is_not_known() {
    let core = configured().await;
    let mut unknown = Value::from(config());
    assert!(unknown.set(&AttributePath::new("cluster").attribute("id"), Value::unknown()));
    reported(core.open_ephemeral(KIND, unknown).await.unwrap_err());
    core.stop().await.unwrap();

    let core = start().await;
    core.configure(Value::object([("ssh", Value::object([("private_key", Value::unknown())]))])).await.unwrap();
    reported(core.open_ephemeral(KIND, config()).await.unwrap_err());
    core.stop().await.unwrap();
}
