//! Which Kubernetes a scenario installs.

use anyhow::{Context, Result};

use super::Scenario;
use crate::lab::{self, services::Wanted};

impl Scenario {
    /// Makes packages and images of these versions ready. A version is built when it is asked for the first time, which
    /// takes minutes: ask for all of them before hosts are up.
    pub fn prepare_kubernetes(&self, versions: &[&str]) -> Result<()> {
        let wanted = Wanted { kubernetes: versions, ..Wanted::default() };
        lab::prepare(&wanted).with_context(|| format!("could not prepare Kubernetes {}", versions.join(", ")))
    }

    /// The version that the next apply installs, or upgrades to.
    pub fn set_kubernetes_version(&mut self, version: &str) -> Result<()> {
        self.prepare_kubernetes(&[version])?;
        self.terraform.set_variable("kubernetes_version", version);
        Ok(())
    }
}
