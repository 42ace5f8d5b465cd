//! Known hosts are read as OpenSSH reads them: the same file, server and policy through `ssh` and through ours.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use kubeone_hosts::{Host as _, HostError, HostKeyProblem};
use kubeone_spec::{HostIdentity, HostKeyPolicy, SshSettings};
use tokio::process::Command;

use crate::server::{Server, connector, keygen, output, public_key, spec};

/// How many rows of a table are tried at the same time, and how many tables.
const ROWS: usize = 2;
const TABLES: usize = 2;

/// Whether a host is let in by `ssh`.
async fn is_trusted_by_ssh(server: &Server, address: &str, file: &Path, policy: HostKeyPolicy) -> bool {
    let strict = if policy == HostKeyPolicy::AcceptNew { "accept-new" } else { "yes" };
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "UpdateHostKeys=no"]);
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", file.display()));
    ssh.args(["-o", "GlobalKnownHostsFile=/dev/null", "-o"]).arg(format!("StrictHostKeyChecking={strict}"));
    ssh.arg("-i").arg(server.path("user")).arg("-p").arg(server.port.to_string()).arg(format!("root@{address}"));
    ssh.arg("true").env_remove("SSH_AUTH_SOCK").stdin(Stdio::null()).kill_on_drop(true);
    let done = ssh.output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        done.status.success() || said.contains("Host key verification failed"),
        "{}: not about the host key: {said}",
        row_of(address, file)
    );
    done.status.success()
}

async fn ask_ours(
    server: &Server,
    address: &str,
    file: &Path,
    host_key_policy: HostKeyPolicy,
) -> Result<HostIdentity, HostKeyProblem> {
    let known_hosts_file = file.display().to_string();
    let settings = SshSettings { host_key_policy, known_hosts_file, connect_timeout_seconds: 60, ..server.settings() };
    let mut host = spec();
    address.clone_into(&mut host.address);
    let host = connector(&settings).connect("cp-1", &host).unwrap();
    match host.connect().await {
        Ok(()) => Ok(host.identity().unwrap()),
        Err(HostError::HostKey { source, .. }) => Err(*source),
        Err(other) => panic!("{}: not about the host key: {other:?}", row_of(address, file)),
    }
}

/// What is asked and what is known, for messages.
fn row_of(address: &str, file: &Path) -> String {
    format!("{address}, {:?}", fs::read_to_string(file).unwrap_or_default())
}

/// A server, the keys that lines may hold, and where the lines go.
struct Table {
    server: Server,
    /// How many files there are.
    files: AtomicUsize,
    /// What the server shows, for messages.
    shows: String,
}

impl Table {
    /// `certificate` are arguments of `ssh-keygen` for the certificate of the server's key.
    async fn with(authority: &str, certificate: Option<&[&str]>) -> Option<Self> {
        let server = Server::start_prepared(&|folder| prepare(folder, authority, certificate))?;
        for key in ["stranger", "stranger_ca"] {
            server.new_key(key, "ed25519", "");
        }
        // A machine that is busy starts it late, and neither `ssh` nor a connection of ours waits for that.
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", server.port)).is_err() && began.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(50));
        }
        // Wakes it up, so that `ssh` finds it.
        ask_ours(&server, "127.0.0.1", &server.path("first"), HostKeyPolicy::AcceptNew).await.unwrap();
        Some(Self { server, files: AtomicUsize::new(0), shows: format!("{authority} {certificate:?}") })
    }

    /// The lines with the names of keys and of the host filled in, in a file of their own.
    fn file(&self, lines: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.server.path(&format!("known_hosts_{number}"));
        let mut text = lines.replace("{host}", &format!("[127.0.0.1]:{}", self.server.port));
        text = text.replace("{port}", &self.server.port.to_string());
        for (name, key) in [
            ("key", "host"),
            ("ecdsa", "host_ecdsa"),
            ("other", "stranger"),
            ("ca", "host_ca"),
            ("other_ca", "stranger_ca"),
        ] {
            let key = public_key(&self.server.path(key));
            let mut parts = key.split_whitespace();
            let (kind, base64) = (parts.next().unwrap(), parts.next().unwrap());
            text = text.replace(&format!("{{{name}}}"), &format!("{kind} {base64}"));
            text = text.replace(&format!("{{{name}.base64}}"), base64);
        }
        fs::write(&file, text).unwrap();
        file
    }

    /// Both agree, under both policies, and both are as told: strict, and where new hosts are accepted.
    async fn row(&self, address: &str, lines: &str, strict: bool, accept_new: bool) {
        for (policy, trusted) in [(HostKeyPolicy::KnownHosts, strict), (HostKeyPolicy::AcceptNew, accept_new)] {
            let file = self.file(lines);
            let theirs = is_trusted_by_ssh(&self.server, address, &file, policy).await;
            let file = self.file(lines);
            let ours = ask_ours(&self.server, address, &file, policy).await;
            assert_eq!(theirs, trusted, "`ssh`, {policy:?}, {address}, {}:\n{lines}", self.shows);
            assert_eq!(ours.is_ok(), trusted, "ours, {policy:?}, {address}, {}: {ours:?}\n{lines}", self.shows);
        }
    }

    /// Rows of one host, several at a time.
    async fn rows(&self, address: &str, rows: &[(&str, bool, bool)]) {
        let rows = stream::iter(rows);
        rows.for_each_concurrent(ROWS, |(lines, strict, accept_new)| self.row(address, lines, *strict, *accept_new))
            .await;
    }
}

/// Makes an authority and lets it sign the key of the server.
fn prepare(folder: &Path, authority: &str, certificate: Option<&[&str]>) -> String {
    let ca = folder.join("host_ca");
    keygen(&ca, authority, "");
    let Some(arguments) = certificate else { return String::new() };
    let (ca, key) = (ca.display().to_string(), folder.join("host.pub").display().to_string());
    output("ssh-keygen", &[&["-q", "-s", &ca, "-I", "test"], arguments, &[&key]].concat());
    format!("HostCertificate {}\n", folder.join("host-cert.pub").display())
}

const HERE: &str = "127.0.0.1";

#[tokio::test]
async fn plain_keys_are_judged_as_ssh_judges_them() {
    let Some(table) = Table::with("ed25519", None).await else { return };
    // Lines, and whether the host is trusted strictly, and where new hosts are accepted.
    let rows: &[(&str, bool, bool)] = &[
        ("", false, true),
        ("{host} {key}\n", true, true),
        ("{host} {key}", true, true),
        ("{host} {other}\n", false, false),
        ("{host} {other}\n{host} {key}\n", true, true),
        // Another kind of key.
        ("{host} {ecdsa}\n", true, true),
        ("{host} ssh-dss AAAAB3NzaC1kc3M=\n", false, true),
        ("{host} ssh-unknown AAAAC3NzaC1lZDI1NTE5\n", false, true),
        ("{host} ssh-rsa {key.base64}\n", false, true),
        // White space, comments and what is broken.
        ("\t {host}\t{key}\tsomebody@somewhere\n", true, true),
        ("{host} {key}\r\n", true, true),
        ("{host}   {key}   \n", true, true),
        ("# {host} {other}\n\n   \n{host} {key} # mine\n", true, true),
        ("  # {host} {other}\n", false, true),
        ("{host} # {other}\n", false, true),
        ("{host}\n{host} ssh-ed25519\n{host} ssh-ed25519 !!!!\n{host} {key}\n", true, true),
        ("{host} ssh-ed25519 !!!!\n", false, true),
        ("{host}\0 {other}\n", false, false),
        ("\u{feff}{host} {other}\n", false, true),
        // Several names, wildcards and negation.
        ("example.com,{host} {key}\n", true, true),
        ("example.com,{host} {other}\n", false, false),
        ("example.com, {host} {other}\n", false, true),
        ("[127.0.0.*]:* {key}\n", true, true),
        ("[127.0.0.?]:{port} {key}\n", true, true),
        ("* {key}\n", true, true),
        ("* {other}\n", false, false),
        ("*,!{host} {other}\n", false, true),
        ("!{host},* {key}\n", true, true),
        ("!{host},*,!127.0.0.1 {key}\n", false, true),
        ("!{host} {key}\n", false, true),
        ("!10.*,* {key}\n", true, true),
        // Ports: a host that is known without one is known on all of them, by the right key.
        ("127.0.0.1 {key}\n", true, true),
        ("127.0.0.1 {other}\n", false, true),
        ("127.0.0.1 {key}\n{host} {other}\n", false, false),
        ("[127.0.0.1]:22 {key}\n", false, true),
        ("[127.0.0.1]:22 {other}\n", false, true),
        ("[127.0.0.1] {other}\n", false, true),
        // Hashes.
        ("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {other}\n", false, true),
        ("|1|{host}|x {other}\n", false, true),
        ("|2|x|y {other}\n", false, true),
        // What is revoked.
        ("@revoked {host} {key}\n", false, false),
        ("@revoked * {key}\n", false, false),
        ("@revoked\t{host}\tssh-ed25519\t{key.base64}\n", false, false),
        ("  @revoked   {host}   {key}\r\n", false, false),
        ("{host} {key}\n@revoked * {key}\n", false, false),
        ("@revoked * {key}\n{host} {key}\n", false, false),
        ("@revoked {host} {other}\n{host} {key}\n", true, true),
        ("@revoked example.com {key}\n{host} {key}\n", true, true),
        ("@revoked {host} {other}\n", false, true),
        ("@Revoked {host} {key}\n{host} {key}\n", true, true),
        ("@revoked @revoked {host} {key}\n", false, true),
        ("@unknown {host} {other}\n", false, true),
        // An authority vouches for certificates alone.
        ("@cert-authority {host} {key}\n", false, true),
        ("@cert-authority * {other}\n{host} {key}\n", true, true),
        ("@cert-authority * {other}\n{host} {other}\n", false, false),
    ];
    table.rows(HERE, rows).await;
    // A name has no case.
    let named = "[localhost]:{port}";
    for address in ["localhost", "LocalHost"] {
        table.row(address, &format!("{named} {{key}}\n"), true, true).await;
        table.row(address, &format!("{} {{other}}\n", named.replace("local", "LOCAL")), false, false).await;
    }
}

#[tokio::test]
async fn hashed_names_are_found() {
    let Some(table) = Table::with("ed25519", None).await else { return };
    for (lines, strict, accept_new) in [("{host} {key}\n", true, true), ("{host} {other}\n", false, false)] {
        let file = table.file(lines);
        output("ssh-keygen", &["-q", "-H", "-f", &file.display().to_string()]);
        let hashed = fs::read_to_string(&file).unwrap();
        assert!(hashed.starts_with("|1|"), "{hashed}");
        table.row(HERE, &hashed, strict, accept_new).await;
        // The hash stands alone or not at all.
        table.row(HERE, &hashed.replacen(' ', ",example.com ", 1), false, true).await;
        table.row(HERE, &format!("!{hashed}"), false, true).await;
    }
}

/// Where OpenSSH reads less than was meant, what takes trust away is heeded all the same.
#[tokio::test]
async fn a_key_is_revoked_where_openssh_overlooks_it() {
    let Some(table) = Table::with("ed25519", None).await else { return };
    for lines in ["@revoked\t{host} {key}\n", "@revoked 127.0.0.1 {key}\n"] {
        let file = table.file(lines);
        let problem = ask_ours(&table.server, HERE, &file, HostKeyPolicy::AcceptNew).await.unwrap_err();
        assert!(matches!(problem, HostKeyProblem::Revoked { .. }), "{problem}");
    }
    let file = table.file("@cert-authority\t* {ca}\n");
    assert!(!is_trusted_by_ssh(&table.server, HERE, &file, HostKeyPolicy::KnownHosts).await);
    assert!(ask_ours(&table.server, HERE, &file, HostKeyPolicy::KnownHosts).await.is_err());
}

#[tokio::test]
async fn a_certificate_is_as_good_as_its_authority() {
    let Some(table) = Table::with("ed25519", Some(&["-h", "-n", HERE])).await else { return };
    let rows: &[(&str, bool, bool)] = &[
        ("", false, true),
        ("@cert-authority {host} {ca}\n", true, true),
        ("@cert-authority * {ca}\n", true, true),
        ("@cert-authority 127.0.0.1 {ca}\n", true, true),
        ("@cert-authority\t{host}\tssh-ed25519\t{ca.base64}\n", true, true),
        ("@cert-authority *,!{host} {ca}\n", true, true),
        ("@cert-authority *,!{host},!127.0.0.1 {ca}\n", false, true),
        ("@cert-authority *.example.com {ca}\n", false, true),
        ("@cert-authority * {other_ca}\n", false, true),
        ("@cert-authority * {other_ca}\n@cert-authority * {ca}\n", true, true),
        // A key that is none of its own does not matter beside a certificate; without one that helps it does.
        ("{host} {other}\n@cert-authority * {ca}\n", true, true),
        ("{host} {other}\n@cert-authority * {other_ca}\n", false, false),
        ("{host} {key}\n@cert-authority * {other_ca}\n", true, true),
        ("{host} {ca}\n", false, false),
        // Revoked: the authority, the key, another one.
        ("@revoked * {ca}\n@cert-authority * {ca}\n", false, false),
        ("@cert-authority * {ca}\n@revoked * {ca}\n", false, false),
        ("@revoked * {ca}\n{host} {key}\n", false, false),
        ("@revoked * {ca}\n", false, false),
        ("@revoked * {key}\n@cert-authority * {ca}\n", false, false),
        ("@revoked * {other_ca}\n@cert-authority * {ca}\n", true, true),
        ("@revoked example.com {ca}\n@cert-authority * {ca}\n", true, true),
    ];
    table.rows(HERE, rows).await;
    // It names the address, not the name.
    table.row("localhost", "@cert-authority * {ca}\n", false, true).await;
    let file = table.file("@cert-authority * {ca}\n");
    let before = fs::read_to_string(&file).unwrap();
    let identity = ask_ours(&table.server, HERE, &file, HostKeyPolicy::AcceptNew).await.unwrap();
    assert_eq!(identity, HostIdentity::Known);
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "nothing new was learned");
}

#[tokio::test]
async fn certificates_are_valid_for_whom_they_name_and_as_long_as_they_say() {
    let user_certificate: &[&str] = &["-n", HERE];
    let cases: &[(&str, &[&str], bool)] = &[
        ("ed25519", &["-h", "-n", "example.com,127.0.0.1"], true),
        ("ed25519", &["-h", "-n", "127.0.0.*"], false),
        ("ed25519", &["-h", "-n", "127.0.0.?"], false),
        ("ed25519", &["-h"], true),
        ("ed25519", &["-h", "-n", "example.com"], false),
        ("ed25519", &["-h", "-n", "[127.0.0.1]:*"], false),
        ("ed25519", &["-h", "-n", HERE, "-V", "-1d:+1d"], true),
        ("ed25519", &["-h", "-n", HERE, "-V", "-2d:-1d"], false),
        ("ed25519", &["-h", "-n", HERE, "-V", "+1d:+2d"], false),
        ("ed25519", &["-h", "-n", HERE, "-O", "critical:x@example.com=y"], false),
        ("ed25519", &["-h", "-n", HERE, "-O", "extension:x@example.com=y"], true),
        ("ecdsa", &["-h", "-n", HERE], true),
        ("rsa", &["-h", "-n", HERE], true),
        ("rsa", &["-h", "-n", HERE, "-t", "rsa-sha2-256"], true),
        ("rsa", &["-h", "-n", HERE, "-t", "ssh-rsa"], false),
        ("ed25519", user_certificate, false),
    ];
    let cases = stream::iter(cases).for_each_concurrent(TABLES, async |(authority, certificate, valid)| {
        let Some(table) = Table::with(authority, Some(certificate)).await else { return };
        // One that is not valid is no certificate: the host is new.
        let rows = [
            ("@cert-authority * {ca}\n", *valid, true),
            ("{host} {key}\n@cert-authority * {ca}\n", true, true),
            ("{host} {other}\n@cert-authority * {ca}\n", *valid, *valid),
        ];
        table.rows(HERE, &rows).await;
    });
    cases.await;
}
