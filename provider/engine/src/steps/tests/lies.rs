//! A control plane that lies: steps on other hosts do not go by it.

use kubeone_facts::SnapshotCause;

use super::restore::{NAME, description};
use super::*;

/// A snapshot of this name.
fn described(name: &str) -> Value {
    let mut described = description(UID, b"data");
    described["name"] = json!(name);
    described
}

/// It claims more snapshots than are kept, each later than those that there are.
#[tokio::test]
async fn snapshots_that_one_control_plane_claims_cost_no_other_one_its_own() {
    let knows = |names: &[&str]| {
        let held = |name: &&str| json!({ "held": true, "description": described(name).to_string() });
        let held: Vec<_> = names.iter().map(held).collect();
        seen(json!({ "marker": marker(Some(UID)), "snapshots": held }))
    };
    let host = |name: &str, facts: String| {
        FakeHost::new(name).answers("os/linux/observe.sh", facts).answers("os/linux/prune_snapshots.sh", "")
    };
    let old = "prod-20250101T000000Z-r1-v1.35.4";
    let honest = host("cp-1", knows(&[old]))
        .answers("os/linux/etcd_members.sh", r#"{"members":[]}"#)
        .answers("os/linux/take_snapshot.sh", described(NAME).to_string());
    let claimed: Vec<_> = (1..9).map(|n| format!("prod-2025120{n}T000000Z-r2-v1.35.4")).collect();
    let claimed: Vec<_> = claimed.iter().map(String::as_str).collect();
    let (hosts, fakes) = hosts([honest, host("cp-2", knows(&claimed))]);
    let mut wanted = Wanted::new(spec());
    wanted.spec.backup.keep = 3;
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let cause = SnapshotCause::Trigger("new".to_owned());
    assert_eq!(take_snapshot::run(&cx, "cp-1", &cause).await.unwrap(), Outcome::Done);
    assert_eq!(variable(&fakes["cp-1"], "os/linux/prune_snapshots.sh", "KEEP"), format!("{old}\n{NAME}"));
    let of_liar = variable(&fakes["cp-2"], "os/linux/prune_snapshots.sh", "KEEP");
    assert_eq!(of_liar, format!("{}\n{}\n{NAME}", claimed[6], claimed[7]));
}

/// One of three remembers a restore that the others do not know of. Whoever joins takes keys and members from those.
#[tokio::test]
async fn who_joins_does_not_follow_one_that_alone_remembers_a_restore() {
    for (believed, from) in [(false, "cp-1"), (true, "cp-2")] {
        let lie = json!({
            "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": "2026-02-01T00:00:00Z snapshot x",
        });
        let member = r#"{"members":[{"ID":"1","name":"cp-1"},{"ID":"2","name":"cp-2"},{"ID":"3","name":"cp-3"}]}"#;
        let control_plane = |name: &str, marker: String| {
            peer_named(name)
                .has_file(RemoteFile::public(kubeone_facts::marker::PATH, marker))
                .has_file(RemoteFile::public("/etc/kubernetes/pki/ca.crt", "no certificate"))
                .answers("os/linux/etcd_members.sh", member)
        };
        let newcomer = FakeHost::new("cp-4").answers("os/linux/observe.sh", seen(json!({ "marker": marker(None) })));
        let (hosts, fakes) = hosts([
            control_plane("cp-1", marker(Some(UID))),
            control_plane("cp-2", lie.to_string()),
            control_plane("cp-3", marker(Some(UID))),
            newcomer,
        ]);
        let api = FakeApi::new();
        expect_namespace(&api);
        expect_nodes(&api, &[]);
        api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
        let hosts_of = ["cp-1", "cp-2", "cp-3", "cp-4"];
        let mut wanted = Wanted::new(spec());
        let any = wanted.spec.control_plane["cp-1"].clone();
        wanted.spec.control_plane = hosts_of.iter().map(|name| ((*name).to_owned(), any.clone())).collect();
        for (number, host) in wanted.spec.control_plane.values_mut().enumerate() {
            host.address = format!("10.0.1.{number}");
        }
        let mut observed = kubeone_facts::Observed::default();
        if believed {
            // The plan was made when the one that remembers it was the only one with data.
            let marker: Marker = serde_json::from_value(lie.clone()).unwrap();
            let facts = HostFacts { marker: marker.into(), ..HostFacts::default() };
            observed.hosts.insert("cp-2".to_owned(), kubeone_facts::HostState::Reached(Box::new(facts)));
        }
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster()).after(&observed);
        // As with any join; here the test ends, for such a CA is none.
        let error = join_control_plane::run(&cx, "cp-4").await.unwrap_err();
        assert!(error.to_string().contains("CA"), "{error}");
        let gives_keys = |name: &&str| fakes[*name].log().iter().any(|call| call.contains("pki/ca.key"));
        assert_eq!(hosts_of.iter().filter(|name| **name != "cp-4").find(|name| gives_keys(name)), Some(&from));
    }
}
