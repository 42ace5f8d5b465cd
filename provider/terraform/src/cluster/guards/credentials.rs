//! Guards of the machine that runs Terraform: credentials of a host are read when it proves to be of the cluster, and then
//! nothing in them runs here.

use std::path::Path;

use kubeone_hosts::RemoteFile;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tfplugin::{ImportTarget, Value};

use super::{known, running};
use crate::private;
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, settings};
use crate::testing::machine::Machine;

const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
const REFUSED: &str = "`users[0].user.exec` is not accepted";

/// The kubeconfig of the cluster, with a user who is made by a command that leaves a trace here.
fn with_command(cluster: &FakeCluster, trace: &Path) -> String {
    let (before, user) = cluster.kubeconfig.split_once("    client-certificate-data").unwrap();
    let (_, after) = user.split_once("contexts:").unwrap();
    let exec = format!(
        "{{ apiVersion: client.authentication.k8s.io/v1, command: touch, args: [{trace:?}], interactiveMode: Never }}"
    );
    format!("{before}    exec: {exec}\ncontexts:{after}")
}

/// The cluster with a control plane that hands out such a kubeconfig.
fn hostile(cluster: &FakeCluster, trace: &Path) -> Fleet {
    let file = RemoteFile::private(ADMIN_CONF, with_command(cluster, trace));
    let manifest = RemoteFile::public("/etc/kubernetes/manifests/kube-apiserver.yaml", "- --secure-port=6443");
    let machine = Machine::node("cp-1", UID, cluster, true).with(|rest| rest.has_file(file).has_file(manifest));
    Fleet::running(cluster).with("10.0.0.11", machine)
}

/// Whether credentials of the control plane were read, or a stream to it was opened.
fn was_used(fleet: &Fleet) -> bool {
    let asked = fleet.control_plane().asked();
    asked.iter().any(|call| call.starts_with("tunnel") || *call == format!("read {ADMIN_CONF}"))
}

fn reference() -> Json {
    let mut cluster = settings();
    let names = ["name", "kubernetes_version", "api_endpoint", "control_plane", "static_workers"];
    cluster.as_object_mut().unwrap().retain(|name, _| names.contains(&name.as_str()));
    cluster["id"] = json!(UID);
    cluster
}

/// Why the cluster is not healthy, as the data source tells it.
async fn reasons(fleet: &Fleet) -> String {
    let core = fleet.core().await;
    let status = core.read_data_source("kubeone_cluster_status", json!({ "cluster": reference() })).await.unwrap();
    format!("{:?}", status.attribute("reasons"))
}

#[tokio::test]
async fn a_status_runs_no_command_of_a_host() {
    let home = TempDir::new().unwrap();
    let trace = home.path().join("trace");
    let cluster = FakeCluster::new(UID);
    let fleet = hostile(&cluster, &trace);
    let told = reasons(&fleet).await;
    assert!(told.contains(REFUSED), "{told}");
    fleet.control_plane().change(|facts| facts.marker = kubeone_facts::MarkerFile::Absent);
    let told = reasons(&fleet).await;
    assert!(told.contains("cp-1 carries no cluster of this provider") && !told.contains("exec"), "{told}");
    assert!(!trace.exists(), "the host ran a command here");
}

#[tokio::test]
async fn neither_refresh_nor_plan_nor_apply_use_a_host_that_lost_its_marker() {
    let home = TempDir::new().unwrap();
    let trace = home.path().join("trace");
    let (cluster, _, core) = running().await;
    let before = known(&core, &settings()).await;
    let changed = hostile(&cluster, &trace);
    changed.control_plane().change(|facts| facts.marker = kubeone_facts::MarkerFile::Absent);
    let core = changed.core().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    (instance.state, instance.private) = (before.state.clone(), before.private.clone());
    instance.refresh().await.unwrap();
    let refused = errors(instance.plan(settings()).await.unwrap_err());
    assert!(refused.iter().any(|error| error.contains("cp-1 is refused")), "{refused:?}");
    // A plan that was made before.
    (instance.state, instance.private) = (before.state.clone(), before.private.clone());
    let change = super::with(|settings| settings["static_workers"]["w-1"]["labels"] = json!({ "a": "b" }));
    let refused = errors(instance.apply(change).await.unwrap_err());
    assert!(refused.iter().any(|error| error.contains("cp-1 is refused")), "{refused:?}");
    assert!(!was_used(&changed), "{:?}", changed.control_plane().asked());
    assert!(!trace.exists(), "the host ran a command here");
}

#[tokio::test]
async fn an_import_and_a_mint_take_no_more_than_kubeadm_writes() {
    let home = TempDir::new().unwrap();
    let trace = home.path().join("trace");
    let cluster = FakeCluster::new(UID);
    let fleet = hostile(&cluster, &trace);
    let core = fleet.core().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    let said = errors(instance.import(ImportTarget::Id("10.0.0.11".to_owned())).await.unwrap_err());
    assert!(said[0].contains(REFUSED), "{said:?}");

    let printed = with_command(&cluster, &trace);
    let machine = Machine::node("cp-1", UID, &cluster, true);
    let machine = machine.with(|rest| rest.answers("os/linux/mint_kubeconfig.sh", printed));
    let core = Fleet::running(&cluster).with("10.0.0.11", machine).core().await;
    let said = errors(core.open_ephemeral("kubeone_kubeconfig", json!({ "cluster": reference() })).await.unwrap_err());
    assert!(said[0].contains(REFUSED), "{said:?}");
    assert!(!trace.exists(), "the host ran a command here");
}

/// As after an import: no marker says so, and the CA that the state holds does.
#[tokio::test]
async fn a_node_without_a_marker_is_known_by_the_authority_in_the_state() {
    let (cluster, _, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let observed = private::decode(&instance.private).unwrap();
    let authority = observed.api_facts().unwrap().ca_sha256.clone();
    assert!(instance.state.attribute("ca_certificate").as_str().is_some_and(|pem| pem.contains("BEGIN CERTIFICATE")));

    let stranger = FakeCluster::new(UID);
    // The last is a stranger's, who took the machine and shows the right CA certificate, as anyone can.
    for (api, other_ca, is_read, is_asked) in
        [(&cluster, false, true, true), (&cluster, true, false, false), (&stranger, false, true, false)]
    {
        let fleet = Fleet::running(api);
        fleet.control_plane().change(|facts| {
            facts.marker = kubeone_facts::MarkerFile::Absent;
            facts.kubernetes.ca_sha256.clone_from(&authority);
        });
        let core = fleet.core().await;
        let mut seen = core.resource("kubeone_cluster").unwrap();
        (seen.state, seen.private) = (instance.state.clone(), instance.private.clone());
        if other_ca {
            seen.state.set(&"ca_certificate".into(), Value::from("-----BEGIN CERTIFICATE-----\n"));
        }
        seen.refresh().await.unwrap();
        let tunnels = fleet.control_plane().asked().iter().filter(|call| call.starts_with("tunnel")).count();
        assert_eq!((was_used(&fleet), tunnels > 0), (is_read, is_asked), "{:?}", fleet.control_plane().asked());
        if is_asked {
            let planned = seen.plan(settings()).await.unwrap();
            assert!(
                format!("{:?}", planned.state.attribute("planned_steps")).contains("cp-1: adopt"),
                "{:?}",
                planned.state
            );
        }
    }
    instance.refresh().await.unwrap();
}
