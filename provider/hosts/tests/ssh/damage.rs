//! Files that decide something and are damaged, as the observing script really finds them.

use kubeone_hosts::{Host as _, Os, Script, SshHost};
use serde_json::{Value, json};

use crate::server::Server;

const MARKER: &str = "/run/scratch/etc/kubeone/cluster.json";

/// What the script sees below a folder of the server's own `/run`.
async fn seen(host: &SshHost) -> Value {
    let script = Os::common().script("observe").unwrap();
    let body = ["/etc/kubeone/", "/etc/kubernetes/", "/var/backups/kubeone/"]
        .into_iter()
        .fold(script.body().to_owned(), |body, folder| body.replace(folder, &format!("/run/scratch{folder}")));
    let script = Script::new(script.name(), body).lines("FILES", ["/run/scratch/none"]);
    let printed = host.run(&script).await.unwrap().stdout;
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

async fn sh(host: &SshHost, body: &str) {
    host.run(&Script::new("test.sh", body)).await.unwrap();
}

#[tokio::test]
async fn a_marker_that_is_there_and_cannot_be_used_says_why() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    sh(&host, "mkdir -p /run/scratch/etc/kubeone").await;
    assert_eq!(seen(&host).await["marker"], "");
    for (how, expected) in [
        (format!(": >{MARKER}"), json!({ "unusable": "it is empty" })),
        (format!("printf ' \\n\\t' >{MARKER}"), json!({ "unusable": "it is empty" })),
        (format!("truncate --size 4096 {MARKER}"), json!({ "unusable": "it is empty" })),
        (format!("mkdir {MARKER}"), json!({ "unusable": "it is a folder" })),
        (format!("ln -s /nowhere {MARKER}"), json!({ "unusable": "it is a link to nothing" })),
        (format!("mkfifo {MARKER}"), json!({ "unusable": "it is no file" })),
        (format!("yes | head -c 2000000 >{MARKER}"), json!({ "unusable": "it is larger than 128 KiB" })),
        (format!("printf '{{\"cluster\":' >{MARKER}"), json!("{\"cluster\":")),
        (format!("yes | head -c 100000 | tr -d '\\n' >{MARKER}"), json!("y".repeat(50_000))),
    ] {
        sh(&host, &format!("rm -rf {MARKER}; {how}")).await;
        assert_eq!(seen(&host).await["marker"], expected, "{how}");
    }
}

#[tokio::test]
async fn a_record_a_note_and_a_description_that_are_damaged_are_named() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let etc = "/run/scratch/etc";
    sh(
        &host,
        &format!(
            "mkdir -p {etc}/kubeone/recorded {etc}/kubeone/kubelet.conf.d {etc}/kubernetes/kubeone-restore/held \
             /run/scratch/var/backups/kubeone\n\
             : >{etc}/kubernetes/kubelet.conf; : >{etc}/kubeone/recorded/files.sha256; : >{etc}/kubeone/renewal\n\
             : >{etc}/kubeone/kubelet.conf.d/settings.conf; : >/run/scratch/var/backups/kubeone/x.json\n\
             : >{etc}/kubernetes/kubeone-restore/held/etcd.yaml"
        ),
    )
    .await;
    let facts = seen(&host).await;
    assert_eq!(facts["unrecorded"], true);
    assert_eq!(facts["renewal_begun"], json!(["?"]));
    assert_eq!(facts["kubelet_settings"], "damaged");
    assert_eq!(facts["restore"], json!({ "what": "", "replaced": false }));
    assert_eq!(facts["snapshots"][0]["description"], json!({ "unusable": "it is empty" }));
    let damaged: Vec<_> = facts["unusable_files"].as_object().unwrap().keys().collect();
    assert_eq!(damaged.len(), 3, "{damaged:?}");
    // What is whole is as before.
    let record = "printf '%064d  /etc/hostname\\n' 0";
    sh(
        &host,
        &format!(
            "{record} >{etc}/kubeone/recorded/files.sha256; printf 'apiserver\\n' >{etc}/kubeone/renewal\n\
             printf 'snapshot x\\nafter y\\n' >{etc}/kubernetes/kubeone-restore/what; rm {etc}/kubeone/kubelet.conf.d/settings.conf"
        ),
    )
    .await;
    let facts = seen(&host).await;
    assert_eq!(facts["unrecorded"], false);
    assert_eq!(facts["changed_files"], json!(["/etc/hostname"]));
    assert_eq!(facts["renewal_begun"], json!(["apiserver"]));
    assert_eq!(facts["restore"], json!({ "what": "snapshot x\nafter y", "replaced": false }));
    assert_eq!((&facts["unusable_files"], &facts["kubelet_settings"]), (&json!({}), &json!("")));
}

/// Without the manifests that are held there would be no control plane.
#[tokio::test]
async fn a_restore_does_not_end_while_anything_is_held() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let work = "/run/scratch/kubeone-restore";
    sh(&host, &format!("mkdir -p {work}/held; : >{work}/held/etcd.yaml; : >{work}/what")).await;
    let script = Os::common().script("end_restore").unwrap();
    let body = script.body().replace("/etc/kubernetes/kubeone-restore", work);
    let end = Script::new(script.name(), body).var("INCOMING", "/run/scratch/incoming");
    let error = host.run(&end).await.unwrap_err().to_string();
    assert!(error.contains("etcd.yaml is still held aside"), "{error}");
    sh(&host, &format!("[[ -e {work}/what ]] && rm {work}/held/etcd.yaml")).await;
    host.run(&end).await.unwrap();
    host.run(&end).await.unwrap();
    sh(&host, &format!("[[ ! -e {work} ]]")).await;
}
