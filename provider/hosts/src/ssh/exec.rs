//! One command on a connection: stdin in, stdout and stderr out, and how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::connection::Connection;
use crate::script::{Exit, Overflow};
use crate::{AnswerProblem, Script};

/// sshd frees a session a moment after its channel was closed; this long it is asked again.
const SESSION_FREE_WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A server that answers at all opens a session at once.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(30);

/// A server closes a session soon after it was asked to, or never.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

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
    /// The host did not keep to the limits of the script.
    Unusable(AnswerProblem),
}

/// Runs `command` with `input` on its stdin: the text of `script`, whose limits hold for all that the host answers.
pub(super) async fn execute(
    connection: &Connection,
    command: &str,
    script: &Script,
    input: Vec<u8>,
) -> Result<Exit, ExecError> {
    let permit = connection.sessions.clone().acquire_owned().await.map_err(|_| ExecError::Closed)?;
    let opened = timeout(OPEN_WITHIN, open_session(connection)).await;
    let channel = opened.map_err(|_| ExecError::Unusable(AnswerProblem::Late(OPEN_WITHIN)))??;
    let (mut output, write) = channel.split();
    let session = Session { write, retirement: Some(connection.retirement()), _permit: permit };
    let exchange = exchange(&session.write, &mut output, command, script, input);
    let result = timeout(script.deadline(), exchange).await;
    let result = result.unwrap_or_else(|_| Err(ExecError::Unusable(AnswerProblem::Late(script.deadline()))));
    match result {
        Ok(exit) if exit.code.is_some() || exit.signal.is_some() => {
            session.finished();
            Ok(exit)
        }
        Ok(_) => Err(ExecError::Lost),
        Err(error) => {
            match &error {
                // Others may still work over this connection.
                ExecError::Unusable(AnswerProblem::Late(_)) => _ = timeout(CLOSE_WITHIN, session.write.close()).await,
                ExecError::Unusable(_) => silence(connection, &session.write, &mut output).await,
                _ => {}
            }
            Err(error)
        }
    }
}

async fn exchange(
    write: &ChannelWriteHalf<Msg>,
    output: &mut ChannelReadHalf,
    command: &str,
    script: &Script,
    input: Vec<u8>,
) -> Result<Exit, ExecError> {
    write.exec(true, command).await.map_err(|_| ExecError::Closed)?;
    let feed = async {
        // A command may end without reading all of its input; how it ended is told by the other half.
        if write.data_bytes(input).await.is_ok() {
            let _ = write.eof().await;
        }
    };
    tokio::select! {
        biased;
        exit = collect(output, script) => exit,
        // Never ends the select: after the input the output is awaited.
        () = async { feed.await; std::future::pending().await } => Err(ExecError::Lost),
    }
}

async fn collect(output: &mut ChannelReadHalf, script: &Script) -> Result<Exit, ExecError> {
    let too_long = |stream| {
        move |Overflow { limit, started }| {
            ExecError::Unusable(if started {
                AnswerProblem::TooLong { stream, limit }
            } else {
                AnswerProblem::TooMuchNoise { stream, limit }
            })
        }
    };
    let (stdout, stderr) = script.captures();
    let mut exit = Exit { code: None, signal: None, stdout, stderr };
    while let Some(message) = output.wait().await {
        match message {
            ChannelMsg::Data { data } => exit.stdout.push(&data).map_err(too_long("stdout"))?,
            ChannelMsg::ExtendedData { data, ext: STDERR } => exit.stderr.push(&data).map_err(too_long("stderr"))?,
            ChannelMsg::ExitStatus { exit_status } => exit.code = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => exit.signal = Some(format!("{signal_name:?}")),
            ChannelMsg::Failure | ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(exit)
}

/// Closes a session that prints too much. With a server that goes on all the same, the connection ends.
async fn silence(connection: &Connection, write: &ChannelWriteHalf<Msg>, output: &mut ChannelReadHalf) {
    let closed = async {
        if write.close().await.is_ok() {
            while output.wait().await.is_some_and(|message| !matches!(message, ChannelMsg::Close)) {}
        }
    };
    if timeout(CLOSE_WITHIN, closed).await.is_err() {
        let end = connection.handle.disconnect(Disconnect::ByApplication, "too much output", "en");
        // The connection is retired already: should this fail, it ends when it is replaced.
        let _ = timeout(CLOSE_WITHIN, end).await;
    }
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
