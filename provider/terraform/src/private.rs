//! What Terraform keeps for us between refresh, plan and apply, out of the user's sight: the last observation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubeone_facts::Observed;
use serde::{Deserialize, Serialize};
use tfplugin::Diagnostic;

use crate::diagnostics::chain;

#[derive(Serialize, Deserialize)]
struct Private {
    observed: Observed,
    /// When that was, in seconds since 1970, so that plans can tell time and are the same whenever they are made.
    #[serde(default)]
    at: u64,
    /// The cluster was imported, and nothing was applied since.
    #[serde(default)]
    imported: bool,
}

pub(crate) fn encode(observed: &Observed) -> Result<Vec<u8>, Diagnostic> {
    write(observed, false)
}

/// The same, of a cluster that was imported and that nothing was applied to since.
pub(crate) fn encode_imported(observed: &Observed) -> Result<Vec<u8>, Diagnostic> {
    write(observed, true)
}

fn write(observed: &Observed, imported: bool) -> Result<Vec<u8>, Diagnostic> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        observed: &'a Observed,
        at: u64,
        imported: bool,
    }
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let bug = |error| Diagnostic::bug("the observation cannot be kept", chain(&error));
    serde_json::to_vec(&Borrowed { observed, at, imported }).map_err(bug)
}

/// The last observation. `None` when there was none yet, or when another version of the provider wrote it in a shape
/// that is not understood; the next refresh then makes a new one.
pub(crate) fn decode(private: &[u8]) -> Option<Observed> {
    serde_json::from_slice::<Private>(private).ok().map(|private| private.observed)
}

/// When the last observation was made. `None` when there was none.
pub(crate) fn observed_at(private: &[u8]) -> Option<SystemTime> {
    let private = serde_json::from_slice::<Private>(private).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(private.at))
}

/// Whether the cluster was imported, and nothing was applied since.
pub(crate) fn is_imported(private: &[u8]) -> bool {
    serde_json::from_slice::<Private>(private).is_ok_and(|private| private.imported)
}
