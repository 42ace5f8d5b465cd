//! Takes labs down, however a scenario ends: well, badly or by Ctrl-C.

use std::collections::BTreeSet;
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::lab::{self, Lab, processes};

/// The labs that somebody is responsible for right now.
static GUARDED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Takes a lab down when it is dropped.
#[derive(Debug)]
pub struct Guard {
    lab: Lab,
}

impl Guard {
    /// Guards a lab, beginning with what an earlier run may have left of it.
    pub fn over(lab: &Lab) -> Result<Self> {
        guarded().insert(lab.name.clone());
        let guard = Self { lab: lab.clone() };
        lab::down(lab)?;
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        match lab::down(&self.lab) {
            Ok(()) => {
                guarded().remove(&self.lab.name);
            }
            Err(error) => eprintln!("could not take the lab `{}` down: {error:#}", self.lab.name),
        }
    }
}

/// Makes Ctrl-C and a polite kill take all guarded labs down before the program ends. To be called once, by its main.
pub fn clean_up_when_interrupted() -> Result<()> {
    ctrlc::set_handler(|| {
        eprintln!("interrupted: taking the labs down");
        let mut code = 130;
        // Held until the end, so that no scenario begins in the meantime.
        let labs = guarded();
        // What still runs would go on making hosts.
        let ended = processes::descendants(std::process::id()).and_then(|pids| processes::signal("KILL", &pids));
        let downs = labs.iter().map(|name| Lab::named(name).and_then(|lab| lab::down(&lab)));
        for error in std::iter::once(ended).chain(downs).filter_map(Result::err) {
            eprintln!("could not clean up: {error:#}");
            code = 1;
        }
        std::process::exit(code);
    })
    .context("could not listen for Ctrl-C")
}

fn guarded() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    GUARDED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
