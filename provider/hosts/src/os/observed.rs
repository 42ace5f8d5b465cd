//! The script that looks at a host, run in a folder that stands for the host's root, with names of all kinds in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

#[path = "observed/damage.rs"]
mod damage;

/// What the script prints of a host with this root.
fn observe(root: &Path) -> Value {
    let script = Os::common().script("observe").unwrap().lines("FILES", ["/etc/managed", "/etc/absent", "/etc/folder"]);
    let mut text = String::from_utf8(script.render().unwrap().into_inner()).unwrap();
    for folder in ["/etc/", "/var/", "/run/kubeone/"] {
        text = text.replace(folder, &format!("{}{folder}", root.display()));
    }
    let printed = bash(&["-s"], &[], text.as_bytes());
    let (_, own) = printed.split_once("kubeone: script started\n").unwrap();
    serde_json::from_str(own).unwrap_or_else(|error| panic!("{error}: {own}"))
}

fn bash(options: &[&str], arguments: &[&[u8]], input: &[u8]) -> String {
    let mut bash = Command::new("bash")
        .env("LC_ALL", "C")
        .args(options)
        .args(arguments.iter().map(|it| OsStr::from_bytes(it)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(input).unwrap();
    let done = bash.wait_with_output().unwrap();
    assert!(done.status.success());
    // As output over SSH is read.
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn write(root: &Path, path: impl AsRef<OsStr>, content: impl AsRef<[u8]>) {
    let path = root.join(path.as_ref());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn names_of_all_kinds_are_told_as_they_are() {
    let root = TempDir::new().unwrap();
    let at = |path: &str| format!("{}/{path}", root.path().display());
    let pem = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
    for name in ["ca.crt", "ca backup.crt", "a\"b\\.crt", " lead and trail .crt", "two\nlines.crt", "\u{1b}[31m.crt"] {
        write(root.path(), format!("etc/kubernetes/pki/{name}"), pem);
    }
    for name in ["etcd", "my pod", "a\"b", "tab\there", "*"] {
        write(
            root.path(),
            format!("etc/kubernetes/manifests/{name}.yaml"),
            format!("spec:\n  image: \"i/{name}:1\"\n"),
        );
    }
    write(root.path(), "run/kubeone/kubeone init\"/run-id", "1");
    write(root.path(), "run/kubeone/kubeone init\"/exit", "0");
    let seen = observe(root.path());
    let certificates: Vec<_> = seen["certificates"].as_object().unwrap().keys().cloned().collect();
    let names = ["\u{1b}[31m.crt", " lead and trail .crt", "a\"b\\.crt", "ca backup.crt", "ca.crt", "two\nlines.crt"];
    assert_eq!(certificates, names.map(|name| at(&format!("etc/kubernetes/pki/{name}"))));
    assert_eq!(seen["kubernetes"]["static_pods"], json!(["*", "a\"b", "etcd", "my pod", "tab\there"]));
    assert_eq!(seen["kubernetes"]["images"]["my pod"], json!("\"i/my pod:1\""));
    assert_eq!(seen["kubernetes"]["images"]["a\"b"], json!("\"i/a\"b:1\""));
    assert_eq!(seen["units"], json!({ "kubeone init\"": "succeeded" }));
}

#[test]
fn os_release_is_data_and_not_a_program() {
    let root = TempDir::new().unwrap();
    let text = "# NAME=comment\n  ID=\"rocky\"\r\nID_LIKE='rhel centos fedora'\nVERSION_ID=\"9.4\"\n\
                VERSION_CODENAME=\"Blue \\\"Onyx\\\" \\$x\"\nPRETTY_NAME=\"$(touch PROOF)\"\ntouch PROOF\nID_LIKE\n\
                X=`touch PROOF`"
        .replace("PROOF", &format!("{}/proof", root.path().display()));
    write(root.path(), "etc/os-release", text);
    let os = &observe(root.path())["os"];
    assert_eq!(
        (&os["id"], &os["id_like"], &os["version_id"]),
        (&json!("rocky"), &json!("rhel centos fedora"), &json!("9.4"))
    );
    assert_eq!(os["version_codename"], json!("Blue \"Onyx\" $x"));
    assert!(!root.path().join("proof").exists());
    write(root.path(), "etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=jammy");
    assert_eq!(observe(root.path())["os"]["version_codename"], json!("jammy"));
    write(root.path(), "etc/os-release", [b"ID=deb\x1bian\xff\"".as_slice(), &[0; 9]].concat());
    assert_eq!(observe(root.path())["os"]["id"], json!("deb\u{1b}ian\u{fffd}\""));
}

#[test]
fn changed_files_are_named_whatever_they_are_called() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("etc/kubernetes");
    let names =
        ["same.yaml", "with blank: FAILED open or read.yaml", "back\\slash.yaml", "two\nlines.yaml", "gone.yaml"];
    for name in names {
        write(&folder, name, "before");
    }
    let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    let record = Command::new("sha256sum").args(&paths).output().unwrap();
    write(root.path(), "etc/kubeone/recorded/files.sha256", record.stdout);
    for path in &paths[1..4] {
        fs::write(path, "after").unwrap();
    }
    fs::remove_file(&paths[4]).unwrap();
    let expected: Vec<_> = paths[1..].iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(observe(root.path())["changed_files"], json!(expected));
}

#[test]
fn static_pods_of_kubeadm_and_the_modes_of_managed_files_are_told_in_full() {
    let root = TempDir::new().unwrap();
    let manifest = "spec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --x=\"y\\z\"\n\t\u{7f}é";
    let names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    for name in names.iter().chain(&["another"]) {
        write(root.path(), format!("etc/kubernetes/manifests/{name}.yaml"), manifest);
    }
    write(root.path(), "etc/managed", "x");
    fs::set_permissions(root.path().join("etc/managed"), fs::Permissions::from_mode(0o640)).unwrap();
    write(root.path(), "etc/kubeone/before/host/absent/etc/managed", "");
    fs::create_dir(root.path().join("etc/kubeone/before/.forgotten")).unwrap();
    let seen = observe(root.path());
    let expected: Value = names.iter().map(|name| ((*name).to_owned(), json!(manifest))).collect();
    assert_eq!(seen["manifests"], expected);
    let modes = seen["modes"].as_object().unwrap();
    let managed = root.path().join("etc/managed");
    let stat = Command::new("stat").args(["--format", "%U %G"]).arg(&managed).output().unwrap().stdout;
    let expected = format!("640 {}", String::from_utf8(stat).unwrap().trim());
    assert_eq!(modes[managed.to_str().unwrap()], json!(expected));
    assert_eq!((modes.len(), &seen["unfinished"]), (1, &json!(["host"])));
    let bare = observe(TempDir::new().unwrap().path());
    assert_eq!((&bare["manifests"], &bare["modes"], &bare["unfinished"]), (&json!({}), &json!({}), &json!([])));
}

#[test]
fn what_is_no_file_or_too_large_a_one_is_no_trap() {
    let root = TempDir::new().unwrap();
    write(root.path(), "etc/managed", "x");
    fs::create_dir_all(root.path().join("etc/folder")).unwrap();
    fs::create_dir_all(root.path().join("etc/kubernetes/pki")).unwrap();
    fs::create_dir_all(root.path().join("etc/kubeone")).unwrap();
    for pipe in ["etc/kubernetes/pki/pipe.crt", "etc/os-release"] {
        assert!(Command::new("mkfifo").arg(root.path().join(pipe)).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", root.path().join("etc/kubeone/cluster.json")).unwrap();
    write(root.path(), "etc/kubeone/renewal", "x".repeat(2_000_000));
    let seen = observe(root.path());
    let files: BTreeMap<String, String> = serde_json::from_value(seen["files"].clone()).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!((&seen["certificates"], &seen["os"]["id"]), (&json!({}), &json!("")));
    assert_eq!(seen["marker"], json!({ "unusable": "it is no file" }));
    // What such a note says cannot be known.
    assert_eq!(seen["renewal_begun"], json!(["?"]));
}

mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const JSON: &str = include_str!("../../os/linux/functions/json.sh");

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        // Those that mean something somewhere are as frequent as all others together.
        let special = prop::sample::select(b"\"'\\ \n\t\r\x1b\x01\x7f&*?[]{}$`!~:,\xc3\x9b\xe2\xff".to_vec());
        vec(prop_oneof![special, 1..=255u8], 0..40)
    }

    fn lossy(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    proptest! {
        // Each starts a shell.
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

        #[test]
        fn any_text_survives_quoting(name in bytes(), value in bytes(), other in bytes()) {
            let body = r#"{ member "$1" "$(quote "$2")"; member "$1 2" "$(printf '%s\0' "$2" "$3" | strings)"
                member "$1 3" "$(printf '%s\n' x y | lines)"; } | object"#;
            let printed = bash(&["-c", &format!("{JSON}\n{body}"), "test"], &[&name, &value, &other], b"");
            let read: Value = serde_json::from_str(&printed).unwrap();
            let (name, value, other) = (lossy(&name), lossy(&value), lossy(&other));
            let expected = json!({
                name.clone(): value, format!("{name} 2"): [value, other], format!("{name} 3"): ["x", "y"],
            });
            prop_assert_eq!(read, expected);
        }

    }

    proptest! {
        // Each looks at a whole host.
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, ..ProptestConfig::default() })]

        #[test]
        fn any_name_of_a_file_is_told(names in vec(bytes(), 1..4), content in bytes()) {
            let root = TempDir::new().unwrap();
            let mut expected = BTreeMap::new();
            for name in names {
                let mut name: Vec<u8> = name.into_iter().filter(|byte| *byte != b'/').collect();
                // A glob leaves hidden files out.
                name.insert(0, b'n');
                let file = root.path().join("etc/kubernetes/manifests").join(OsStr::from_bytes(&[&name[..], b".yaml"].concat()));
                write(root.path(), &file, [b"  image: ", &content[..]].concat());
                let image = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
                expected.insert(lossy(&name), lossy(image));
            }
            let seen = observe(root.path());
            let images: BTreeMap<String, String> = serde_json::from_value(seen["kubernetes"]["images"].clone()).unwrap();
            prop_assert_eq!(images, expected);
        }
    }
}
