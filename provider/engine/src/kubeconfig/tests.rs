//! Which control plane is asked for a certificate, with what, and what is made of its answer.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::expect;
use kubeone_hosts::{Call, FakeHost, RemoteFile};
use serde_json::json;

use super::*;

const SCRIPT: &str = "os/linux/mint_kubeconfig.sh";
/// What kubeadm printed on a host of a cluster that is no more.
const PRINTED: &str = include_str!("testdata/printed.yaml");
const UID: &str = "00000000-0000-0000-0000-000000000001";

fn wanted() -> KubeconfigSpec {
    serde_json::from_value(json!({
        "cluster": {
            "id": UID, "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        },
        "groups": ["ops", "dev"],
    }))
    .unwrap()
}

/// A host with the marker of a cluster, finished when it has a uid.
fn marked(name: &str, cluster: &str, uid: Option<&str>) -> FakeHost {
    let content = json!({ "cluster": cluster, "uid": uid, "provider_version": "0.1.0" }).to_string().into_bytes();
    FakeHost::new(name).has_file(RemoteFile { path: marker::PATH.into(), content: content.into(), mode: 0o644 })
}

type ByName = BTreeMap<String, Arc<dyn Host>>;

fn hosts<const N: usize>(hosts: [FakeHost; N]) -> (ByName, [Arc<FakeHost>; N]) {
    let fakes = hosts.map(Arc::new);
    let hosts = fakes.iter().map(|host| (host.name().to_owned(), host.clone() as Arc<dyn Host>)).collect();
    (hosts, fakes)
}

/// It looks well, and kubeadm on it waits for something.
#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_not_waited_for() {
    let (hosts, _) = hosts([
        marked("cp-1", "prod", Some(UID)).hangs(SCRIPT),
        marked("cp-2", "prod", Some(UID)).answers(SCRIPT, PRINTED),
    ]);
    mint_kubeconfig(&wanted(), &hosts).await.unwrap();
    let (hosts, _) = self::hosts([marked("cp-1", "prod", Some(UID)).hangs(SCRIPT)]);
    let error = mint_kubeconfig(&wanted(), &hosts).await.unwrap_err();
    assert!(error.to_string().contains("cp-1: no certificate came within 20 s"), "{error}");
}

#[tokio::test]
async fn a_finished_control_plane_signs() {
    let (hosts, [dead, other, good]) = hosts([
        FakeHost::new("cp-1").unreachable(),
        marked("cp-2", "prod", None),
        marked("cp-3", "prod", Some(UID)).answers(SCRIPT, PRINTED),
    ]);
    let kubeconfig = mint_kubeconfig(&wanted(), &hosts).await.unwrap();
    assert_eq!(dead.log(), [""; 0]);
    assert_eq!(other.log(), ["read /etc/kubeone/cluster.json"]);
    let [Call::Read(_), Call::Run(script)] = &good.calls()[..] else { panic!("{:?}", good.log()) };
    assert_eq!(script.value("CLIENT_NAME"), Some("terraform"));
    assert_eq!(script.value("GROUPS_OF_CLIENT"), Some("ops\ndev"));
    assert_eq!(script.value("VALIDITY"), Some("1h"));
    expect![[r#"
        apiVersion: kubeadm.k8s.io/v1beta4
        kind: ClusterConfiguration
        clusterName: prod
        controlPlaneEndpoint: 10.0.0.9:6443
        encryptionAlgorithm: ECDSA-P256
    "#]]
    .assert_eq(script.value("CONFIG").unwrap());
    assert_eq!(kubeconfig.host, "https://10.0.0.9:6443");
    assert!(kubeconfig.ca_certificate.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(kubeconfig.client_certificate.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(kubeconfig.client_key.expose().starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
    expect!["2026-11-22T21:49:45Z"].assert_eq(&kubeconfig.expires_at);
}

#[tokio::test]
async fn the_file_is_one_for_the_server_that_is_wanted() {
    let (hosts, _) = hosts([marked("cp-1", "prod", Some(UID)).answers(SCRIPT, PRINTED)]);
    let wanted = KubeconfigSpec { server: Some("https://bastion:16443".to_owned()), ..wanted() };
    let kubeconfig = mint_kubeconfig(&wanted, &hosts).await.unwrap();
    let read_again = kubeone_kubernetes::Kubeconfig::parse(kubeconfig.kubeconfig.expose().as_bytes()).unwrap();
    assert_eq!(read_again.client_key().expose(), kubeconfig.client_key.expose());
    let shortened: Vec<_> = kubeconfig.kubeconfig.expose().lines().map(|line| &line[..line.len().min(48)]).collect();
    expect![[r#"
        apiVersion: v1
        kind: Config
        clusters:
        - name: prod
          cluster:
            server: https://bastion:16443
            certificate-authority-data: LS0tLS1CRUdJTiBD
        users:
        - name: terraform
          user:
            client-certificate-data: LS0tLS1CRUdJTiBDRVJ
            client-key-data: LS0tLS1CRUdJTiBFQyBQUklWQVR
        contexts:
        - name: terraform@prod
          context:
            cluster: prod
            user: terraform
        current-context: terraform@prod"#]]
    .assert_eq(&shortened.join("\n"));
}

#[tokio::test]
async fn strangers_and_unfinished_hosts_are_not_asked() {
    let (hosts, _) = hosts([
        marked("cp-1", "test", Some(UID)),
        marked("cp-2", "prod", Some("another")),
        FakeHost::new("cp-3"),
        FakeHost::new("cp-4").unreachable(),
    ]);
    let error = mint_kubeconfig(&wanted(), &hosts).await.unwrap_err();
    expect!["no control plane answers: cp-1: it belongs to the cluster `test`; cp-2: it belongs to another cluster of the same name, with the id another; cp-3: no cluster is on it; cp-4: the host could not be worked on: [cp-4] the connection was lost during `read /etc/kubeone/cluster.json`"].assert_eq(&error.to_string());
}

#[tokio::test]
async fn another_control_plane_is_asked_when_one_fails() {
    let (hosts, _) = hosts([
        marked("cp-1", "prod", Some(UID)).fails(SCRIPT, 1, "the key of the cluster's CA is not on this host"),
        marked("cp-2", "prod", Some(UID)).answers(SCRIPT, PRINTED),
    ]);
    mint_kubeconfig(&wanted(), &hosts).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_not_quoted() {
    for printed in [PRINTED.replace("client-key-data", "client-kex-data"), PRINTED.replace("LS0t", "hunter2")] {
        let (hosts, _) = hosts([marked("cp-1", "prod", Some(UID)).answers(SCRIPT, printed.clone())]);
        let error = mint_kubeconfig(&wanted(), &hosts).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("the kubeconfig that kubeadm made"), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("LS0t"), "{told}");
    }
}

#[test]
fn a_new_one_is_due_in_the_last_third_of_its_life() {
    let ttl: Span = "90m".parse().unwrap();
    let at = |time: &str| SystemTime::from(time.parse::<Timestamp>().unwrap());
    let end = "2030-01-01T12:00:00Z";
    assert!(!is_due(end, ttl, at("2030-01-01T11:30:00Z")));
    assert!(is_due(end, ttl, at("2030-01-01T11:30:01Z")));
    assert!(is_due(end, ttl, at("2031-01-01T00:00:00Z")));
    assert!(is_due("soon", ttl, at("2020-01-01T00:00:00Z")));
}
