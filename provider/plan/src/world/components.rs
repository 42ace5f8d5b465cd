//! How the components of a simulated control plane run.

use kubeone_desired::control_plane::{Component, Content, ControlPlane, fingerprint, sha256};
use kubeone_facts::{ComponentFacts, HostFacts};

use super::{Extent, World};
use crate::component_changes::{component_changes, stale_files};

impl World {
    pub(super) fn configure_control_plane(&mut self, host: &str, extent: Extent) {
        let desired = ControlPlane::of(&self.wanted.spec);
        let facts = self.facts(host);
        let is_as_wanted = component_changes(&desired, facts).is_empty() && stale_files(&desired, facts).is_empty();
        if is_as_wanted && !facts.configured.begun {
            return;
        }
        facts.unrecorded = true;
        facts.configured.begun = true;
        match extent {
            Extent::Early => {}
            // Files and one of the components.
            Extent::Middle => write_files(facts, &desired),
            Extent::Late | Extent::Whole => run_components(facts, &desired),
        }
        if extent == Extent::Whole {
            facts.unrecorded = false;
            facts.configured.begun = false;
        }
    }
}

fn write_files(facts: &mut HostFacts, desired: &ControlPlane) {
    "salt".clone_into(&mut facts.configured.salt);
    for (path, file) in desired.files() {
        match &file.content {
            Content::Public(text) => _ = facts.files.insert(path.to_owned(), sha256(text)),
            Content::Secret(secret) => {
                _ = facts.configured.fingerprints.insert(path.to_owned(), fingerprint("salt", secret));
            }
            Content::Unknown => {}
        }
    }
}

/// As if all of it had been configured.
pub(crate) fn run_components(facts: &mut HostFacts, desired: &ControlPlane) {
    for path in stale_files(desired, facts) {
        facts.files.remove(&path);
        facts.configured.fingerprints.remove(&path);
    }
    write_files(facts, desired);
    facts.configured.files = desired.files().map(|(path, _)| path.to_owned()).collect();
    for component in Component::ALL {
        let name = component.name().to_owned();
        let own = |facts: &HostFacts| facts.configured.arguments.get(&name).cloned().unwrap_or_default();
        let own_mounts = |facts: &HostFacts| facts.configured.mounts.get(&name).cloned().unwrap_or_default();
        let (gone, gone_mounts) = (own(facts), own_mounts(facts));
        let runs: &mut ComponentFacts = facts.kubernetes.components.entry(name.clone()).or_default();
        runs.arguments.retain(|argument, _| !gone.contains(argument));
        runs.arguments.extend(desired.arguments(component).map(|(name, value)| (name.to_owned(), value.to_owned())));
        runs.mounts.retain(|mount| !gone_mounts.contains(mount));
        runs.mounts.extend(desired.mounts(component).iter().map(|mount| mount.name.to_owned()));
        runs.mounts.dedup();
        let names = desired.arguments(component).map(|(name, _)| name.to_owned()).collect();
        facts.configured.arguments.insert(name.clone(), names);
        let names = desired.mounts(component).iter().map(|mount| mount.name.to_owned()).collect();
        facts.configured.mounts.insert(name, names);
    }
}
