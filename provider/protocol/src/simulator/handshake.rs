//! Starting a provider program and finding out where it listens.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::Channel;

use super::connect::{self, ClientIdentity};
use super::failure::Failure;

/// Terraform kills a provider two seconds after Shutdown; a busy test machine gets more.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where the provider puts its socket, so that a killed one leaves nothing behind.
    _temporary: TempDir,
}

impl Process {
    pub(super) async fn start(program: &Path) -> Result<(Self, Channel), Failure> {
        let identity = ClientIdentity::generate()?;
        let temporary = tempfile::tempdir().map_err(Failure::Run)?;
        let mut child = Command::new(program)
            .env("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")
            .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
            .env("PLUGIN_MIN_PORT", "10000")
            .env("PLUGIN_MAX_PORT", "25000")
            .env("PLUGIN_CLIENT_CERT", &identity.pem)
            .env("TF_LOG_PROVIDER", "debug")
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::Run)?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(collect(stderr, log.clone()));
        }
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            stdout.read_line(&mut line).await.map_err(Failure::Run)?;
            tokio::spawn(collect(stdout, log.clone()));
        }
        let (address, certificate) =
            parse(line.trim_end()).ok_or_else(|| Failure::Handshake { line: format!("{line}{}", text(&log)) })?;
        let channel = connect::connect(address, certificate, identity).await?;
        Ok((Self { child, log, _temporary: temporary }, channel))
    }

    pub(super) fn log(&self) -> String {
        text(&self.log)
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) async fn ended(mut self) -> Result<(), Failure> {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.map(drop).map_err(Failure::Run),
            Err(_) => Err(Failure::StillRunning),
        }
    }
}

/// `1|6|network|address|grpc|certificate`.
fn parse(line: &str) -> Option<(String, Vec<u8>)> {
    let fields: Vec<&str> = line.split('|').collect();
    let ["1", "6", "unix", address, "grpc", certificate] = fields.as_slice() else { return None };
    let certificate = base64::engine::general_purpose::STANDARD_NO_PAD.decode(certificate).ok()?;
    Some(((*address).to_owned(), certificate))
}

async fn collect(stream: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

fn text(log: &Mutex<String>) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
