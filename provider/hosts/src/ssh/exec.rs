//! One command on a connection: stdin in, stdout and stderr out, and how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::connection::Connection;
use crate::script::Exit;

/// sshd frees a session a moment after its channel was closed; this long it is asked again.
const SESSION_FREE_WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// SSH_EXTENDED_DATA_STDERR of RFC 4254.
const STDERR: u32 = 1;

/// Why there is no exit code.
pub(super) enum ExecError {
    /// Nothing was started; the connection is gone.
    Closed,
    /// The connection went while the command was running, or the server kept its end to itself.
    Lost,
    /// The connection lives, but the server opens no session.
    Refused(Box<russh::Error>),
}

/// Runs `command` with `input` on its stdin.
pub(super) async fn execute(connection: &Connection, command: &str, input: Vec<u8>) -> Result<Exit, ExecError> {
    let permit = connection.sessions.clone().acquire_owned().await.map_err(|_| ExecError::Closed)?;
    let channel = open_session(connection).await?;
    let (mut output, write) = channel.split();
    let session = Session { write, retirement: Some(connection.retirement()), _permit: permit };
    let write = &session.write;
    write.exec(true, command).await.map_err(|_| ExecError::Closed)?;
    let feed = async {
        // A command may end without reading all of its input; how it ended is told by the other half.
        if write.data_bytes(input).await.is_ok() {
            let _ = write.eof().await;
        }
    };
    let exit = tokio::select! {
        biased;
        exit = collect(&mut output) => exit,
        // Never ends the select: after the input the output is awaited.
        () = async { feed.await; std::future::pending().await } => return Err(ExecError::Lost),
    };
    if exit.code.is_none() && exit.signal.is_none() {
        return Err(ExecError::Lost);
    }
    session.finished();
    Ok(exit)
}

async fn collect(output: &mut ChannelReadHalf) -> Exit {
    let mut exit = Exit::default();
    while let Some(message) = output.wait().await {
        match message {
            ChannelMsg::Data { data } => exit.stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: STDERR } => exit.stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => exit.code = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => exit.signal = Some(format!("{signal_name:?}")),
            ChannelMsg::Failure | ChannelMsg::Close => break,
            _ => {}
        }
    }
    exit
}

async fn open_session(connection: &Connection) -> Result<Channel<Msg>, ExecError> {
    let deadline = Instant::now() + SESSION_FREE_WITHIN;
    let mut ask = interval(ASK_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ask.tick().await;
        match connection.handle.channel_open_session().await {
            Ok(channel) => return Ok(channel),
            Err(russh::Error::ChannelOpenFailure(_)) if Instant::now() < deadline => {}
            Err(error @ russh::Error::ChannelOpenFailure(_)) => return Err(ExecError::Refused(Box::new(error))),
            Err(_) => return Err(ExecError::Closed),
        }
    }
}

/// An open session. Dropped before its end, because nobody waits for it any more, it retires its connection: sshd counts a
/// session until its process has ended, and a few abandoned ones would leave no room for others.
struct Session {
    write: ChannelWriteHalf<Msg>,
    retirement: Option<Arc<AtomicBool>>,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    fn finished(mut self) {
        self.retirement = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(retirement) = &self.retirement {
            retirement.store(true, Ordering::Relaxed);
        }
    }
}
