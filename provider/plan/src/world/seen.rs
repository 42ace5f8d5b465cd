//! What an observation of the simulated world shows.

use kubeone_facts::{ApiState, HostState, Observed};
use kubeone_spec::Role;

use super::World;
use crate::standing::{Standing, standing_of};

impl World {
    /// The API of a host that is not finished or is foreign is not queried.
    pub(crate) fn seen(&self) -> Observed {
        let mut seen = self.observed.clone();
        let is_asked = |name: &String, state: Option<&HostState>| {
            !matches!(
                standing_of(&self.wanted, &self.observed, name, state),
                Standing::Begun | Standing::Bare | Standing::Foreign(_)
            )
        };
        let mut stay = self.wanted.spec.control_plane.keys().map(|name| (name, self.observed.hosts.get(name)));
        let leave = self.wanted.leaving.iter().filter(|(_, leaving)| leaving.role == Role::ControlPlane);
        let mut leave = leave.map(|(name, _)| (name, self.observed.leaving.get(name)));
        if !stay.any(|(name, state)| is_asked(name, state)) && !leave.any(|(name, state)| is_asked(name, state)) {
            seen.api = ApiState::Absent;
        }
        seen
    }
}
