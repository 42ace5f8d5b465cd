//! What came of a script: its output without secrets, or an error that says where it failed.

use super::{Capture, Script};
use crate::excerpt::excerpt;
use crate::{HostError, ScriptFailure};

/// Only the end of the output tells why a script failed; the rest is progress.
const LINES_IN_ERROR: usize = 20;

/// And of a longer line the beginning.
const LONGEST_LINE: usize = 2000;

/// Pieces of a secret shorter than this (such as single words of it) are too common to be masked on their own.
const SHORTEST_MASKED_LINE: usize = 8;

/// What a script printed, without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

/// How a process on the host ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<u32>,
    pub(crate) signal: Option<String>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

/// Turns the end of the process that ran `script` into its result.
pub(crate) fn judge(host: &str, user: &str, script: &Script, exit: Exit) -> Result<Output, HostError> {
    match (exit.stdout.into_text(), exit.stderr.into_text(), exit.code) {
        (Ok(stdout), Ok(stderr), Some(0)) => {
            Ok(Output { stdout: redact(stdout, script), stderr: redact(stderr, script) })
        }
        (_, Ok(stderr), code) => Err(failure(host, script, code, exit.signal, &stderr)),
        (_, Err(noise), code) => Err(HostError::NoRootShell {
            host: host.to_owned(),
            user: user.to_owned(),
            exit_code: code,
            message: last_lines(&noise).join("\n"),
        }),
    }
}

/// The error of a script that ran and failed, with what it printed last.
pub(crate) fn failure(
    host: &str,
    script: &Script,
    exit_code: Option<u32>,
    signal: Option<String>,
    printed: &str,
) -> HostError {
    let (line, printed) = take_trap_lines(script.name(), exit_code, printed);
    let printed = redact(printed, script);
    HostError::Script(Box::new(ScriptFailure {
        host: host.to_owned(),
        script: script.name().to_owned(),
        line,
        exit_code,
        signal,
        last_lines: last_lines(&printed),
    }))
}

/// The end of what was printed, without empty lines.
fn last_lines(printed: &str) -> Vec<String> {
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_IN_ERROR)..].iter().map(|line| excerpt(line, LONGEST_LINE)).collect()
}

/// Takes out the lines of the error trap and reads the line number from the last one with the script's exit code.
/// The last, because the trap also speaks in subshells whose failure the script tolerates.
fn take_trap_lines(name: &str, exit_code: Option<u32>, printed: &str) -> (Option<u32>, String) {
    let mut failed_at = None;
    let mut rest = String::with_capacity(printed.len());
    for text in printed.lines() {
        match parse_trap_line(name, text) {
            // A line before the first is one of a function's; the line that called it follows.
            Some((line, code)) if Some(code) == exit_code => {
                failed_at = u32::try_from(line).ok().filter(|line| *line > 0);
            }
            Some(_) => {}
            None => {
                rest.push_str(text);
                rest.push('\n');
            }
        }
    }
    (failed_at, rest)
}

fn parse_trap_line(name: &str, text: &str) -> Option<(i64, u32)> {
    let (line, code) = text.strip_prefix(name)?.strip_prefix(':')?.split_once(": exit code ")?;
    Some((line.parse().ok()?, code.parse().ok()?))
}

/// Masks each secret, and each longer line of a secret of several lines.
pub(crate) fn redact(text: String, script: &Script) -> String {
    script.secrets().fold(text, |text, secret| {
        let secret = secret.trim();
        if secret.is_empty() {
            return text;
        }
        let masked = text.replace(secret, "***");
        secret
            .lines()
            .filter(|line| line.len() >= SHORTEST_MASKED_LINE)
            .fold(masked, |masked, line| masked.replace(line, "***"))
    })
}
