//! A host over SSH.

use async_trait::async_trait;
use kubeone_spec::HostIdentity;
use tokio::time::timeout;

use super::exec::{ExecError, OPEN_WITHIN, execute};
use super::link::Link;
use crate::script::{Exit, judge};
use crate::{Host, HostError, Output, Script, Stream};

/// A machine over SSH. All of its work goes over one connection, at most five scripts at a time.
pub struct SshHost {
    link: Link,
    command: &'static str,
}

impl SshHost {
    pub(super) fn new(link: Link) -> Self {
        // `-s`: the script comes over stdin, so nothing of it shows in a list of processes. No login shell, so no
        // start-up file of the user is read.
        let command = if link.target.user == "root" { "exec bash -s" } else { "exec sudo -n bash -s" };
        Self { link, command }
    }

    async fn execute(&self, script: &Script) -> Result<Exit, HostError> {
        let (during, input) = (script.name(), script.render()?);
        let host = || self.name().to_owned();
        let lost = || HostError::ConnectionLost { host: host(), during: during.to_owned() };
        let connection = self.link.connection().await?;
        let first = execute(&connection, self.command, script, input.expose().clone()).await;
        let outcome = match first {
            // The connection was lost while nobody used it, and nothing was started: as good as a first connection.
            Err(ExecError::Closed) => {
                let connection = self.link.connection().await?;
                execute(&connection, self.command, script, input.into_inner()).await
            }
            other => other,
        };
        outcome.map_err(|error| match error {
            ExecError::Closed | ExecError::Lost => lost(),
            ExecError::Refused(source) => HostError::Channel { host: host(), during: during.to_owned(), source },
            ExecError::Unusable(problem) => HostError::Answer { host: host(), script: during.to_owned(), problem },
        })
    }
}

#[async_trait]
impl Host for SshHost {
    fn name(&self) -> &str {
        &self.link.target.name
    }

    fn host_key(&self) -> Option<String> {
        self.link.host_key()
    }

    fn identity(&self) -> Option<HostIdentity> {
        self.link.identity()
    }

    async fn connect(&self) -> Result<(), HostError> {
        self.link.connection().await.map(drop)
    }

    async fn run(&self, script: &Script) -> Result<Output, HostError> {
        let exit = self.execute(script).await?;
        judge(self.name(), &self.link.target.user, script, exit)
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError> {
        let connection = self.link.connection().await?;
        let opening = connection.handle.channel_open_direct_tcpip(address, port.into(), "127.0.0.1", 0);
        let late = |_| HostError::late(self.name(), &format!("tunnel to {address}:{port}"), OPEN_WITHIN);
        match timeout(OPEN_WITHIN, opening).await.map_err(late)? {
            Ok(channel) => Ok(Box::new(channel.into_stream())),
            Err(source) => Err(HostError::Tunnel {
                host: self.name().to_owned(),
                address: address.to_owned(),
                port,
                source: Box::new(source),
            }),
        }
    }
}
