//! Where a change stands: put together from what was told of it, line by line.

use jiff::Timestamp;

use super::record::{ActionEnded, ActionOutcome, Line, PlannedAction, Record, RunBegan, RunEnded};

/// A change from its beginning to now.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) run: RunBegan,
    pub(super) began_at: Timestamp,
    /// In the order of the plan, so that the number of an action is its place, from 1.
    pub(super) steps: Vec<Step>,
    /// Seconds from the beginning, for each stage that began.
    pub(super) stages_began: Vec<f64>,
    pub(super) end: Option<RunEnded>,
    /// Seconds from the beginning to now, or to the end.
    pub(super) now: f64,
}

/// An action of the plan, and what became of it so far.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: PlannedAction,
    /// Place of its stage, from 0.
    pub(super) stage: usize,
    pub(super) began: Option<f64>,
    pub(super) ended: Option<(f64, ActionEnded)>,
}

impl Course {
    /// A change as its first line tells it; `None` for any other line.
    pub(super) fn begin(line: &Line) -> Option<Self> {
        let Record::RunBegan(run) = &line.record else { return None };
        let steps = run.stages.iter().enumerate().flat_map(|(stage, it)| {
            let step = move |action: &PlannedAction| Step { action: action.clone(), stage, began: None, ended: None };
            it.actions.iter().map(step)
        });
        Some(Self {
            began_at: line.time,
            steps: steps.collect(),
            stages_began: Vec::new(),
            end: None,
            now: line.seconds,
            run: run.clone(),
        })
    }

    pub(super) fn tell(&mut self, line: &Line) {
        self.now = self.now.max(line.seconds);
        match &line.record {
            Record::RunBegan(_) => {}
            Record::StageBegan { .. } => self.stages_began.push(line.seconds),
            Record::ActionBegan(it) => {
                if let Some(step) = self.step(it.number) {
                    step.began = Some(line.seconds);
                }
            }
            Record::ActionEnded(it) => {
                if let Some(step) = self.step(it.number) {
                    step.ended = Some((line.seconds, it.clone()));
                }
            }
            Record::RunEnded(it) => self.end = Some(it.clone()),
        }
    }

    fn step(&mut self, number: usize) -> Option<&mut Step> {
        self.steps.get_mut(number.checked_sub(1)?)
    }

    /// How many actions came to a good end.
    pub(super) fn done(&self) -> usize {
        self.steps.iter().filter(|step| step.is_done()).count()
    }
}

impl Step {
    pub(super) fn is_done(&self) -> bool {
        self.ended.as_ref().is_some_and(|(_, end)| {
            matches!(end.outcome, ActionOutcome::Done | ActionOutcome::Skipped | ActionOutcome::Warning)
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.began.is_some() && self.ended.is_none()
    }

    /// What is done, without the host.
    pub(super) fn verb(&self) -> &str {
        let text = self.action.what.text.as_str();
        text.split_once(": ").map_or(text, |(_, verb)| verb)
    }

    /// Whom it concerns, as the plan says it.
    pub(super) fn subject(&self) -> &str {
        self.action.what.host.as_deref().unwrap_or("cluster")
    }
}

/// A length of time as people say it.
pub(super) fn span(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() / 10.0;
    if tenths < 10.0 {
        return format!("{tenths:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole, small, positive number")]
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let cases = [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (92.0, "1 min 32 s")];
        for (seconds, text) in cases.into_iter().chain([(3725.0, "1 h 02 min")]) {
            assert_eq!(span(seconds), text);
        }
    }
}
