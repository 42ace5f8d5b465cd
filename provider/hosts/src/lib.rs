//! Machines: run a script, read and write a file, open a tunnel.
//!
//! **Architecture invariant:** this crate knows nothing of Kubernetes' semantics, of clouds and of Terraform.

mod error;
mod excerpt;
mod fake;
mod file;
mod os;
mod script;
mod ssh;
mod unit;

use std::path::Path;

use async_trait::async_trait;
pub use error::{AnswerProblem, HostError, ScriptFailure};
pub use fake::{Call, FakeHost};
pub use file::RemoteFile;
use kubeone_spec::{HostIdentity, Secret};
pub use os::{Os, OsError};
pub use script::{Output, Script, ScriptValue};
pub use ssh::{
    Acquaintance, ConnectError, CredentialProblem, HostKeyCheck, HostKeyProblem, LocalEnvironment, SettingsError,
    SshConnector, SshHost, normalized_host_key,
};
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a port that the host can reach.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A machine. The one seam between the engine and the world: SSH, or a strict fake in tests.
#[async_trait]
pub trait Host: Send + Sync {
    /// The name under which the user knows it.
    fn name(&self) -> &str;

    /// Public host key in `known_hosts` form, once a connection was made.
    fn host_key(&self) -> Option<String>;

    /// How it was known at the first connection that this is the right machine; `None` before.
    fn identity(&self) -> Option<HostIdentity> {
        None
    }

    /// Connects, if there is no connection yet. Everything else does so by itself; this is for those who time a script.
    async fn connect(&self) -> Result<(), HostError> {
        Ok(())
    }

    /// Runs a script as root. A script that exits with another code than 0 is an error, and so is an answer that passes
    /// the limits of the script, see [`Script::within`] and [`Script::prints_at_most`].
    async fn run(&self, script: &Script) -> Result<Output, HostError>;

    /// Opens a TCP connection from the host to `address:port`.
    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError>;

    /// Runs a long script as a transient systemd unit, which goes on when the connection or this program ends, and waits
    /// for it, over as many connections as that takes. A unit of that name that runs already is awaited first; if it runs
    /// the same script, its result is the result. The output's `stdout` is the end of what the script printed.
    async fn run_unit(&self, unit: &str, script: &Script) -> Result<Output, HostError> {
        unit::run(self, unit, script).await
    }

    /// Waits for a unit that an earlier run left and takes its result; `None` when there is none.
    async fn attach_unit(&self, unit: &str) -> Result<Option<Output>, HostError> {
        unit::attach(self, unit).await
    }

    /// Writes files in one round trip, each in one move (temporary name, then rename), and tells for each whether its
    /// content or mode changed.
    async fn write_all(&self, files: &[RemoteFile]) -> Result<Vec<bool>, HostError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.run(&file::write_script(files)?).await?;
        file::parse_written(self.name(), files, &output)
    }

    /// Reads files of at most 1 MiB in one round trip; `None` for those that do not exist.
    async fn read_all(&self, paths: &[&Path]) -> Result<Vec<Option<Secret<Vec<u8>>>>, HostError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.run(&file::read_script(paths)?).await?;
        file::parse_read(self.name(), paths, &output)
    }

    /// Reads a part of a file that may be larger than memory; less than `length` bytes where the file ends.
    async fn read_part(&self, path: &Path, offset: u64, length: u64) -> Result<Secret<Vec<u8>>, HostError> {
        let output = self.run(&file::read_part_script(path, offset, length)?).await?;
        file::parse_part(self.name(), length, &output)
    }

    /// Writes one file, as [`Host::write_all`] does.
    async fn write(&self, file: &RemoteFile) -> Result<bool, HostError> {
        Ok(self.write_all(std::slice::from_ref(file)).await?.contains(&true))
    }

    /// Reads one file; `None` when it does not exist.
    async fn read(&self, path: &Path) -> Result<Option<Secret<Vec<u8>>>, HostError> {
        Ok(self.read_all(&[path]).await?.pop().flatten())
    }
}
