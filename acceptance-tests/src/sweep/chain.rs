//! One operation, one kind of fault, one cluster: all its actions disturbed one after the other.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::progress::{Began, Progress};
use super::tally::{Actions, Tally, joined};
use super::{Fault, Operation};
use crate::lab::host;
use crate::scenario::{Programs, Scenario};
use crate::terraform::{Background, Run};

/// An apply that does nothing new for so long hangs.
const PATIENCE: Duration = Duration::from_mins(15);
const INTERVAL: Duration = Duration::from_millis(10);
/// After so many clusters more an action that nobody could disturb is told of.
const MORE_ROUNDS: usize = 2;
/// Faults come at different moments of an action, the latest after this time.
const LATEST: Duration = Duration::from_secs(4);

/// Which actions of a chain are disturbed, in the order in which they begin.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// So many of the first are left alone.
    pub skip: usize,
    /// After so many disturbances the next apply is the last.
    pub at_most: usize,
}

impl Part {
    pub const WHOLE: Self = Self { skip: 0, at_most: usize::MAX };

    fn is_whole(self) -> bool {
        (self.skip, self.at_most) == (0, usize::MAX)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.skip, self.at_most) {
            (0, usize::MAX) => f.write_str("all actions"),
            (skip, usize::MAX) => write!(f, "all actions after the first {skip}"),
            (skip, at_most) => write!(f, "at most {at_most} actions after the first {skip}"),
        }
    }
}

/// Disturbs the actions of the operation. The error of a chain that does not come to its end says which fault was last.
///
/// Of actions that run side by side some are over before their turn comes. Another cluster is made for them, where nothing
/// but them is disturbed.
pub fn run(operation: &Operation, fault: Fault, part: Part, programs: &Programs) -> Result<Tally> {
    let mut tally = round(operation, fault, part, Actions::default(), programs)?;
    for _ in 0..MORE_ROUNDS {
        let missed = tally.missed();
        if missed.is_empty() || !part.is_whole() {
            break;
        }
        eprintln!("        once more for {}", joined(&missed));
        tally.add(round(operation, fault, part, Actions::only(missed), programs)?);
    }
    ensure!(tally.was_disturbed(), "no action was disturbed: {tally}");
    Ok(tally)
}

fn round(operation: &Operation, fault: Fault, part: Part, actions: Actions, programs: &Programs) -> Result<Tally> {
    let began = Instant::now();
    let mut scenario = Scenario::of_local_example(&format!("sweep-{}-{fault}", operation.name), programs)?;
    let progress = Progress::new(&scenario.terraform.folder().join("progress"))?;
    scenario.terraform.set_environment("KUBEONE_PROGRESS", progress.folder());
    if let Some(before) = operation.before {
        before(&mut scenario)?;
        scenario.apply().context("the cluster before the operation")?;
    }
    (operation.change)(&mut scenario)?;
    let mut chain = Chain { operation, fault, part, scenario, progress, actions, applies: 0 };
    let last = chain.disturb_all()?;
    chain.must_have_converged(&last)?;
    let Chain { actions, applies, .. } = chain;
    Ok(actions.tally(applies, began.elapsed()))
}

struct Chain<'a> {
    operation: &'a Operation,
    fault: Fault,
    part: Part,
    scenario: Scenario,
    progress: Progress,
    actions: Actions,
    applies: usize,
}

impl Chain<'_> {
    /// Applies again and again; answers the apply that went through, or that failed with nothing left to disturb in it.
    fn disturb_all(&mut self) -> Result<Run> {
        loop {
            self.progress.clear()?;
            self.applies += 1;
            let mut apply = self.begin()?;
            let before = self.actions.struck();
            let mut killed = false;
            while self.actions.struck() < self.part.at_most
                && let Some(action) = self.next_action(&mut apply)?
            {
                self.disturb(&apply, &action)?;
                if self.fault.ends_the_apply() {
                    killed = true;
                    break;
                }
            }
            let run = apply.wait()?;
            // The log of a killed provider ends where it died.
            let seen = self.progress.look()?;
            self.actions.saw(&seen, self.part.skip);
            if killed {
                self.actions.were_killed(&seen);
            }
            if run.succeeded || self.actions.struck() == before {
                return Ok(run);
            }
        }
    }

    fn disturb(&mut self, apply: &Background, action: &Began) -> Result<()> {
        let key = action.key();
        let moment = if self.actions.are_all_meant() { self.moment(&key) } else { Duration::ZERO };
        let ran = self.wait_until_the_moment(action, moment)?;
        // A host that is leaving may be gone by now.
        let machine = match &action.host {
            Some(host) => self.scenario.machine(host),
            None => self.scenario.any_control_plane()?,
        };
        self.fault.strike(apply, &machine).with_context(|| format!("{} during `{key}`", self.fault))?;
        let when = if ran { "during" } else { "right after" };
        eprintln!("        {} {when} `{key}` (+{:.1} s)", self.fault, moment.as_secs_f64());
        self.actions.was_struck(key, ran);
        Ok(())
    }

    fn begin(&mut self) -> Result<Background> {
        if self.operation.destroys {
            self.scenario.terraform.destroy_in_background(&["-target=kubeone_cluster.this"])
        } else {
            self.scenario.apply_in_background()
        }
    }

    /// The first action to begin that was not disturbed yet; `None` when the apply ends without one.
    fn next_action(&mut self, apply: &mut Background) -> Result<Option<Began>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = apply.is_running()?;
            let seen = self.progress.look()?;
            self.actions.saw(&seen, self.part.skip);
            let next = self.actions.next(&seen);
            if next.is_some() && running {
                return Ok(next);
            }
            if !running {
                return Ok(None);
            }
            ensure!(Instant::now() < deadline, "no new action within {} s", PATIENCE.as_secs());
            std::thread::sleep(INTERVAL);
        }
    }

    /// Early in some actions, late in others, and the same for each of them in every run.
    fn moment(&self, key: &str) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.operation.name, self.fault.to_string(), key).hash(&mut hasher);
        // Squared, because most actions are short.
        let fraction = f64::from(u16::try_from(hasher.finish() % 1000).unwrap_or(0)) / 1000.0;
        LATEST.mul_f64(fraction * fraction)
    }

    /// Whether the action was still running then.
    fn wait_until_the_moment(&self, action: &Began, moment: Duration) -> Result<bool> {
        let deadline = Instant::now() + moment;
        loop {
            let ended = self.progress.look()?.ended.contains(&action.number);
            if ended || Instant::now() >= deadline {
                return Ok(!ended);
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// The last apply went through, there is nothing more to do, and the cluster works, or nothing is left of it.
    fn must_have_converged(&mut self, last: &Run) -> Result<()> {
        last.must_succeed()
            .with_context(|| format!("the apply after these were disturbed: {}", self.actions.struck_names()))?;
        if self.operation.destroys {
            let state = self.scenario.state()?;
            let addresses = state.addresses();
            ensure!(!addresses.iter().any(|it| it.contains("kubeone_cluster")), "the cluster is still in the state");
            let hosts = host::list(self.scenario.lab())?;
            return hosts.iter().try_for_each(|host| self.scenario.machine(&host.name).must_have_no_trace());
        }
        self.scenario.plan()?.must_be_empty().context("the plan after the last apply is not empty")?;
        self.scenario.all_hosts_are_ready_nodes()?;
        self.scenario.only_cordoned(&[])?;
        self.scenario.etcd_is_whole()
    }
}
