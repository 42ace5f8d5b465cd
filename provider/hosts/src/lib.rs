//! Machines: run a script, read and write a file, open a tunnel.
//!
//! **Architecture invariant:** this crate knows nothing of Kubernetes' semantics, of clouds and of Terraform.

mod error;
mod fake;
mod file;
mod os;
mod script;
mod ssh;
mod unit;

use std::path::Path;

use async_trait::async_trait;
pub use error::HostError;
pub use fake::FakeHost;
pub use file::RemoteFile;
use kubeone_spec::Secret;
pub use os::{Os, OsError};
pub use script::{Output, Script};
pub use ssh::{SshConnector, SshHost};
use tokio::io::{AsyncRead, AsyncWrite};
pub use unit::run_unit;

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

    /// Runs a script as root. A script that exits with another code than 0 is an error.
    async fn run(&self, script: &Script) -> Result<Output, HostError>;

    /// Writes a file in one move (temporary name, then rename) and tells whether its content or mode changed.
    async fn write(&self, file: &RemoteFile) -> Result<bool, HostError>;

    /// Reads a file; `None` when it does not exist.
    async fn read(&self, path: &Path) -> Result<Option<Secret<Vec<u8>>>, HostError>;

    /// Opens a TCP connection from the host to `address:port`.
    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError>;
}
