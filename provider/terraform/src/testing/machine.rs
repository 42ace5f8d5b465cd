//! A fake machine: it answers who looks at it as long as it is there, and takes nothing else that a test did not prepare.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kubeone_facts::{HostFacts, KubernetesFiles, Marker, MarkerFile, OperatingSystem};
use kubeone_hosts::{FakeHost, Host, HostError, Output, RemoteFile, Script, Stream};
use kubeone_spec::Secret;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::api::FakeCluster;

const OBSERVE: &str = "os/linux/observe.sh";
const LOCK: &str = "os/linux/lock.sh";

/// What another apply's lock says: whose it is, their process, in words, and for how many seconds they have held it and
/// were silent.
const HELD: &str = "held\nsomebody\n\nann on laptop (process 7, update)\n90\n3\n";

pub(crate) struct Machine {
    name: String,
    look: Mutex<Look>,
    /// Answers everything else, strictly.
    rest: FakeHost,
}

struct Look {
    facts: HostFacts,
    state: State,
    lock: &'static str,
    /// Names of scripts that were run, in order.
    ran: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Silent,
    /// It rejects every login.
    Refusing,
    /// A script takes a second.
    Slow,
    /// It never answers a script.
    Hanging,
}

impl Machine {
    /// A machine on which nothing of Kubernetes is.
    pub(crate) fn bare(name: &str) -> Self {
        Self::new(name, FakeHost::new(name), facts(name))
    }

    /// A finished node of the cluster `prod` with this uid. How its system is set up is its owner's business, so that no
    /// files of ours are missing on it.
    pub(crate) fn node(name: &str, uid: &str, cluster: &FakeCluster, control_plane: bool) -> Self {
        let mut facts = facts(name);
        facts.marker = MarkerFile::Good(Marker {
            cluster: "prod".to_owned(),
            uid: Some(uid.to_owned()),
            provider_version: "0.1.0".to_owned(),
            adopted: true,
            ..Marker::default()
        });
        facts.kubernetes = kubernetes(control_plane);
        facts.kubelet_active = true;
        facts.containerd_active = true;
        let version = "1.35.4".to_owned();
        facts.packages.containerd = "2.2.9".to_owned();
        (facts.packages.kubelet, facts.packages.kubeadm, facts.packages.kubectl) =
            (version.clone(), version.clone(), version);
        let rest = FakeHost::new(name);
        let rest = if control_plane {
            let (api, marker) = (cluster.clone(), serde_json::to_vec(&facts.marker).unwrap());
            rest.has_file(RemoteFile::public("/etc/kubernetes/admin.conf", cluster.kubeconfig.clone()))
                .has_file(RemoteFile::public("/etc/kubeone/cluster.json", marker))
                .tunnels_to("127.0.0.1", 6443, move || api.stream())
        } else {
            rest
        };
        Self::new(name, rest, facts)
    }

    fn new(name: &str, rest: FakeHost, facts: HostFacts) -> Self {
        let look = Look { facts, state: State::Up, lock: "taken\n", ran: Vec::new() };
        Self { name: name.to_owned(), look: Mutex::new(look), rest }
    }

    /// With scripts prepared, or files.
    #[must_use]
    pub(crate) fn with(self, prepare: impl FnOnce(FakeHost) -> FakeHost) -> Self {
        Self { rest: prepare(self.rest), ..self }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut HostFacts)) {
        change(&mut self.look().facts);
    }

    /// All that the cluster left on it is gone, as on a new machine.
    pub(crate) fn becomes_bare(&self) {
        let bare = facts(&self.name);
        self.change(|it| *it = bare);
    }

    pub(crate) fn falls_silent(&self) {
        self.look().state = State::Silent;
    }

    pub(crate) fn begins_to_refuse(&self) {
        self.look().state = State::Refusing;
    }

    pub(crate) fn hangs(&self) {
        self.look().state = State::Hanging;
    }

    pub(crate) fn becomes_slow(&self) {
        self.look().state = State::Slow;
    }

    /// Another apply works on the cluster.
    pub(crate) fn is_locked(&self) {
        self.look().lock = HELD;
    }

    /// What was done on the machine that could have changed something: all but looks, locks, reads and tunnels.
    pub(crate) fn touched(&self) -> Vec<String> {
        let ran = self.look().ran.clone();
        let written = self.rest.log().into_iter().filter(|call| call.starts_with("write"));
        ran.into_iter().filter(|script| script != OBSERVE && script != LOCK).chain(written).collect()
    }

    /// All that it was asked for beside looks and locks.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.rest.log()
    }

    /// How often a script was run.
    fn runs_of(&self, script: &str) -> usize {
        self.look().ran.iter().filter(|ran| *ran == script).count()
    }

    pub(crate) fn looks(&self) -> usize {
        self.runs_of(OBSERVE)
    }

    /// How often its lock was taken, renewed or given back.
    pub(crate) fn locks(&self) -> usize {
        self.runs_of(LOCK)
    }

    fn look(&self) -> MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a script, and answers those that every test has to expect.
    async fn usual(&self, script: &Script) -> Option<Result<Output, HostError>> {
        let time = {
            let mut look = self.look();
            if let Err(error) = look.reach(&self.name) {
                return Some(Err(error));
            }
            look.ran.push(script.name().to_owned());
            look.time()
        };
        if let Some(time) = time {
            let _ = timeout(time, std::future::pending::<()>()).await;
        }
        let look = self.look();
        let stdout = match script.name() {
            OBSERVE => look.print(),
            LOCK => look.lock.to_owned(),
            _ => return None,
        };
        Some(Ok(Output { stdout, stderr: String::new() }))
    }
}

impl Look {
    fn reach(&self, host: &str) -> Result<(), HostError> {
        let host = host.to_owned();
        match self.state {
            State::Up | State::Slow | State::Hanging => Ok(()),
            State::Silent => Err(HostError::ConnectionLost { host, during: "connect".to_owned() }),
            State::Refusing => {
                Err(HostError::Auth { host, user: "root".to_owned(), tried: Vec::new(), banner: String::new() })
            }
        }
    }

    /// How long a script takes.
    fn time(&self) -> Option<Duration> {
        match self.state {
            State::Slow => Some(Duration::from_secs(1)),
            State::Hanging => Some(Duration::MAX),
            State::Up | State::Silent | State::Refusing => None,
        }
    }

    /// As the script prints it.
    fn print(&self) -> String {
        let mut printed = serde_json::to_value(&self.facts).unwrap();
        let marker = self.facts.marker.as_ref().map(|marker| serde_json::to_string(marker).unwrap());
        printed["marker"] = json!(marker.unwrap_or_default());
        let members: Vec<Json> = self
            .facts
            .etcd_members
            .iter()
            .map(|it| json!({ "ID": "1", "name": it.name, "peerURLs": it.peer_urls }))
            .collect();
        printed["etcd_members"] = json!(json!({ "members": members }).to_string());
        printed["certificates"] = json!({});
        printed["snapshots"] = json!([]);
        printed.to_string()
    }
}

#[async_trait]
impl Host for Machine {
    fn name(&self) -> &str {
        &self.name
    }

    fn host_key(&self) -> Option<String> {
        Some(format!("ssh-ed25519 key-of-{}", self.name))
    }

    async fn connect(&self) -> Result<(), HostError> {
        self.look().reach(&self.name)
    }

    async fn run(&self, script: &Script) -> Result<Output, HostError> {
        match self.usual(script).await {
            Some(answer) => answer,
            None => self.rest.run(script).await,
        }
    }

    async fn run_unit(&self, unit: &str, script: &Script) -> Result<Output, HostError> {
        match self.usual(script).await {
            Some(answer) => answer,
            None => self.rest.run_unit(unit, script).await,
        }
    }

    async fn attach_unit(&self, unit: &str) -> Result<Option<Output>, HostError> {
        self.connect().await?;
        self.rest.attach_unit(unit).await
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError> {
        self.connect().await?;
        self.rest.tunnel(address, port).await
    }

    async fn write_all(&self, files: &[RemoteFile]) -> Result<Vec<bool>, HostError> {
        self.connect().await?;
        self.rest.write_all(files).await
    }

    async fn read_all(&self, paths: &[&Path]) -> Result<Vec<Option<Secret<Vec<u8>>>>, HostError> {
        self.connect().await?;
        self.rest.read_all(paths).await
    }

    async fn read_part(&self, path: &Path, offset: u64, length: u64) -> Result<Secret<Vec<u8>>, HostError> {
        self.connect().await?;
        self.rest.read_part(path, offset, length).await
    }
}

pub(crate) fn machine_id(name: &str) -> String {
    format!("machine-{name}")
}

fn facts(name: &str) -> HostFacts {
    HostFacts {
        hostname: name.to_owned(),
        machine_id: machine_id(name),
        os: OperatingSystem {
            id: "debian".to_owned(),
            version_id: "12".to_owned(),
            version_codename: "bookworm".to_owned(),
            ..OperatingSystem::default()
        },
        architecture: "amd64".to_owned(),
        kernel: "6.1.0-18-amd64".to_owned(),
        cpus: 2,
        memory_mib: 4000,
        free_disk_mib: 20_000,
        ..HostFacts::default()
    }
}

fn kubernetes(control_plane: bool) -> KubernetesFiles {
    let names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    let pods = if control_plane { &names[..] } else { &[] };
    let image = |name: &&str| ((*name).to_owned(), format!("registry.k8s.io/{name}:v1.35.4"));
    KubernetesFiles {
        admin_conf: control_plane,
        kubelet_conf: true,
        static_pods: pods.iter().map(|name| (*name).to_owned()).collect(),
        images: pods.iter().filter(|name| **name != "etcd").map(image).collect(),
        etcd_data: control_plane,
        api_server: "https://10.0.0.1:6443".to_owned(),
        ..KubernetesFiles::default()
    }
}
