//! Counts what came of each action of a chain.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::progress::{Began, Seen};

/// All actions that ever began, over all applies, by their keys.
#[derive(Debug, Default)]
pub(super) struct Actions {
    began: BTreeSet<String>,
    /// If there are any, nothing but them is to be disturbed, and counts.
    only: Option<BTreeSet<String>>,
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
    pub disturbed: BTreeSet<String>,
    /// Actions too quick to be disturbed before they ended: the fault came right after them.
    pub right_after: BTreeSet<String>,
    /// The other ones that began and were not to be left alone.
    pub never: BTreeSet<String>,
    pub applies: usize,
    pub duration: Duration,
}

impl Actions {
    pub(super) fn only(keys: BTreeSet<String>) -> Self {
        Self { only: Some(keys), ..Self::default() }
    }

    pub(super) fn are_all_meant(&self) -> bool {
        self.only.is_none()
    }

    fn is_meant(&self, key: &String) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(key)) && !self.skipped.contains(key)
    }

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
        let is_left = |key: &String| self.is_meant(key) && !self.struck.contains_key(key);
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
        joined(self.struck.keys())
    }

    pub(super) fn tally(self, applies: usize, duration: Duration) -> Tally {
        let (mut disturbed, mut right_after, mut never) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for key in self.began.iter().filter(|key| self.is_meant(key)).cloned() {
            match self.struck.get(&key) {
                Some(true) => disturbed.insert(key),
                _ if self.beside.contains(&key) => disturbed.insert(key),
                Some(false) => right_after.insert(key),
                None => never.insert(key),
            };
        }
        Tally { disturbed, right_after, never, applies, duration }
    }
}

impl Tally {
    pub(super) fn was_disturbed(&self) -> bool {
        !self.disturbed.is_empty() || !self.right_after.is_empty()
    }

    /// Those that were not disturbed while they ran.
    pub(super) fn missed(&self) -> BTreeSet<String> {
        self.right_after.union(&self.never).cloned().collect()
    }

    /// What came of actions that had been missed.
    pub(super) fn add(&mut self, other: Self) {
        self.disturbed.extend(other.disturbed);
        self.right_after.extend(other.right_after);
        let Self { disturbed, right_after, never, .. } = self;
        right_after.retain(|key| !disturbed.contains(key));
        never.retain(|key| !disturbed.contains(key) && !right_after.contains(key));
        self.applies += other.applies;
        self.duration += other.duration;
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
                write!(f, "; {when}: {}", joined(actions))?;
            }
        }
        Ok(())
    }
}

/// Keys of actions as a reader gets them.
pub(super) fn joined<'a>(keys: impl IntoIterator<Item = &'a String>) -> String {
    keys.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
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
        assert_eq!(tally.disturbed, keys(&["cluster beside", "cluster one"]));
        assert_eq!(tally.never, keys(&["cluster over"]));
    }

    #[test]
    fn another_round_is_for_what_was_missed_and_for_nothing_else() {
        let mut first = Actions::default();
        first.saw(&seen(&["one", "missed", "quick", "gone"], &[]), 0);
        first.was_struck("cluster one".to_owned(), true);
        first.was_struck("cluster quick".to_owned(), false);
        let mut tally = first.tally(2, Duration::from_secs(9));
        assert_eq!(tally.missed(), keys(&["cluster gone", "cluster missed", "cluster quick"]));

        let mut more = Actions::only(tally.missed());
        let again = seen(&["one", "missed", "new"], &[]);
        more.saw(&again, 0);
        assert_eq!(next(&more, &again).as_deref(), Some("missed"));
        more.was_struck("cluster missed".to_owned(), true);
        assert_eq!(next(&more, &again), None);
        tally.add(more.tally(1, Duration::from_secs(1)));
        let expected = "2 of 4 actions disturbed and finished, with 3 applies in 10 s; only right after their end: \
                        cluster quick; never: cluster gone";
        assert_eq!(tally.to_string(), expected);
    }

    fn keys(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }
}
