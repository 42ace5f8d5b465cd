//! Plans the adoption of nodes of the cluster that have no readable marker.

use super::{Action, Lane};
use crate::situation::Situation;
use crate::standing::Standing;

/// One lane for each node of an imported cluster that has no marker yet.
pub(super) fn lanes(situation: &Situation<'_>) -> Vec<Lane> {
    let unmarked = adoptable(situation).filter(|(_, damage)| damage.is_none());
    unmarked.map(|(name, _)| vec![Action::AdoptHost { host: name.to_owned() }]).collect()
}

/// One lane for each node of the cluster whose marker is damaged.
pub(super) fn rewrites(situation: &Situation<'_>) -> Vec<Lane> {
    let rewrite = |(name, damage): (&str, Option<&str>)| {
        let (host, reason) = (name.to_owned(), damage?.to_owned());
        Some(vec![Action::RewriteMarker { host, reason }])
    };
    adoptable(situation).filter_map(rewrite).collect()
}

/// Each with the damage of its marker, if it has one.
fn adoptable<'a>(situation: &Situation<'a>) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let adoptable = situation.hosts().filter(|host| host.standing == Standing::Adoptable);
    adoptable.map(|host| (host.name, host.facts.and_then(|facts| facts.marker.damage())))
}
