//! `data "kubeone_cluster_status"` against a client that plays Terraform core: it answers whatever the cluster does.
#![cfg(unix)]

use serde_json::{Value as Json, json};
use tfplugin::Value;
use tfplugin::simulator::{Core, Failure, Profile};

const KIND: &str = "kubeone_cluster_status";
/// Nothing listens there.
const CLOSED_PORT: u16 = 1;

async fn start() -> Core {
    let program = env!("CARGO_BIN_EXE_terraform-provider-kubeone");
    Core::start(program.as_ref(), Profile::TERRAFORM_1_11).await.expect("the provider starts")
}

fn ssh(private_key: impl Into<Value>) -> Value {
    let rest = [("connect_timeout_seconds", Value::from(1_i64)), ("known_hosts_file", Value::from("/dev/null"))];
    Value::object([("ssh", Value::object(rest.into_iter().chain([("private_key", private_key.into())])))])
}

async fn configured() -> Core {
    let core = start().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
    core.configure(ssh(key)).await.expect("the settings are valid");
    core
}

fn config() -> Json {
    let host = |address: &str| json!({ "address": address, "ssh_port": CLOSED_PORT });
    json!({ "cluster": {
        "id": "uid", "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "127.0.0.1" },
        "control_plane": { "cp-1": host("127.0.0.1") }, "static_workers": { "w-1": host("127.0.0.2") },
    } })
}

fn reasons(state: &Value) -> Vec<&str> {
    assert_eq!(state.attribute("healthy").as_bool(), Some(false));
    state.attribute("reasons").as_list().expect("a list").iter().filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_is_not_healthy_and_no_error() {
    let core = configured().await;
    let state = core.read_data_source(KIND, config()).await.unwrap();
    let reasons = reasons(&state);
    assert!(reasons[0].starts_with("cp-1 cannot be reached: "), "{reasons:?}");
    assert!(reasons[1].starts_with("w-1 cannot be reached: "), "{reasons:?}");
    assert_eq!(
        reasons[2..],
        ["no control plane that can be reached carries a Kubernetes API", "no member of etcd answers"]
    );
    let conditions = state.attribute("conditions").as_map().unwrap();
    assert!(conditions.values().all(|it| it.as_bool() == Some(false)), "{conditions:?}");
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_ends_in_time() {
    let core = configured().await;
    // Nobody answers there, and nobody says so.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config["timeout"] = json!("1s");
    config["cluster"]["control_plane"]["cp-1"]["ssh_port"] = json!(silent.local_addr().unwrap().port());
    let began = std::time::Instant::now();
    let state = core.read_data_source(KIND, config).await.unwrap();
    assert!(began.elapsed().as_secs() < 10);
    let reasons = reasons(&state);
    assert!(reasons[0].contains("1s") || reasons[0].starts_with("cp-1 cannot be reached"), "{reasons:?}");
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_not_known_yet_are_a_reason() {
    let core = start().await;
    core.configure(ssh(Value::unknown())).await.unwrap();
    let state = core.read_data_source(KIND, config()).await.unwrap();
    assert_eq!(reasons(&state), ["values in the block `provider \"kubeone\"` are known only after apply"]);
    core.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_settings_can_be_an_error() {
    let core = configured().await;
    let cases = [
        ("/timeout", json!("soon"), "timeout"),
        ("/cluster/control_plane", json!({}), "cluster.control_plane"),
        ("/cluster/control_plane/cp-1/ssh_host_key", json!("x"), r#"cluster.control_plane["cp-1"].ssh_host_key"#),
    ];
    for (pointer, value, path) in cases {
        let mut config = config();
        config["timeout"] = json!("5s");
        config["cluster"]["control_plane"]["cp-1"]["ssh_host_key"] = Json::Null;
        *config.pointer_mut(pointer).unwrap() = value;
        match core.read_data_source(KIND, config).await.unwrap_err() {
            Failure::Reported { diagnostics } => {
                let error = diagnostics.into_iter().next().unwrap();
                assert_eq!(error.path.as_ref().map(ToString::to_string).as_deref(), Some(path), "{error:?}");
            }
            other => unreachable!("expected diagnostics, got {other:?}"),
        }
    }
    core.stop().await.unwrap();
}
