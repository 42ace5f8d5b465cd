//! Hosts that are nodes of the cluster and have no marker that says so become ours.

use kubeone_facts::Observed;

use super::{Action, Lane};
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// One lane for each node of an imported cluster that has no marker yet.
pub(super) fn lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let unmarked = adoptable(wanted, observed).filter(|(_, damage)| damage.is_none());
    unmarked.map(|(name, _)| vec![Action::AdoptHost { host: name.to_owned() }]).collect()
}

/// One lane for each node of the cluster whose marker is damaged.
pub(super) fn rewrites(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let rewrite = |(name, damage): (&str, Option<&str>)| {
        let (host, reason) = (name.to_owned(), damage?.to_owned());
        Some(vec![Action::RewriteMarker { host, reason }])
    };
    adoptable(wanted, observed).filter_map(rewrite).collect()
}

/// With what is wrong with their markers, if they have any.
fn adoptable<'a>(wanted: &'a Wanted, observed: &'a Observed) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let names = wanted.spec.hosts().map(|(name, ..)| name);
    let adoptable = names.filter(|name| standing(wanted, observed, name) == Standing::Adoptable);
    adoptable.map(|name| (name, observed.facts(name).and_then(|facts| facts.marker.damage())))
}
