//! Hosts of an imported cluster become ours.

use super::{Action, Lane};
use crate::observed::Observed;
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// One lane for each host that is a node of the cluster already and has no marker yet.
pub(super) fn lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let names = wanted.spec.hosts().map(|(name, ..)| name);
    let adoptable = names.filter(|name| standing(wanted, observed, name) == Standing::Adoptable);
    adoptable.map(|name| vec![Action::AdoptHost { host: name.to_owned() }]).collect()
}
