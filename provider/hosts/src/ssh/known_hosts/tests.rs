//! Names of hosts, and files that anything may stand in.

use std::fs;
use std::process::Command;

use russh::keys::PublicKey;

use super::pattern::matches_pattern;
use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

fn known(content: &[u8]) -> KnownHosts {
    KnownHosts(vec![("known_hosts".into(), content.to_vec())])
}

/// The same as `ssh` says in its messages when it connects to these.
#[test]
fn hosts_have_the_names_that_ssh_gives_them() {
    let cases = [
        ("Example.COM", 22, "example.com"),
        ("example.com", 2222, "[example.com]:2222"),
        ("10.0.0.1", 22, "10.0.0.1"),
        ("2001:DB8:0:0::1", 22, "2001:db8::1"),
        ("2001:db8::1", 2222, "[2001:db8::1]:2222"),
        ("0:0:0:0:0:0:0:1", 22, "::1"),
        ("fe80:0::1%eth0", 22, "fe80::1%eth0"),
    ];
    for (address, port, name) in cases {
        assert_eq!(Names::of(address, port).full, name);
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let text = format!("# a comment\r\n\n\tnonsense\nexample.com {OTHER}\n");
    let names = Names::of("example.com", 22);
    let verdict = known(text.as_bytes()).judge(&names, &key(KEY).into(), &[]);
    assert!(matches!(verdict, Verdict::Changed(entry) if entry.line == 4));
}

#[test]
fn what_was_written_for_a_machine_that_is_gone_goes_and_nothing_else() {
    let names = Names::of("10.0.0.1", 22);
    let gone = [key(OTHER)];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    let rows = [
        // The file before, how the new key is judged, and what stays.
        (format!("10.0.0.1 {OTHER}\n"), true, String::new()),
        (format!("a {OTHER}\n10.0.0.1 {OTHER} old\nb {KEY}\n"), true, format!("a {OTHER}\nb {KEY}\n")),
        (format!("a,10.0.0.1,b {OTHER} x y\n"), true, format!("a,b {OTHER} x y\n")),
        (format!("10.0.0.* {OTHER}\n"), false, String::new()),
        (format!("10.0.0.*,10.0.0.1 {OTHER}\n"), false, String::new()),
        (format!("a {OTHER}"), true, format!("a {OTHER}\n")),
    ];
    for (before, is_new, rest) in rows {
        fs::write(&file, &before).unwrap();
        let files = [file.clone()];
        let known = KnownHosts::read(&files).unwrap();
        let verdict = known.judge(&names, &key(KEY).into(), &gone);
        assert_eq!(matches!(verdict, Verdict::New { .. }), is_new, "{before}: {verdict:?}");
        let without = known.judge(&names, &key(KEY).into(), &[]);
        assert_eq!(matches!(without, Verdict::Changed(_)), before.contains("10.0.0."), "{before}: {without:?}");
        if is_new {
            record(&file, &names, &key(KEY), &gone).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{rest}10.0.0.1 {KEY}\n"), "{before}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_is_a_link_stays_one_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&file, format!("10.0.0.1 {OTHER}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    record(&link, &Names::of("10.0.0.1", 22), &key(KEY), &[key(OTHER)]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("10.0.0.1 {KEY}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left lying about");
}

#[test]
fn a_pattern_that_is_made_to_take_long_does_not() {
    let (text, pattern) = ("a".repeat(2000), "*a".repeat(500) + "b");
    assert!(!matches_pattern(text.as_bytes(), pattern.as_bytes()));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Lines that nearly mean something.
    fn lines() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("example.com".to_owned()),
            Just("[example.com]:2222".to_owned()),
            Just("*".to_owned()),
            Just(KEY.to_owned()),
            Just(OTHER.to_owned()),
            Just("@revoked".to_owned()),
            Just("@cert-authority".to_owned()),
            "[ \t,!#|\r\n]",
            "[a-z*?.!,|=0-9@]{0,6}",
        ];
        proptest::collection::vec(word, 0..30).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(content in proptest::collection::vec(any::<u8>(), 0..400)) {
            let names = Names::of("example.com", 2222);
            let _ = known(&content).judge(&names, &key(KEY).into(), &[key(OTHER)]);
            let _ = known(&content).preference(&names, &[], &[]);
        }

        #[test]
        fn any_line_that_is_replaced_leaves_the_others(before in lines()) {
            let folder = tempfile::tempdir().unwrap();
            let (file, names) = (folder.path().join("known_hosts"), Names::of("example.com", 22));
            fs::write(&file, &before).unwrap();
            record(&file, &names, &key(KEY), &[key(OTHER)]).unwrap();
            let after = KnownHosts::read(&[file]).unwrap();
            let about = |known: &KnownHosts, name: &str| {
                known.entries(name).iter().map(|it| (it.marker, it.key.clone())).collect::<Vec<_>>()
            };
            // The new key is known unless it is revoked; others lose nothing.
            prop_assert!(after.entries("example.com").iter().any(|it| it.key.key_data() == key(KEY).key_data()));
            for other in ["x", "a.b", "[example.com]:2222"] {
                prop_assert_eq!(about(&known(before.as_bytes()), other), about(&after, other), "{}", before);
            }
        }

        /// `ssh-keygen -F` finds the same lines.
        #[test]
        fn any_pattern_means_what_ssh_means(
            host in "[a-c]{1,3}(\\.[a-c]{1,2}){0,2}", field in "!?[a-cA-C*?.]{1,5}(,!?[a-c*?.]{0,4}){0,3}", hashed in any::<bool>(),
        ) {
            let Some([ssh_keygen]) = test_programs::programs(["ssh-keygen"]) else { return Ok(()) };
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("known_hosts");
            fs::write(&file, format!("{field} {KEY}\n")).unwrap();
            if hashed {
                let done = Command::new(&ssh_keygen).args(["-q", "-H", "-f"]).arg(&file).output().unwrap();
                prop_assert!(done.status.success());
            }
            let found = Command::new(&ssh_keygen).args(["-F", &host, "-f"]).arg(&file).output().unwrap();
            let ours = KnownHosts::read(&[file]).unwrap().entries(&host);
            prop_assert_eq!(found.status.success(), !ours.is_empty(), "{} in {}", host, field);
        }
    }
}
