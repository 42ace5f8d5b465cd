//! Files that decide something and are damaged, as the script finds them.

use std::os::unix::fs::symlink;

use super::*;

fn unusable(reason: &str) -> Value {
    json!({ "unusable": reason })
}

#[test]
fn a_marker_that_is_there_and_cannot_be_used_says_why() {
    let root = TempDir::new().unwrap();
    let marker = root.path().join("etc/kubeone/cluster.json");
    fs::create_dir_all(marker.parent().unwrap()).unwrap();
    assert_eq!(observe(root.path())["marker"], "");
    for (content, expected) in [
        (Vec::new(), unusable("it is empty")),
        (b" \n\t".to_vec(), unusable("it is empty")),
        (vec![0; 4096], unusable("it is empty")),
        (vec![b'x'; 131_073], unusable("it is larger than 128 KiB")),
        (b"{\"cluster\":".to_vec(), json!("{\"cluster\":")),
        // More than a pipe holds.
        (vec![b'x'; 131_072], json!("x".repeat(131_072))),
    ] {
        fs::write(&marker, &content).unwrap();
        assert_eq!(observe(root.path())["marker"], expected, "{} bytes", content.len());
    }
    fs::remove_file(&marker).unwrap();
    symlink("/nowhere", &marker).unwrap();
    assert_eq!(observe(root.path())["marker"], unusable("it is a link to nothing"));
    fs::remove_file(&marker).unwrap();
    fs::create_dir(&marker).unwrap();
    assert_eq!(observe(root.path())["marker"], unusable("it is a folder"));
    fs::remove_dir(&marker).unwrap();
    assert!(Command::new("mkfifo").arg(&marker).status().unwrap().success());
    assert_eq!(observe(root.path())["marker"], unusable("it is no file"));
}

#[test]
fn a_record_a_note_and_a_description_that_are_damaged_are_named() {
    let root = TempDir::new().unwrap();
    let empty = [
        "etc/kubernetes/kubelet.conf",
        "etc/kubeone/recorded/files.sha256",
        "etc/kubeone/renewal",
        "etc/kubeone/kubelet.conf.d/settings.conf",
        "etc/kubernetes/kubeone-restore/held/etcd.yaml",
        "var/backups/kubeone/x.json",
    ];
    for path in empty {
        write(root.path(), path, "");
    }
    let seen = observe(root.path());
    assert_eq!((&seen["unrecorded"], &seen["renewal_begun"]), (&json!(true), &json!(["?"])));
    assert_eq!((&seen["kubelet_settings"], &seen["changed_files"]), (&json!("damaged"), &json!([])));
    // Manifests are held, and no note says for which restore.
    assert_eq!(seen["restore"], json!({ "what": "", "replaced": false }));
    assert_eq!(seen["snapshots"][0]["description"], unusable("it is empty"));
    assert_eq!(seen["unusable_files"].as_object().unwrap().len(), 3, "{seen}");
}

#[test]
fn a_record_that_was_cut_off_is_none() {
    let root = TempDir::new().unwrap();
    write(root.path(), "etc/kubernetes/kubelet.conf", "x");
    let line = format!("{}  /etc/hostname\n", "0".repeat(64));
    for (record, unrecorded) in [(line.clone(), false), (line[..40].to_owned(), true), (line + "00", true)] {
        write(root.path(), "etc/kubeone/recorded/files.sha256", &record);
        assert_eq!(observe(root.path())["unrecorded"], unrecorded, "{record}");
    }
}

#[test]
fn what_is_whole_is_told_as_it_is() {
    let root = TempDir::new().unwrap();
    write(root.path(), "etc/kubeone/renewal", "apiserver\netcd-server\n");
    write(root.path(), "etc/kubernetes/kubeone-restore/what", "snapshot x\nafter 2026-01-01T00:00:00Z y\n");
    write(root.path(), "etc/kubernetes/kubeone-restore/replaced", "snapshot x\nafter 2026-01-01T00:00:00Z y\n");
    let seen = observe(root.path());
    assert_eq!(seen["renewal_begun"], json!(["apiserver", "etcd-server"]));
    assert_eq!(seen["restore"], json!({ "what": "snapshot x\nafter 2026-01-01T00:00:00Z y", "replaced": true }));
    assert_eq!((&seen["unusable_files"], &seen["kubelet_settings"]), (&json!({}), &json!("")));
    assert_eq!(seen["clock"].as_str().unwrap().len(), "2026-01-01T00:00:00Z".len());
}
