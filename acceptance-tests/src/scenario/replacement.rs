//! Other machines under the same names.

use anyhow::{Context, Result};
use serde_json::json;

use super::Scenario;
use crate::lab::host;

/// What a new machine answers on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// The one of the machine it stands in for.
    Same,
    Other,
}

/// Where other addresses begin: the lab itself counts upwards from 11.
const FIRST_OTHER: u8 = 131;

impl Scenario {
    /// Which hosts there are: a set of names such as `["control-plane-1", "control-plane-3"]`, so that any one of them can
    /// be taken away. `variable` is `control_planes` or `workers`.
    pub fn set_names(&mut self, variable: &str, names: &[&str]) {
        self.terraform.set_variable(variable, &json!(names).to_string());
    }

    /// With the next apply the host becomes a new machine: empty disk, other machine id, other SSH host key.
    pub fn new_machine(&mut self, name: &str, address: Address) -> Result<()> {
        let hosts = host::list(self.lab())?;
        let before = self.machines.get(name).cloned().unwrap_or_default();
        let generation = before["generation"].as_u64().unwrap_or(0) + 1;
        let number = match address {
            Address::Same => before["address"].clone(),
            Address::Other => {
                let promised = |last: u8| self.machines.values().any(|machine| machine["address"] == last);
                let taken = |last: u8| hosts.iter().any(|host| host.address.octets()[3] == last) || promised(last);
                json!((FIRST_OTHER..=250).find(|last| !taken(*last)).context("no address is free")?)
            }
        };
        self.machines.insert(name.to_owned(), json!({ "generation": generation, "address": number }));
        // JSON is HCL, as far as values go.
        let machines = serde_json::to_string(&self.machines)?;
        self.terraform.set_variable("machines", &machines);
        Ok(())
    }
}
