//! Looking at many hosts at once, over SSH: each host is an SSH server of its own on this machine, in this process, that
//! answers as a host does, after as long as a host takes. The Kubernetes API is not part of it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubeone_engine::{Hosts, observe};
use kubeone_facts::Observed;
use kubeone_hosts::{Host, LocalEnvironment, SshConnector};
use kubeone_plan::Wanted;
use kubeone_spec::{HostKeyPolicy, SshSettings};
use russh::keys::PrivateKey;
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{Result, median, world};

const SIZES: [usize; 4] = [10, 50, 100, 200];
const ROUNDS: usize = 5;

/// What the script takes on an idle host.
const SCRIPT_TAKES: Duration = Duration::from_millis(250);

/// What is printed before the script itself begins.
const STARTED: &str = "kubeone: script started\n";

pub(crate) async fn measure() -> Result<()> {
    let folder = TempDir::new()?;
    let key = folder.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status()?;
    if !made.success() {
        return Err("ssh-keygen failed".into());
    }
    let private = PrivateKey::from_openssh(std::fs::read_to_string(&key)?)?;
    let public = std::fs::read_to_string(key.with_extension("pub"))?;
    let settings = SshSettings {
        private_key_file: Some(key.display().to_string()),
        host_key_policy: HostKeyPolicy::Pinned,
        ..SshSettings::default()
    };
    println!("{:>6}  {:>12}  {:>16}", "hosts", "refresh", "once connected");
    for hosts in SIZES {
        let ports = serve(hosts, &private).await?;
        let spec = world::spec(
            hosts,
            |index| json!({ "address": "127.0.0.1", "ssh_port": ports.get(index), "ssh_host_key": public.trim() }),
        )?;
        let wanted = Wanted::new(spec);
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            // A refresh in life begins without connections; what an apply does next has them.
            let connected = connect(&wanted, &settings)?;
            for times in [&mut first, &mut again] {
                let began = Instant::now();
                let observed = observe(&wanted, &connected).await;
                times.push(began.elapsed());
                all_answered(&observed, hosts)?;
            }
        }
        println!("{hosts:>6}  {:>10.2} s  {:>14.2} s", median(first).as_secs_f64(), median(again).as_secs_f64());
    }
    Ok(())
}

fn connect(wanted: &Wanted, settings: &SshSettings) -> Result<Hosts> {
    let connector = SshConnector::new(settings, &LocalEnvironment::default())?;
    let hosts = wanted
        .spec
        .hosts()
        .map(|(name, _, host)| Ok((name.to_owned(), Arc::new(connector.connect(name, host)?) as Arc<dyn Host>)));
    Ok(Hosts { wanted: hosts.collect::<Result<BTreeMap<_, _>>>()?, leaving: BTreeMap::new() })
}

fn all_answered(observed: &Observed, hosts: usize) -> Result<()> {
    let silent = observed.hosts.iter().find_map(|(name, state)| Some(format!("{name}: {}", state.unseen()?)));
    match silent {
        Some(reason) => Err(reason.into()),
        None if observed.hosts.len() != hosts => Err(format!("{} of {hosts} hosts", observed.hosts.len()).into()),
        None => Ok(()),
    }
}

/// Starts a server for each host and answers their ports. They live as long as the process.
async fn serve(hosts: usize, key: &PrivateKey) -> Result<Vec<u16>> {
    let config = Arc::new(Config { keys: vec![key.clone()], nodelay: true, ..Config::default() });
    let mut ports = Vec::new();
    for name in world::names(hosts) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        ports.push(listener.local_addr()?.port());
        let (config, answer) = (Arc::clone(&config), Arc::new(format!("{STARTED}{}", answer(&name))));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
                tokio::spawn(async move {
                    if let Ok(session) = run_stream(config, stream, Server { answer }).await {
                        // How the client hangs up is no matter.
                        let _ = session.await;
                    }
                });
            }
        });
    }
    Ok(ports)
}

/// As the script prints it: a machine without Kubernetes, so that nobody looks for its API.
fn answer(name: &str) -> Value {
    let mut facts = world::facts(name);
    facts["marker"] = "".into();
    facts["etcd_members"] = "".into();
    facts["kubernetes"] = json!({});
    facts
}

struct Server {
    answer: Arc<String>,
}

impl Handler for Server {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> std::result::Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> std::result::Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> std::result::Result<(), Self::Error> {
        session.channel_success(channel)
    }

    /// The script has arrived.
    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> std::result::Result<(), Self::Error> {
        tokio::spawn(run(session.handle(), channel, Arc::clone(&self.answer)));
        Ok(())
    }
}

async fn run(host: Handle, channel: ChannelId, answer: Arc<String>) {
    let _ = tokio::time::timeout(SCRIPT_TAKES, std::future::pending::<()>()).await;
    // A client that hangs up needs no answer.
    let _ = host.extended_data(channel, 1, STARTED.as_bytes().to_vec()).await;
    let _ = host.data(channel, answer.as_bytes().to_vec()).await;
    let _ = host.exit_status_request(channel, 0).await;
    let _ = host.eof(channel).await;
    let _ = host.close(channel).await;
}
