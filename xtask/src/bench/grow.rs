//! How planning and refreshing grow with the number of hosts.

use anyhow::Result;

use crate::project;
use crate::run;

/// Runs one of the engine's measurements, built as it is released.
pub(crate) fn run(what: &str) -> Result<()> {
    let measure = ["run", "--quiet", "--release", "--package", "kubeone-engine", "--example", "measure", "--", what];
    run::inherit(project::cargo().args(measure))
}
