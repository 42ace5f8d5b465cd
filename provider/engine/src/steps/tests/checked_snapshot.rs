//! Steps that bring a snapshot to where it is restored.

use sha2::{Digest as _, Sha256};

use super::restore::{NAME, WHAT, from_snapshot, holder, plain_copy, that_received, that_receives};
use super::*;

#[tokio::test]
async fn a_snapshot_on_the_host_is_checked_before_anything_is_stopped() {
    let (hosts, fakes) = hosts([holder(UID).answers("os/linux/check_snapshot.sh", "")]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    assert_eq!(prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap(), Outcome::Done);
    let of = |name| variable(&fakes["cp-1"], "os/linux/check_snapshot.sh", name);
    assert_eq!(of("SNAPSHOT"), format!("/var/backups/kubeone/{NAME}.db"));
    assert_eq!((of("PARTS"), of("SHA256")), (String::new(), hex::encode(Sha256::digest(b"data"))));
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
            run os/linux/check_snapshot.sh as kubeone-restore
        "#]],
    );
}

#[tokio::test]
async fn a_damaged_snapshot_on_the_host_is_told_and_not_brought_from_elsewhere() {
    let (hosts, fakes) = hosts([holder(UID).fails("os/linux/check_snapshot.sh", 1, "is damaged")]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let error = prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap_err();
    assert!(crate::observe::causes(&error).contains("is damaged"), "{error}");
    assert_eq!(fakes["cp-1"].unused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_snapshot_of_another_cluster_is_refused_before_anything_is_done() {
    let (hosts, fakes) = hosts([holder("another")]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let error = prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap_err();
    assert!(error.to_string().contains("another cluster"), "{error}");
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
        "#]],
    );
}

/// A large one, so that it takes more than one part.
#[tokio::test]
async fn a_file_of_this_machine_is_sent_in_parts() {
    let database: Vec<u8> = (0..=250_u8).cycle().take(5 << 20).collect();
    let (_home, local) = plain_copy(UID, &database);
    let (hosts, fakes) = hosts([that_receives(holder(UID))]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.db")));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_local(local);
    prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap();
    let host = &fakes["cp-1"];
    assert_eq!(variable(host, "os/linux/receive_snapshot.sh", "SIZE"), database.len().to_string());
    let parts = variable(host, "os/linux/check_snapshot.sh", "PARTS");
    let sent: Vec<u8> = parts.lines().flat_map(|part| host.file(part).unwrap().content.expose().clone()).collect();
    assert_eq!((parts.lines().count(), sent == database), (2, true));
    log(
        host,
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
            read /var/backups/kubeone/incoming/prod-20260102T030405Z-r7-v1.35.4.json
            run os/linux/receive_snapshot.sh
            write /var/backups/kubeone/incoming/prod-20260102T030405Z-r7-v1.35.4.part-000000 600
            write /var/backups/kubeone/incoming/prod-20260102T030405Z-r7-v1.35.4.part-000001 600
            run os/linux/check_snapshot.sh as kubeone-restore
            write /var/backups/kubeone/incoming/prod-20260102T030405Z-r7-v1.35.4.json 600
        "#]],
    );
}

#[tokio::test]
async fn what_was_sent_and_is_damaged_is_sent_again() {
    let (_home, local) = plain_copy(UID, b"data");
    let host = that_received(holder(UID)).fails("os/linux/check_snapshot.sh", 1, "is damaged");
    let (hosts, fakes) = hosts([that_receives(host)]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.db")));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_local(local);
    assert_eq!(prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap(), Outcome::Done);
    assert_eq!(fakes["cp-1"].unused(), Vec::<String>::new());
}

/// A file that is not there, and one of another cluster: the host is only looked at.
#[tokio::test]
async fn a_copy_that_cannot_be_used_stops_nothing() {
    let (_home, local) = plain_copy("another", b"data");
    for (file, expected) in [("mistyped", "could not be read"), (NAME, "one of another cluster")] {
        let (hosts, fakes) = hosts([holder(UID)]);
        let wanted = Wanted::new(from_snapshot(&format!("~/{file}.db")));
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_local(local.clone());
        let error = prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap_err();
        assert!(crate::observe::causes(&error).contains(expected), "{error}");
        assert!(fakes["cp-1"].log().iter().all(|call| !call.contains("stop") && !call.contains("write")));
    }
}

/// Taken away later, they would take the snapshot with them.
#[tokio::test]
async fn traces_of_an_earlier_restore_go_before_the_snapshot_comes() {
    let earlier = "snapshot prod-20250102T030405Z-r1-v1.35.4";
    let marker = json!({
        "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": format!("2026-01-01T00:00:00Z {earlier}"),
    });
    let begun = json!({ "what": earlier, "replaced": true });
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker.to_string(), "restore": begun })))
        .answers("os/linux/end_restore.sh", "");
    let (_home, local) = plain_copy(UID, b"data");
    let (hosts, fakes) = hosts([that_receives(host)]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.db")));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_local(local);
    prepare_restore::run(&cx, "cp-1", WHAT).await.unwrap();
    let position = |script: &str| fakes["cp-1"].log().iter().position(|call| call.contains(script));
    assert!(position("end_restore") < position("receive_snapshot"));
}
