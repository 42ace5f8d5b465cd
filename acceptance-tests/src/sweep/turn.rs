//! A small part of the sweep for each day: in the end all actions of all operations are reached, with each kind of fault.

use super::{FAULTS, Fault, OPERATIONS, Operation, Part};

/// So many actions are disturbed in one turn; the last part of an operation takes what is left.
const ACTIONS: usize = 2;

/// A few actions of one chain. Neighbouring turns are other faults of other operations.
pub fn turn(number: usize) -> (&'static Operation, Fault, Part) {
    let operations: Vec<_> = OPERATIONS.iter().filter(|operation| operation.parts > 0).collect();
    let (round, place) = (number / operations.len(), number % operations.len());
    let operation = operations[place];
    // Another fault in each round, and for each operation another one to begin with.
    let fault = FAULTS[(round + place) % FAULTS.len()];
    let part = round / FAULTS.len() % operation.parts;
    let at_most = if part + 1 == operation.parts { usize::MAX } else { ACTIONS };
    (operation, fault, Part { skip: part * ACTIONS, at_most })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_chains_have_all_their_parts() {
        let operations: Vec<_> = OPERATIONS.iter().filter(|operation| operation.parts > 0).collect();
        let most = operations.iter().map(|operation| operation.parts).max().unwrap();
        let turns = operations.len() * FAULTS.len() * most;
        let key = |operation: &Operation, fault: Fault, skip| (operation.name, fault.to_string(), skip);
        // From any day on.
        for first in [0, 20_638] {
            let seen =
                (first..first + turns).map(turn).map(|(operation, fault, part)| key(operation, fault, part.skip));
            let seen: BTreeSet<_> = seen.collect();
            let wanted = operations.iter().flat_map(|operation| {
                let parts = move |fault| (0..operation.parts).map(move |part| key(operation, fault, part * ACTIONS));
                FAULTS.into_iter().flat_map(parts)
            });
            assert_eq!(seen, wanted.collect());
        }
    }

    #[test]
    fn nothing_is_left_out_after_the_last_part() {
        for (operation, _, part) in (0..1000).map(turn) {
            let is_last = part.skip + ACTIONS == operation.parts * ACTIONS;
            assert_eq!(part.at_most == usize::MAX, is_last, "{} {part}", operation.name);
        }
    }
}
