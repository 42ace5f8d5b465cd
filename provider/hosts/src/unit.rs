//! Long steps as transient systemd units, which outlive the connection and this program.
//!
//! A unit `U` keeps its things in `/run/kubeone/U` (memory, for root only): `running` is locked while it runs, `log` is
//! what it printed, `exit` its exit code once it has ended. The script with its secrets is there only while it runs.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use sha2::{Digest as _, Sha256};

use crate::script::{STARTED, failure, redact};
use crate::{Host, HostError, Output, Script};

/// A connection that breaks again and again ends here; the unit goes on, and the next apply finds it.
const RECONNECTS: usize = 5;

/// Runs `script` as the unit `unit` and waits for its end, over as many connections as that takes.
///
/// A unit of that name that runs already is awaited first. If it runs the same script, its result is this one's result.
/// The output is what the script printed on both stdout and stderr.
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
    let mut answer = host.run(&starter.clone().var("RESUME", false)).await;
    for _ in 0..RECONNECTS {
        if !matches!(answer, Err(HostError::ConnectionLost { .. })) {
            break;
        }
        answer = host.run(&starter.clone().var("RESUME", true)).await;
    }
    let vanished = || HostError::UnitVanished { host: host.name().to_owned(), unit: unit.to_owned() };
    let ended = parse(host, &answer?)?.ok_or_else(vanished)?;
    forget(host, unit, &ended.run_id).await?;
    judge(host, script, &ended.exit.ok_or_else(vanished)?, &ended.log)
}

/// Waits for the unit `unit` if it runs, and takes its result if there is one: from a run whose connection was lost.
/// A failed run is an error. The output of an earlier run is not kept from showing secrets by us, because they are not
/// known any more; scripts do not print them.
pub(crate) async fn attach<H: Host + ?Sized>(host: &H, unit: &str) -> Result<Option<Output>, HostError> {
    let answer = host.run(&unit_script(unit).var("ACTION", "attach")).await?;
    let Some(ended) = parse(host, &answer)? else { return Ok(None) };
    forget(host, unit, &ended.run_id).await?;
    match ended.exit {
        Some(exit) => judge(host, &Script::new(ended.name, ""), &exit, &ended.log).map(Some),
        None => Ok(None),
    }
}

/// A unit that does not run any more.
struct Ended {
    run_id: String,
    name: String,
    /// `None` when it was killed.
    exit: Option<String>,
    log: String,
}

fn unit_script(unit: &str) -> Script {
    Script::new("unit/run.sh", include_str!("unit/run.sh")).var("UNIT", unit)
}

/// Reads the answer of `run.sh`: `none`, or a line with run id, exit code and name, and then the log.
fn parse<H: Host + ?Sized>(host: &H, answer: &Output) -> Result<Option<Ended>, HostError> {
    let (head, log) = answer.stdout.split_once('\n').unwrap_or((&answer.stdout, ""));
    let mut words = head.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("none"), None, None) => Ok(None),
        (Some(run_id), Some(exit), Some(name)) => Ok(Some(Ended {
            run_id: run_id.to_owned(),
            name: name.to_owned(),
            exit: (exit != "killed").then(|| exit.to_owned()),
            log: log.to_owned(),
        })),
        _ => Err(HostError::Answer {
            host: host.name().to_owned(),
            script: "unit/run.sh".to_owned(),
            problem: format!("its first line is `{head}`"),
        }),
    }
}

/// The result was read: the next run must not find it. This is a call of its own, because a connection that is lost
/// while the result is on its way must not lose the result.
async fn forget<H: Host + ?Sized>(host: &H, unit: &str, run_id: &str) -> Result<(), HostError> {
    let script = Script::new("unit/forget.sh", include_str!("unit/forget.sh")).var("UNIT", unit).var("RUN_ID", run_id);
    host.run(&script).await.map(|_| ())
}

fn judge<H: Host + ?Sized>(host: &H, script: &Script, exit: &str, log: &str) -> Result<Output, HostError> {
    let log: String = log.split_inclusive('\n').filter(|line| line.trim_end() != STARTED).collect();
    match exit.parse() {
        Ok(0) => Ok(Output { stdout: redact(log, script), stderr: String::new() }),
        code => Err(failure(host.name(), script, code.ok(), None, &log)),
    }
}

#[cfg(test)]
#[path = "unit/tests.rs"]
mod tests;
