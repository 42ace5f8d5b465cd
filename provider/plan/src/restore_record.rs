//! What a control plane recorded of the last restore: when it took place and what was restored, as text in its marker.

use jiff::{SignedDuration, Timestamp};
use kubeone_facts::{HostFacts, Marker};

/// The last restore that a control plane recorded.
pub fn recorded(facts: &HostFacts) -> Option<&str> {
    facts.marker.as_ref()?.restored.as_deref()
}

/// When the restore took place that a marker recorded; `None` for what is no such memory.
pub fn when(restored: &str) -> Option<Timestamp> {
    restored.split_once(' ')?.0.parse().ok()
}

/// Whether one memory is of an earlier restore than the other. No memory is earlier than any.
pub fn is_earlier(one: Option<&str>, other: Option<&str>) -> bool {
    let rank = |restored: Option<&str>| restored.and_then(|text| Some((when(text)?, text.to_owned())));
    rank(one) < rank(other)
}

/// A restore is known by what is restored and by the restore that it comes after. The same data can be restored again when
/// others were in between, and what an earlier restore left on a host must not be taken for a part of this one.
pub fn id(key: &str, last: Option<&str>) -> String {
    last.map_or_else(|| key.to_owned(), |last| format!("{key}{AFTER}{last}"))
}

/// What is restored by the restore of this id.
pub fn key_of_id(id: &str) -> &str {
    id.split_once(AFTER).map_or(id, |(key, _)| key)
}

/// What the restore of this id comes after.
fn predecessor(id: &str) -> Option<&str> {
    id.split_once(AFTER).map(|(_, last)| last)
}

/// Settings cannot contain it.
const AFTER: &str = "\nafter ";

/// Whether this is the memory of the restore with this id. Steps skip what is done by this, and plans call nothing begun that
/// is: a memory of the same data from before is not one of it.
pub fn is_record_of(restored: &str, id: &str) -> bool {
    key_of(restored) == key_of_id(id) && is_earlier(predecessor(id), Some(restored))
}

/// What a marker recorded of the restore with this id: when, and what. It is later than the one before and than any that
/// `last` tells of, for clocks differ.
pub fn new_record(now: Timestamp, last: Option<&str>, id: &str) -> String {
    let after = |memory: &str| when(memory)?.checked_add(SignedDuration::from_secs(1)).ok();
    let later = [last, predecessor(id)].into_iter().flatten().filter_map(after);
    format!("{} {}", later.fold(now, Timestamp::max), key_of_id(id))
}

/// What was restored.
pub fn key_of(remembered: &str) -> &str {
    remembered.split_once(' ').map_or("", |(_, key)| key)
}

/// Whether the restore with this id is the last one that a control plane recorded.
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
