//! The record of the last restore in a control plane's marker: when it took place and what was restored, as text.

use jiff::{SignedDuration, Timestamp};
use kubeone_facts::{HostFacts, Marker};

/// The last restore that a control plane records.
pub fn recorded(facts: &HostFacts) -> Option<&str> {
    facts.marker.as_ref()?.restored.as_deref()
}

/// When the recorded restore took place; `None` if the text is not a record.
pub fn when(restored: &str) -> Option<Timestamp> {
    restored.split_once(' ')?.0.parse().ok()
}

/// Whether one record is of an earlier restore than the other. No record is earlier than any.
pub fn is_earlier(one: Option<&str>, other: Option<&str>) -> bool {
    let rank = |restored: Option<&str>| restored.and_then(|text| Some((when(text)?, text.to_owned())));
    rank(one) < rank(other)
}

/// A restore is identified by what it restores and by the restore that precedes it. The same data can be restored again
/// after another restore, and traces of an earlier restore must not be mistaken for this one.
pub fn id(key: &str, last: Option<&str>) -> String {
    last.map_or_else(|| key.to_owned(), |last| format!("{key}{AFTER}{last}"))
}

/// What the restore with this id restores.
pub fn key_of_id(id: &str) -> &str {
    id.split_once(AFTER).map_or(id, |(key, _)| key)
}

/// The restore that precedes the one with this id.
fn predecessor(id: &str) -> Option<&str> {
    id.split_once(AFTER).map(|(_, last)| last)
}

/// Settings cannot contain it.
const AFTER: &str = "\nafter ";

/// Whether this is the record of the restore with this id. Steps skip a restore with a record, and plans do not treat
/// it as interrupted. An earlier record of the same data does not count.
pub fn is_record_of(restored: &str, id: &str) -> bool {
    key_of(restored) == key_of_id(id) && is_earlier(predecessor(id), Some(restored))
}

/// The record for the restore with this id. It is later than the preceding restore and than `last`, because clocks
/// differ.
pub fn new_record(now: Timestamp, last: Option<&str>, id: &str) -> String {
    let after = |memory: &str| when(memory)?.checked_add(SignedDuration::from_secs(1)).ok();
    let later = [last, predecessor(id)].into_iter().flatten().filter_map(after);
    format!("{} {}", later.fold(now, Timestamp::max), key_of_id(id))
}

/// What was restored.
pub fn key_of(remembered: &str) -> &str {
    remembered.split_once(' ').map_or("", |(_, key)| key)
}

/// Whether the restore with this id is the last one that a control plane records.
pub fn is_recorded(marker: &Marker, id: &str) -> bool {
    marker.restored.as_deref().is_some_and(|restored| is_record_of(restored, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_is_later_than_the_one_before_whatever_the_clock_says() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        for (last, expected) in [
            (None, "2026-03-01T12:00:00Z x"),
            (Some("2026-02-01T12:00:00Z x (trigger `a`)"), "2026-03-01T12:00:00Z x"),
            (Some("2026-03-01T12:00:00Z x"), "2026-03-01T12:00:01Z x"),
            (Some("2026-03-02T12:00:00Z x"), "2026-03-02T12:00:01Z x"),
            (Some("gibberish"), "2026-03-01T12:00:00Z x"),
        ] {
            assert_eq!(new_record(now, last, "x"), expected);
        }
    }
}
