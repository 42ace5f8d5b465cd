//! Long steps as transient systemd units, which outlive the connection and this program.
//!
//! A unit `U` keeps its things in `/run/kubeone/U` (memory, for root only): `running` is locked while it runs, `log` is
//! what it printed, `exit` its exit code once it has ended. The script with its secrets is there only while it runs.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::script::{STARTED, failure, redact};
use crate::{Host, HostError, Output, Script};

/// A connection that breaks again and again ends here; the unit goes on, and the next apply finds it.
const RECONNECTS: usize = 5;

/// How long the host waits for the end of a unit before it says that it still runs.
const ROUND: Duration = Duration::from_mins(2);

/// Besides waiting, a round starts the unit.
const ROUND_ALLOWANCE: Duration = Duration::from_secs(90);

/// A log tells what failed at its end.
const MOST_OF_LOG: usize = 1 << 20;

const RUN: &str = "unit/run.sh";

/// Runs `script` as the unit `unit` and waits for its end, over as many connections as that takes.
///
/// A unit of that name that runs already is awaited first. If it runs the same script, its result is this one's result.
/// The output is the end of what the script printed on both stdout and stderr.
pub(crate) async fn run<H: Host + ?Sized>(host: &H, unit: &str, script: &Script) -> Result<Output, HostError> {
    let text = script.render()?;
    let run_id = format!("{:016x}", RandomState::new().build_hasher().finish());
    let starter = unit_script(unit)
        .var("ACTION", "run")
        .var("RUN_ID", &run_id)
        .var("NAME", script.name())
        .var("DIGEST", hex::encode(Sha256::digest(text.expose())))
        .var("WRAPPER", include_str!("unit/wrapper.sh"))
        .input(text);
    let vanished = || HostError::UnitVanished { host: host.name().to_owned(), unit: unit.to_owned() };
    let ended = await_end(host, unit, &starter, script.unit_deadline(), RECONNECTS).await?.ok_or_else(vanished)?;
    forget(host, unit, &ended.run_id).await?;
    judge(host, script, ended.exit.ok_or_else(vanished)?, &ended.log)
}

/// Waits for the unit `unit` if it runs, and takes its result if there is one: from a run whose connection was lost.
/// A failed run is an error. The output of an earlier run is not kept from showing secrets by us, because they are not
/// known any more; scripts do not print them.
pub(crate) async fn attach<H: Host + ?Sized>(host: &H, unit: &str) -> Result<Option<Output>, HostError> {
    let attach = unit_script(unit).var("ACTION", "attach").var("RUN_ID", "");
    let Some(ended) = await_end(host, unit, &attach, attach.unit_deadline(), 0).await? else { return Ok(None) };
    forget(host, unit, &ended.run_id).await?;
    match ended.exit {
        Some(exit) => judge(host, &Script::new(ended.name, ""), exit, &ended.log).map(Some),
        None => Ok(None),
    }
}

/// Asks for the end of a unit, round by round, so that a host that has died is not taken for one that works. `None` when
/// there is no such unit. A connection that was lost is made again so many times.
async fn await_end<H: Host + ?Sized>(
    host: &H,
    unit: &str,
    starter: &Script,
    deadline: Duration,
    mut reconnects: usize,
) -> Result<Option<Ended>, HostError> {
    let began = Instant::now();
    let (mut resume, mut seen) = (false, String::new());
    // A round takes its time. A host that says at once that the unit still runs is not asked forever.
    let most_rounds = deadline.as_secs() / ROUND.as_secs() + 1;
    let mut rounds = 0;
    while rounds < most_rounds && began.elapsed() < deadline {
        let patience = ROUND.min(deadline.saturating_sub(began.elapsed())).as_secs().max(1);
        let round = starter.clone().var("RESUME", resume).var("SEEN", &seen).var("PATIENCE", patience);
        match host.run(&round.within(Duration::from_secs(patience) * 2 + ROUND_ALLOWANCE)).await {
            Err(HostError::ConnectionLost { .. }) if reconnects > 0 => {
                reconnects -= 1;
                resume = true;
                continue;
            }
            Err(error) => return Err(error),
            Ok(output) => match parse(host.name(), &output)? {
                Answer::None => return Ok(None),
                Answer::Ended(ended) => return Ok(Some(ended)),
                Answer::Runs => resume = true,
                Answer::Waits { seen: run_id } => seen = run_id,
            },
        }
        rounds += 1;
    }
    Err(HostError::late(host.name(), &format!("unit {unit}"), deadline))
}

/// What a round came to.
enum Answer {
    None,
    Ended(Ended),
    /// The unit of this run has not come to its end yet.
    Runs,
    /// Another run's unit has not; this one's is not begun.
    Waits {
        seen: String,
    },
}

/// A unit that does not run any more.
struct Ended {
    run_id: String,
    name: String,
    /// The exit code; `None` when it was killed.
    exit: Option<u32>,
    log: String,
}

fn unit_script(unit: &str) -> Script {
    // The end of the log, and some room for what stands around it.
    let script = Script::new(RUN, include_str!("unit/run.sh")).prints_at_most(2 * MOST_OF_LOG);
    let script = script.functions(include_str!("../os/linux/functions/in_memory.sh"));
    script.var("UNIT", unit).var("MOST_OF_LOG", MOST_OF_LOG)
}

/// Reads the answer of `run.sh`.
fn parse(host: &str, answer: &Output) -> Result<Answer, HostError> {
    let (head, log) = answer.stdout.split_once('\n').unwrap_or((&answer.stdout, ""));
    let words: Vec<_> = head.splitn(3, ' ').collect();
    let understood = match words.as_slice() {
        ["none"] => Some(Answer::None),
        ["runs"] => Some(Answer::Runs),
        ["waits", seen] if seen.is_empty() || is_run_id(seen) => Some(Answer::Waits { seen: (*seen).to_owned() }),
        [run_id, exit, name] if is_run_id(run_id) && is_script_name(name) => {
            let exit = if *exit == "killed" { Some(None) } else { exit.parse().ok().map(Some) };
            let (run_id, name, log) = (run_id.to_string(), name.to_string(), log.to_owned());
            exit.map(|exit| Answer::Ended(Ended { run_id, name, exit, log }))
        }
        _ => None,
    };
    understood.ok_or_else(|| HostError::unreadable(host, RUN, format!("its first line is `{head}`")))
}

fn is_run_id(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// As errors show it.
fn is_script_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
}

/// The result was read: the next run must not find it. This is a call of its own, because a connection that is lost
/// while the result is on its way must not lose the result.
async fn forget<H: Host + ?Sized>(host: &H, unit: &str, run_id: &str) -> Result<(), HostError> {
    let script = Script::new("unit/forget.sh", include_str!("unit/forget.sh")).var("UNIT", unit).var("RUN_ID", run_id);
    host.run(&script).await.map(|_| ())
}

fn judge<H: Host + ?Sized>(host: &H, script: &Script, exit: u32, log: &str) -> Result<Output, HostError> {
    let log: String = log.split_inclusive('\n').filter(|line| line.trim_end() != STARTED).collect();
    match exit {
        0 => Ok(Output { stdout: redact(log, script), stderr: String::new() }),
        code => Err(failure(host.name(), script, Some(code), None, &log)),
    }
}

#[cfg(test)]
#[path = "unit/tests.rs"]
mod tests;
