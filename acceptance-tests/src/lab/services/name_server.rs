//! The name server hosts are told to ask: it knows the stand-ins, and says at once that there is nothing else.

use std::process::Command;

use anyhow::{Context, Result};

use super::{NAMES, StandIns};
use crate::lab::artefact::{self, Progress};

pub(super) const PID_FILE: &str = "name-server.pid";

pub(super) const RECIPE: &str = "name-server";

/// The command that starts the server in a session of its own.
pub(super) fn server(stand_ins: &StandIns) -> Result<Command> {
    let made = artefact::ensure(&[RECIPE], &Progress::on_standard_error())?;
    let program = made.first().context("the name server was not built")?.binary(RECIPE)?;
    let mut server = super::detached(&stand_ins.folder, PID_FILE, "name-server.log", &program);
    server.arg(format!("{}:53", stand_ins.address)).arg(stand_ins.address.to_string()).args(NAMES);
    Ok(server)
}
