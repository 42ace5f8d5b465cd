//! Hosts that lie: what they can say of each fact, and the law that nobody else suffers from it.

use super::World;
use crate::observed::{EtcdMember, HostFacts, HostState, Marker};

/// `restored …`, `replaces …`, `uid …`, `members a b`: as planner cases tell it.
pub(super) fn tell(world: &mut World, name: &str, lie: &str) {
    let (what, value) = lie.split_once(' ').unwrap_or((lie, ""));
    let state = world.observed.hosts.get_mut(name);
    let Some(HostState::Reached(facts)) = state else { panic!("{name} cannot be reached") };
    let marker = |facts: &mut HostFacts, change: fn(&mut Marker, String)| {
        change(facts.marker.get_or_insert_default(), value.to_owned());
    };
    match what {
        "restored" => marker(facts, |marker, value| marker.restored = Some(value)),
        "replaces" => marker(facts, |marker, value| marker.replaces = Some(value)),
        "uid" => marker(facts, |marker, value| marker.uid = Some(value)),
        "members" => facts.etcd_members = value.split_whitespace().map(member).collect(),
        _ => panic!("{name}: what is the lie `{lie}`?"),
    }
}

fn member(name: &str) -> EtcdMember {
    EtcdMember { id: format!("{name}'s"), name: name.to_owned(), ..EtcdMember::default() }
}
