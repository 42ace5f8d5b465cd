//! The policies for host keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kubeone_hosts::{
    Acquaintance, Host as _, HostError, HostKeyCheck, HostKeyProblem, LocalEnvironment, Script, SshHost,
};
use kubeone_spec::{HostIdentity, HostKeyPolicy, SshSettings};

use crate::server::{Server, connect, connector, output, public_key, settings_of_stranger, spec};

async fn check(host: &SshHost) -> Result<(), HostKeyProblem> {
    match host.run(&Script::new("true.sh", "true")).await {
        Ok(_) => Ok(()),
        Err(HostError::HostKey { source, .. }) => Err(*source),
        Err(other) => panic!("not about the host key: {other:?}"),
    }
}

fn with_policy(server: &Server, host_key_policy: HostKeyPolicy) -> SshSettings {
    SshSettings { host_key_policy, ..server.settings() }
}

#[tokio::test]
async fn a_new_host_is_recorded_and_then_checked() {
    let Some(server) = Server::start() else { return };
    let settings = with_policy(&server, HostKeyPolicy::AcceptNew);
    let host = connect(&settings);
    assert_eq!(host.host_key(), None);
    check(&host).await.unwrap();
    assert_eq!(host.host_key(), Some(server.host_key()));

    let file = server.path("client/known_hosts");
    let recorded = fs::read_to_string(&file).unwrap();
    assert_eq!(recorded, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(server.path("client")).unwrap().permissions().mode() & 0o777, 0o700);

    check(&connect(&settings)).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), recorded, "it is recorded once");

    let other = public_key(&server.new_key("another", "ed25519", ""));
    fs::write(&file, format!("# comment\n[127.0.0.1]:{} {other}", server.port)).unwrap();
    let problem = check(&connect(&settings)).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Changed { .. }), "{problem}");
}

#[tokio::test]
async fn a_host_known_by_another_kind_of_key_shows_that_key() {
    let Some(server) = Server::start() else { return };
    let settings = with_policy(&server, HostKeyPolicy::KnownHosts);
    fs::create_dir(server.path("client")).unwrap();
    let ecdsa = public_key(&server.path("host_ecdsa"));
    fs::write(server.path("client/known_hosts"), format!("[127.0.0.1]:{} {ecdsa}", server.port)).unwrap();
    let host = connect(&settings);
    check(&host).await.unwrap();
    assert!(host.host_key().unwrap().starts_with("ecdsa-sha2-nistp256 "));
}

#[tokio::test]
async fn only_known_hosts_are_trusted_when_asked_so() {
    let Some(server) = Server::start() else { return };
    let settings = with_policy(&server, HostKeyPolicy::KnownHosts);
    let problem = check(&connect(&settings)).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Unknown { .. }), "{problem}");
    assert!(!server.path("client/known_hosts").exists());
}

#[tokio::test]
async fn hashed_entries_are_read() {
    let Some(server) = Server::start() else { return };
    fs::create_dir(server.path("client")).unwrap();
    let file = server.path("client/known_hosts");
    fs::write(&file, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key())).unwrap();
    output("ssh-keygen", &["-q", "-H", "-f", &file.display().to_string()]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    check(&connect(&with_policy(&server, HostKeyPolicy::KnownHosts))).await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let Some(server) = Server::start() else { return };
    fs::create_dir(server.path("client")).unwrap();
    fs::write(server.path("client/known_hosts"), format!("@revoked * {}\n", server.host_key())).unwrap();
    let problem = check(&connect(&with_policy(&server, HostKeyPolicy::AcceptNew))).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Revoked { .. }), "{problem}");
}

#[tokio::test]
async fn a_pinned_key_is_checked_under_every_policy() {
    let Some(server) = Server::start() else { return };
    let other = public_key(&server.new_key("another", "ed25519", ""));
    for policy in [HostKeyPolicy::Pinned, HostKeyPolicy::KnownHosts, HostKeyPolicy::AcceptNew] {
        let connector = connector(&with_policy(&server, policy));
        let mut spec = spec();
        spec.ssh_host_key = Some(server.host_key());
        check(&connector.connect("cp-1", &spec).unwrap()).await.unwrap();
        spec.ssh_host_key = Some(other.clone());
        let problem = check(&connector.connect("cp-1", &spec).unwrap()).await.unwrap_err();
        assert!(matches!(problem, HostKeyProblem::NotThePinned { .. }), "{problem}");
    }
    assert!(!server.path("client").exists(), "a pinned host is not recorded");
}

fn acquainted(settings: &SshSettings, acquaintance: &Acquaintance) -> SshHost {
    connector(settings).connect_to("cp-1", &spec(), acquaintance).unwrap()
}

fn pinned(key: &str) -> Acquaintance {
    Acquaintance { pinned: Some(key.to_owned()), ..Acquaintance::default() }
}

/// Whatever the known hosts say or lack, and whatever the policy.
#[tokio::test]
async fn the_key_that_the_state_keeps_is_a_pin() {
    let Some(server) = Server::start() else { return };
    let other = public_key(&server.new_key("another", "ed25519", ""));
    fs::create_dir(server.path("client")).unwrap();
    let file = server.path("client/known_hosts");
    for policy in [HostKeyPolicy::Pinned, HostKeyPolicy::KnownHosts, HostKeyPolicy::AcceptNew] {
        let settings = with_policy(&server, policy);
        for (lines, key) in [("", server.host_key()), ("[127.0.0.1]:{port} {other}", server.host_key())] {
            let lines = lines.replace("{port}", &server.port.to_string()).replace("{other}", &other);
            fs::write(&file, &lines).unwrap();
            let host = acquainted(&settings, &pinned(&key));
            check(&host).await.unwrap();
            assert_eq!(host.identity(), Some(HostIdentity::Pinned));
            assert_eq!(fs::read_to_string(&file).unwrap(), lines);
        }
        fs::write(&file, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key())).unwrap();
        let error = acquainted(&settings, &pinned(&other)).run(&Script::new("x.sh", "true")).await.unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("instance_id") && hint.contains(&server.host_key()), "{hint}");
        let HostError::HostKey { source, .. } = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("`ssh_host_keys[\"cp-1\"]`"), "{source}");
    }
    // The settings come first, and what is revoked is revoked.
    let settings = with_policy(&server, HostKeyPolicy::AcceptNew);
    let mut stated = spec();
    stated.ssh_host_key = Some(server.host_key());
    check(&connector(&settings).connect_to("cp-1", &stated, &pinned(&other)).unwrap()).await.unwrap();
    fs::write(&file, format!("@revoked * {}\n", server.host_key())).unwrap();
    let problem = check(&acquainted(&settings, &pinned(&server.host_key()))).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Revoked { .. }), "{problem}");
    assert!(connector(&settings).connect_to("cp-1", &spec(), &pinned("nonsense")).is_err());
}

#[tokio::test]
async fn a_machine_that_replaces_another_at_its_address_is_new() {
    let Some(server) = Server::start() else { return };
    let (old, other) = (server.new_key("old", "ed25519", ""), server.new_key("another", "ed25519", ""));
    let (old, other) = (public_key(&old), public_key(&other));
    fs::create_dir(server.path("client")).unwrap();
    let file = server.path("client/known_hosts");
    let after_old = Acquaintance { replaced: vec![old.clone()], ..Acquaintance::default() };
    let name = format!("[127.0.0.1]:{}", server.port);
    let line = |key: &str| format!("{name} {}\n", key.trim());

    fs::write(&file, format!("# mine\n{}example.com {old}", line(&old))).unwrap();
    let problem = check(&connect(&with_policy(&server, HostKeyPolicy::AcceptNew))).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Changed { line: 2, .. }), "{problem}");
    let strict = acquainted(&with_policy(&server, HostKeyPolicy::KnownHosts), &after_old);
    let problem = check(&strict).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Unknown { .. }), "{problem}");
    let host = acquainted(&with_policy(&server, HostKeyPolicy::AcceptNew), &after_old);
    check(&host).await.unwrap();
    assert_eq!(host.identity(), Some(HostIdentity::FirstContact));
    let expected = format!("# mine\nexample.com {old}{}", line(&server.host_key()));
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);

    // What speaks of neither machine still counts.
    for lines in [line(&other), format!("{}{}", line(&old), line(&other)), format!("* {old}")] {
        fs::write(&file, &lines).unwrap();
        let host = acquainted(&with_policy(&server, HostKeyPolicy::AcceptNew), &after_old);
        let problem = check(&host).await.unwrap_err();
        assert!(matches!(problem, HostKeyProblem::Changed { .. }), "{lines}: {problem}");
        assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    }
}

/// Who is refused must not be known the next time for having been asked.
#[tokio::test]
async fn who_must_be_known_is_not_met_for_the_first_time() {
    let Some(server) = Server::start() else { return };
    let settings = with_policy(&server, HostKeyPolicy::AcceptNew);
    let must_be_known = Acquaintance { must_be_known: true, ..Acquaintance::default() };
    let identity = || {
        let host_keys = HostKeyCheck::new(&settings, &LocalEnvironment::default()).unwrap();
        host_keys.identity(&spec(), &must_be_known)
    };
    for _ in 0..2 {
        assert_eq!(identity(), HostIdentity::FirstContact);
        let problem = check(&acquainted(&settings, &must_be_known)).await.unwrap_err();
        assert!(matches!(problem, HostKeyProblem::Unverified { .. }), "{problem}");
    }
    check(&connect(&settings)).await.unwrap();
    assert_eq!(identity(), HostIdentity::Known);
    check(&acquainted(&settings, &must_be_known)).await.unwrap();
}

/// As OpenSSH reads its global files, and writes into that of the user alone.
#[tokio::test]
async fn files_for_all_users_count() {
    let Some(server) = Server::start() else { return };
    let settings = with_policy(&server, HostKeyPolicy::AcceptNew);
    let for_all_users = server.path("ssh_known_hosts");
    let environment =
        LocalEnvironment { system_known_hosts: vec![for_all_users.clone()], ..LocalEnvironment::default() };
    let host = || kubeone_hosts::SshConnector::new(&settings, &environment).unwrap().connect("cp-1", &spec()).unwrap();
    fs::write(&for_all_users, format!("@revoked * {}\n", server.host_key())).unwrap();
    let problem = check(&host()).await.unwrap_err();
    assert!(matches!(problem, HostKeyProblem::Revoked { .. }), "{problem}");
    fs::write(&for_all_users, format!("* {}\n", server.host_key())).unwrap();
    check(&host()).await.unwrap();
    assert!(!server.path("client/known_hosts").exists(), "it is known");
}

#[tokio::test]
async fn the_policy_pinned_wants_a_key_and_shows_the_one_it_saw() {
    let Some(server) = Server::start() else { return };
    let error = connect(&with_policy(&server, HostKeyPolicy::Pinned)).run(&Script::new("x.sh", "")).await.unwrap_err();
    assert!(error.hint().unwrap().contains(&server.host_key()), "{:?}", error.hint());
}

#[test]
fn a_host_key_that_is_none_is_refused() {
    let settings = settings_of_stranger(Path::new("/nowhere"));
    let mut spec = spec();
    spec.ssh_host_key = Some("SHA256:abc".to_owned());
    let error = connector(&settings).connect("cp-1", &spec).err().unwrap();
    assert_eq!(error.to_string(), "`ssh_host_key` cannot be used");
}
