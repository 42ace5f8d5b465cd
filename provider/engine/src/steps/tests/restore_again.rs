//! Restores of data that were restored before, when others were in between: what an earlier one left is no part of it.

use kubeone_plan::restore_record::id;

use super::restore::{NAME, WHAT, description, from_snapshot, restored_api, that_restores};
use super::*;

/// The same data were restored first, then those of a survivor; now they are wanted again.
const FIRST: &str = "2026-01-01T00:00:00Z";
const BETWEEN: &str = "2026-02-01T00:00:00Z the data of cp-2";

/// A control plane that was out of reach for the restore in between.
fn that_missed_it(restore: Option<&Value>) -> FakeHost {
    that_remembers(FIRST, restore)
}

fn that_remembers(when: &str, restore: Option<&Value>) -> FakeHost {
    let marker = json!({
        "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": format!("{when} {WHAT}"),
    });
    let snapshots = json!([{ "held": true, "description": description(UID, b"data").to_string() }]);
    let facts = json!({ "marker": marker.to_string(), "restore": restore, "snapshots": snapshots });
    peer().answers("os/linux/observe.sh", seen(facts))
}

/// As where `stop_control_plane.sh` was cut off: what it holds aside is not taken away as the trace of the first one.
#[tokio::test]
async fn manifests_that_are_held_for_it_are_kept() {
    let what = id(WHAT, Some(BETWEEN));
    let host = that_missed_it(Some(&json!({ "what": what, "replaced": false })));
    let (hosts, fakes) = hosts([host.answers("os/linux/stop_control_plane.sh", "")]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    stop_control_plane::run(&cx, "cp-1", &what).await.unwrap();
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
            run os/linux/stop_control_plane.sh as kubeone-restore
        "#]],
    );
}

#[tokio::test]
async fn traces_of_the_first_one_are_taken_away() {
    let host = that_missed_it(Some(&json!({ "what": WHAT, "replaced": true })));
    let host = host.answers("os/linux/end_restore.sh", "").answers("os/linux/stop_control_plane.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    stop_control_plane::run(&cx, "cp-1", &id(WHAT, Some(BETWEEN))).await.unwrap();
    assert_eq!(fakes["cp-1"].unused(), Vec::<String>::new());
}

/// All control planes have stopped for it by now.
#[tokio::test]
async fn etcd_gets_the_data_although_it_had_them_once() {
    let what = id(WHAT, Some(BETWEEN));
    let host = that_missed_it(Some(&json!({ "what": what, "replaced": false })));
    let (hosts, fakes) = hosts([that_restores(host)]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let api = restored_api();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(restore_etcd::run(&cx, "cp-1", &what).await.unwrap(), Outcome::Done);
    let host = &fakes["cp-1"];
    assert_eq!(variable(host, "os/linux/restore_etcd.sh", "WHAT"), what);
    let marker = marker_on(host);
    let restored = marker.restored.unwrap();
    assert!(restored.ends_with(&format!("Z {WHAT}")) && *restored > *BETWEEN, "{restored}");
}

/// The run was killed before the traces were gone, and goes on.
#[tokio::test]
async fn it_is_done_once_too() {
    let (hosts, _) = hosts([that_remembers("2026-03-01T00:00:00Z", None)]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let outcome = restore_etcd::run(&cx, "cp-1", &id(WHAT, Some(BETWEEN))).await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
}
