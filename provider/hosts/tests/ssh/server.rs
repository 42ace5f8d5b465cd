//! The server of the tests: sshd with its own users, its own /run and a stand-in for systemd-run.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use kubeone_hosts::{LocalEnvironment, SshConnector, SshHost};
use kubeone_spec::{HostKeyPolicy, HostSpec, SshSettings};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener as AsyncListener, TcpStream};
use tokio::sync::watch;

/// Mounts what the server must see differently, and becomes the server.
const NAMESPACE: &str = r#"
set -e
cd "$1"
mount -t tmpfs tmpfs /run
mkdir /run/sshd /run/sudo
mount -t tmpfs tmpfs /usr/local/sbin
cp systemd-run /usr/local/sbin/
for file in passwd shadow group sudoers; do
  if [ -e "/etc/$file" ]; then mount --bind "$file" "/etc/$file"; fi
done
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"#;

/// Starts the command apart from the session, as systemd does.
const SYSTEMD_RUN: &str = r#"#!/bin/bash
echo "$*" >>/run/systemd-run.log
while [[ $1 == --* ]]; do shift; done
setsid "$@" </dev/null >/dev/null 2>&1 7>&- 8>&- 9>&- &
"#;

pub(crate) struct Server {
    folder: TempDir,
    process: Child,
    pub(crate) port: u16,
}

impl Server {
    /// `None` where tests may be left out, and this machine cannot run one.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    pub(crate) fn start_with(more_config: &str) -> Option<Self> {
        Self::start_prepared(&|_| more_config.to_owned())
    }

    /// `prepare` may add to the folder, where the keys are already, and says what else the configuration holds.
    pub(crate) fn start_prepared(prepare: &dyn Fn(&Path) -> String) -> Option<Self> {
        test_programs::programs_as_root(["ssh", "sshd", "ssh-add", "ssh-agent", "ssh-keygen", "sudo", "unshare"])?;
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "user", "user_ca", "host_ecdsa"] {
            keygen(&path(key), if key == "host_ecdsa" { "ecdsa" } else { "ed25519" }, "");
        }
        let more_config = prepare(folder.path());
        let port = free_port();
        let at = folder.path().display();
        fs::create_dir(path("home")).unwrap();
        fs::write(path("authorized_keys"), public_key(&path("user"))).unwrap();
        let config = format!(
            "{more_config}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nHostKey {at}/host_ecdsa\n\
             AuthorizedKeysFile {at}/authorized_keys\nTrustedUserCAKeys {at}/user_ca.pub\nPermitRootLogin yes\n\
             StrictModes no\nUsePAM no\nPidFile none\nMaxStartups 100\n"
        );
        fs::write(path("sshd_config"), config).unwrap();
        let users = "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n";
        let home = path("home").display().to_string();
        let people = ["root:x:0:0", "admin:x:2000:2000", "guest:x:2001:2001"]
            .map(|user| format!("{user}::{home}:/bin/bash\n"))
            .concat();
        fs::write(path("passwd"), format!("{people}{users}")).unwrap();
        fs::write(path("shadow"), "root:*:::::::\nadmin:*:::::::\nguest:*:::::::\nsshd:*:::::::\n").unwrap();
        fs::write(path("group"), "root:x:0:\nadmin:x:2000:\nguest:x:2001:\nnogroup:x:65534:\n").unwrap();
        fs::write(path("sudoers"), "root ALL=(ALL:ALL) ALL\nadmin ALL=(ALL) NOPASSWD: ALL\n").unwrap();
        fs::set_permissions(path("sudoers"), fs::Permissions::from_mode(0o440)).unwrap();
        fs::write(path("systemd-run"), SYSTEMD_RUN).unwrap();
        fs::set_permissions(path("systemd-run"), fs::Permissions::from_mode(0o755)).unwrap();
        let process = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", NAMESPACE, "server"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        Some(Self { folder, process, port })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new key pair; logging in with it is not allowed.
    pub(crate) fn new_key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        keygen(&self.path(name), kind, passphrase);
        self.path(name)
    }

    pub(crate) fn authorize(&self, key: &Path) {
        let mut keys = fs::read_to_string(self.path("authorized_keys")).unwrap();
        keys.push_str(&public_key(key));
        fs::write(self.path("authorized_keys"), keys).unwrap();
    }

    pub(crate) fn host_key(&self) -> String {
        public_key(&self.path("host")).split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Settings that work.
    pub(crate) fn settings(&self) -> SshSettings {
        SshSettings {
            private_key_file: Some(self.path("user").display().to_string()),
            host_key_policy: HostKeyPolicy::AcceptNew,
            known_hosts_file: self.path("client/known_hosts").display().to_string(),
            port: self.port,
            connect_timeout_seconds: 10,
            ..SshSettings::default()
        }
    }

    /// A host that works.
    pub(crate) fn host(&self) -> SshHost {
        connect(&self.settings())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Settings with a key that no [`Server`] knows.
pub(crate) fn settings_of_stranger(known_hosts: &Path) -> SshSettings {
    SshSettings {
        private_key: Some(include_str!("testdata/key").to_owned().into()),
        known_hosts_file: known_hosts.display().to_string(),
        ..SshSettings::default()
    }
}

/// The host at 127.0.0.1 with these settings.
pub(crate) fn connect(settings: &SshSettings) -> SshHost {
    connector(settings).connect("cp-1", &spec()).unwrap()
}

pub(crate) fn connector(settings: &SshSettings) -> SshConnector {
    SshConnector::new(settings, &LocalEnvironment::default()).unwrap()
}

pub(crate) fn spec() -> HostSpec {
    HostSpec {
        address: "127.0.0.1".to_owned(),
        private_address: None,
        instance_id: None,
        ssh_host_key: None,
        ssh_user: None,
        ssh_port: None,
        labels: std::collections::BTreeMap::default(),
        annotations: std::collections::BTreeMap::default(),
        taints: None,
        kubelet: kubeone_spec::KubeletSpec::default(),
    }
}

/// Stands between client and server, counts connections and cuts them.
pub(crate) struct Wire {
    pub(crate) port: u16,
    cut: watch::Sender<u32>,
    stop: watch::Sender<bool>,
    pub(crate) connections: Arc<std::sync::atomic::AtomicUsize>,
}

impl Wire {
    pub(crate) async fn to(server: &Server) -> Self {
        let (cut, mut cuts) = watch::channel(0);
        let (stop, stops) = watch::channel(false);
        let listener = AsyncListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<std::sync::atomic::AtomicUsize>::default();
        let (counter, server_port) = (Arc::clone(&connections), server.port);
        cuts.mark_unchanged();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", server_port)).await else { continue };
                counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                let mut stops = stops.clone();
                stops.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cuts.changed() => {}
                        // Both ends stay open.
                        Ok(()) = stops.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, cut, stop, connections }
    }

    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// From now on nothing gets through, without a word.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(std::sync::atomic::Ordering::SeqCst)
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn keygen(path: &Path, kind: &str, passphrase: &str) {
    output("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", &path.display().to_string()]);
}

pub(crate) fn public_key(path: &Path) -> String {
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
