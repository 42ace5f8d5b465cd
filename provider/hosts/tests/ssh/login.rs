//! Who is let in, with which key, and what is said to those who are not.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kubeone_hosts::{Host as _, HostError, LocalEnvironment, Script, SshConnector, SshHost};
use kubeone_spec::{Bastion, Secret, SshSettings};

use crate::server::{Server, connect, connector, free_port, output, spec};

fn whoami() -> Script {
    Script::new("whoami.sh", "id -un")
}

#[tokio::test]
async fn each_kind_of_key_logs_in() {
    let Some(server) = Server::start() else { return };
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let key = server.new_key(kind, kind, "");
        server.authorize(&key);
        let settings = SshSettings { private_key_file: Some(key.display().to_string()), ..server.settings() };
        assert_eq!(connect(&settings).run(&whoami()).await.unwrap().stdout, "root\n", "{kind}");
    }
}

#[tokio::test]
async fn an_inline_key_with_a_passphrase_logs_in() {
    let Some(server) = Server::start() else { return };
    let key = server.new_key("locked", "ed25519", "open sesame");
    server.authorize(&key);
    let mut settings = SshSettings {
        private_key_file: None,
        private_key: Some(Secret::new(fs::read_to_string(&key).unwrap().trim().to_owned())),
        private_key_passphrase: Some(Secret::new("open sesame".to_owned())),
        ..server.settings()
    };
    assert_eq!(connect(&settings).run(&whoami()).await.unwrap().stdout, "root\n");

    let problem = |settings: &SshSettings| {
        let error = SshConnector::new(settings, &LocalEnvironment::default()).err().unwrap();
        format!("{error}: {}", error.source)
    };
    settings.private_key_passphrase = Some(Secret::new("wrong".to_owned()));
    let wrong = problem(&settings);
    assert!(
        wrong.starts_with("`ssh.private_key_passphrase` cannot be used: the key could not be decrypted"),
        "{wrong}"
    );
    settings.private_key_passphrase = None;
    assert_eq!(problem(&settings), "`ssh.private_key` cannot be used: the key is encrypted and no passphrase is set");
}

#[test]
fn settings_that_cannot_work_name_the_attribute() {
    let problem = |settings: SshSettings| {
        let error = SshConnector::new(&settings, &LocalEnvironment::default()).err().unwrap();
        format!("{error}: {}", error.source)
    };
    let settings = || SshSettings { known_hosts_file: "/nowhere".to_owned(), ..SshSettings::default() };
    let key_file = |file: &str| SshSettings { private_key_file: Some(file.to_owned()), ..settings() };
    assert!(problem(settings()).starts_with("`ssh` cannot be used: no key is set"));
    assert_eq!(problem(key_file("/no/key")), "`ssh.private_key_file` cannot be used: could not read `/no/key`");
    assert!(problem(key_file("~/key")).starts_with("`ssh.private_key_file` cannot be used: a path begins with `~`"));
    let garbage = SshSettings { private_key: Some(Secret::new("garbage".to_owned())), ..settings() };
    assert!(problem(garbage).starts_with("`ssh.private_key` cannot be used: the key is not in a known format"));
    assert!(
        problem(SshSettings { agent: true, ..settings() }).starts_with("`ssh.agent` cannot be used: there is no agent")
    );
}

/// An agent that holds these keys.
struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    async fn with(server: &Server, keys: &[PathBuf]) -> Self {
        let socket = server.path("agent.sock");
        let process = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            tokio::task::yield_now().await;
        }
        let added = Command::new("ssh-add").arg("-q").args(keys).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
        Self { process, socket }
    }

    fn host(&self, server: &Server) -> SshHost {
        let settings = SshSettings { private_key_file: None, agent: true, ..server.settings() };
        let environment = LocalEnvironment { agent_socket: Some(self.socket.clone()), ..LocalEnvironment::default() };
        SshConnector::new(&settings, &environment).unwrap().connect("cp-1", &spec()).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_agent_logs_in() {
    let Some(server) = Server::start() else { return };
    let agent = Agent::with(&server, &[server.new_key("other", "rsa", ""), server.path("user")]).await;
    assert_eq!(agent.host(&server).run(&whoami()).await.unwrap().stdout, "root\n");
}

#[tokio::test]
async fn an_agent_with_too_many_keys_is_an_error_that_says_so() {
    let Some(server) = Server::start_with("MaxAuthTries 2") else { return };
    let mut keys: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| server.new_key(name, "ed25519", "")).collect();
    keys.push(server.path("user"));
    let agent = Agent::with(&server, &keys).await;
    let error = agent.host(&server).run(&whoami()).await.unwrap_err();
    assert!(matches!(error, HostError::Auth { .. }), "{error:?}");
    assert!(error.to_string().contains("MaxAuthTries"), "{error}");
}

#[tokio::test]
async fn a_certificate_logs_in() {
    let Some(server) = Server::start() else { return };
    let key = server.new_key("certified", "ed25519", "");
    let (ca, public) = (server.path("user_ca").display().to_string(), key.with_extension("pub").display().to_string());
    output("ssh-keygen", &["-q", "-s", &ca, "-I", "tester", "-n", "root", &public]);
    let without = SshSettings { private_key_file: Some(key.display().to_string()), ..server.settings() };
    assert!(matches!(connect(&without).run(&whoami()).await, Err(HostError::Auth { .. })));
    let certificate = server.path("certified-cert.pub");
    let with = SshSettings { certificate_file: Some(certificate.display().to_string()), ..without };
    assert_eq!(connect(&with).run(&whoami()).await.unwrap().stdout, "root\n");

    let of_other = SshSettings { private_key_file: Some(server.path("user").display().to_string()), ..with };
    let error = SshConnector::new(&of_other, &LocalEnvironment::default()).err().unwrap();
    assert_eq!(error.to_string(), "`ssh.certificate_file` cannot be used");
}

#[tokio::test]
async fn a_refused_key_fails_at_once_and_is_named() {
    let Some(server) = Server::start() else { return };
    let key = server.new_key("stranger", "ed25519", "");
    let settings = SshSettings {
        private_key_file: Some(key.display().to_string()),
        connect_timeout_seconds: 60,
        ..server.settings()
    };
    let begun = Instant::now();
    let error = connect(&settings).run(&whoami()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(!error.is_unreachable());
    let message = error.to_string();
    let expected = "[cp-1] user `root` could not log in: rejected `ssh.private_key_file` (ssh-ed25519 SHA256:";
    assert!(message.starts_with(expected), "{message}");
}

#[tokio::test]
async fn a_user_with_sudo_is_root() {
    let Some(server) = Server::start() else { return };
    let settings = SshSettings { user: "admin".to_owned(), ..server.settings() };
    assert_eq!(connect(&settings).run(&whoami()).await.unwrap().stdout, "root\n");
}

#[tokio::test]
async fn a_user_without_sudo_is_told_so() {
    let Some(server) = Server::start() else { return };
    let settings = SshSettings { user: "guest".to_owned(), ..server.settings() };
    let error = connect(&settings).run(&whoami()).await.unwrap_err();
    assert!(matches!(error, HostError::NoRootShell { .. }), "{error:?}");
    assert!(error.to_string().contains("user `guest` cannot run scripts as root: sudo: "), "{error}");
    assert!(error.hint().unwrap().contains("NOPASSWD"));
}

#[tokio::test]
async fn a_server_that_starts_late_is_awaited() {
    let port = free_port();
    let Some(server) = Server::start() else { return };
    let settings = SshSettings { port, ..server.settings() };
    let host = connect(&settings);
    let run = tokio::spawn(async move { host.run(&whoami()).await });
    tokio::time::timeout(Duration::from_millis(700), std::future::pending::<()>()).await.unwrap_err();
    assert!(!run.is_finished());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let target = server.port;
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    assert_eq!(run.await.unwrap().unwrap().stdout, "root\n");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let Some(server) = Server::start() else { return };
    let settings = SshSettings { port: free_port(), connect_timeout_seconds: 1, ..server.settings() };
    let error = connect(&settings).run(&whoami()).await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    assert!(error.to_string().starts_with("[cp-1] could not connect to `root@127.0.0.1:"), "{error}");
}

/// Where machines should be up, a refusal is soon believed: a plan does not wait for them as if they were booting.
#[tokio::test]
async fn a_refusal_is_soon_believed_by_those_who_only_look() {
    let Some(server) = Server::start() else { return };
    let settings = SshSettings { port: free_port(), connect_timeout_seconds: 60, ..server.settings() };
    let host = connector(&settings).impatient().connect("cp-1", &spec()).unwrap();
    let began = Instant::now();
    let error = host.run(&whoami()).await.unwrap_err();
    assert!(error.is_unreachable() && began.elapsed() < Duration::from_secs(20), "{error:?}");
}

#[tokio::test]
async fn a_bastion_with_its_own_key_and_user_is_passed_once() {
    let (Some(server), Some(bastion)) = (Server::start(), Server::start()) else { return };
    let settings = SshSettings {
        bastion: Some(Bastion {
            host: "127.0.0.1".to_owned(),
            port: Some(bastion.port),
            user: Some("guest".to_owned()),
            private_key: None,
            private_key_file: Some(bastion.path("user").display().to_string()),
            ssh_host_key: Some(bastion.host_key()),
        }),
        ..server.settings()
    };
    let connector = connector(&settings);
    let hosts: Vec<_> = ["cp-1", "cp-2", "w-1"].iter().map(|name| connector.connect(name, &spec()).unwrap()).collect();
    let script = whoami();
    for output in futures::future::join_all(hosts.iter().map(|host| host.run(&script))).await {
        assert_eq!(output.unwrap().stdout, "root\n");
    }
    assert_eq!(bastion.log().matches("Accepted publickey for guest").count(), 1);
    assert_eq!(server.log().matches("Accepted publickey for root").count(), 3);
}

#[tokio::test]
async fn a_bastion_with_another_host_key_is_refused() {
    let (Some(server), Some(bastion)) = (Server::start(), Server::start()) else { return };
    let settings = SshSettings {
        bastion: Some(Bastion {
            host: "127.0.0.1".to_owned(),
            port: Some(bastion.port),
            user: None,
            private_key: None,
            private_key_file: Some(bastion.path("user").display().to_string()),
            ssh_host_key: Some(server.host_key()),
        }),
        ..server.settings()
    };
    let error = connect(&settings).run(&whoami()).await.unwrap_err();
    assert!(error.to_string().starts_with("[bastion] the host key of `root@127.0.0.1:"), "{error}");
}
