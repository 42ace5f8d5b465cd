//! Counts what came of each action of a chain.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::progress::{Began, Seen};

/// All actions that ever began, over all applies, by their keys.
#[derive(Debug, Default)]
pub(super) struct Actions {
    began: BTreeSet<String>,
    /// Those that are not to be disturbed.
    skipped: BTreeSet<String>,
    /// Those whose turn is over, and whether each was still running when the fault came.
    struck: BTreeMap<String, bool>,
    /// Those that ran beside one whose turn it was when their provider was killed. Their own turn may come still.
    beside: BTreeSet<String>,
}

/// What came of a chain.
#[derive(Debug)]
pub struct Tally {
    /// The actions that were disturbed while they ran.
    pub disturbed: Vec<String>,
    /// Actions too quick to be disturbed before they ended: the fault came right after them.
    pub right_after: Vec<String>,
    /// The other ones that began and were not to be left alone.
    pub never: Vec<String>,
    pub applies: usize,
    pub duration: Duration,
}

impl Actions {
    /// Remembers what began. The first so many of all are left alone.
    pub(super) fn saw(&mut self, seen: &Seen, skip: usize) {
        for action in &seen.began {
            if self.began.insert(action.key()) && self.skipped.len() < skip {
                self.skipped.insert(action.key());
            }
        }
    }

    /// The one to disturb next: one that runs, if there is one.
    pub(super) fn next(&self, seen: &Seen) -> Option<Began> {
        let is_left = |key: &String| !self.skipped.contains(key) && !self.struck.contains_key(key);
        let left = seen.began.iter().filter(|action| is_left(&action.key()));
        left.min_by_key(|action| seen.ended.contains(&action.number)).cloned()
    }

    pub(super) fn was_struck(&mut self, key: String, ran: bool) {
        self.struck.insert(key, ran);
    }

    /// The provider was killed: whatever had begun and not ended was disturbed with it.
    pub(super) fn were_killed(&mut self, seen: &Seen) {
        let running = seen.began.iter().filter(|action| !seen.ended.contains(&action.number));
        self.beside.extend(running.map(Began::key));
    }

    pub(super) fn struck(&self) -> usize {
        self.struck.len()
    }

    pub(super) fn struck_names(&self) -> String {
        self.struck.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn left_alone(&self) -> usize {
        self.skipped.len()
    }

    pub(super) fn tally(self, applies: usize, duration: Duration) -> Tally {
        let Self { began, skipped, struck, beside } = self;
        let mut tally = Tally { disturbed: vec![], right_after: vec![], never: vec![], applies, duration };
        for key in began.difference(&skipped).cloned() {
            match struck.get(&key) {
                Some(true) => tally.disturbed.push(key),
                _ if beside.contains(&key) => tally.disturbed.push(key),
                Some(false) => tally.right_after.push(key),
                None => tally.never.push(key),
            }
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { disturbed, right_after, never, applies, duration } = self;
        let all = disturbed.len() + right_after.len() + never.len();
        let seconds = duration.as_secs();
        write!(
            f,
            "{} of {all} actions disturbed and finished, with {applies} applies in {seconds} s",
            disturbed.len()
        )?;
        for (when, actions) in [("only right after their end", right_after), ("never", never)] {
            if !actions.is_empty() {
                write!(f, "; {when}: {}", actions.join(", "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(began: &[&str], ended: &[usize]) -> Seen {
        let action = |(number, kind): (usize, &&str)| Began { number, kind: (*kind).to_owned(), host: None };
        Seen { began: began.iter().enumerate().map(action).collect(), ended: ended.iter().copied().collect() }
    }

    fn next(actions: &Actions, seen: &Seen) -> Option<String> {
        actions.next(seen).map(|action| action.kind)
    }

    #[test]
    fn actions_that_were_never_disturbed_are_counted_and_named() {
        let mut actions = Actions::default();
        let first = seen(&["skipped", "quick", "slow", "missed"], &[0, 1, 3]);
        actions.saw(&first, 1);
        assert_eq!(next(&actions, &first).as_deref(), Some("slow"));
        actions.was_struck("cluster slow".to_owned(), true);
        actions.was_struck("cluster quick".to_owned(), false);
        let tally = actions.tally(2, Duration::from_secs(9));
        let expected = "1 of 3 actions disturbed and finished, with 2 applies in 9 s; only right after their end: \
                        cluster quick; never: cluster missed";
        assert_eq!(tally.to_string(), expected);
    }

    #[test]
    fn what_ran_beside_a_killed_action_is_disturbed_and_still_gets_a_turn() {
        let mut actions = Actions::default();
        let killed = seen(&["one", "beside", "over"], &[2]);
        actions.saw(&killed, 0);
        actions.was_struck("cluster one".to_owned(), true);
        actions.were_killed(&killed);
        let again = seen(&["beside"], &[]);
        assert_eq!(next(&actions, &again).as_deref(), Some("beside"));
        let tally = actions.tally(2, Duration::ZERO);
        assert_eq!(tally.disturbed, ["cluster beside", "cluster one"]);
        assert_eq!(tally.never, ["cluster over"]);
    }
}
