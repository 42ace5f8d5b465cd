//! What Terraform keeps for us between refresh, plan and apply, out of the user's sight: the last observation.

use kubeone_engine::Observed;
use serde::{Deserialize, Serialize};
use tfplugin::Diagnostic;

use crate::diagnostics::chain;

#[derive(Serialize, Deserialize)]
struct Private {
    observed: Observed,
}

pub(crate) fn encode(observed: &Observed) -> Result<Vec<u8>, Diagnostic> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        observed: &'a Observed,
    }
    let bug = |error| Diagnostic::bug("the observation cannot be kept", chain(&error));
    serde_json::to_vec(&Borrowed { observed }).map_err(bug)
}

/// The last observation. `None` when there was none yet, or when another version of the provider wrote it in a shape
/// that is not understood; the next refresh then makes a new one.
pub(crate) fn decode(private: &[u8]) -> Option<Observed> {
    serde_json::from_slice::<Private>(private).ok().map(|private| private.observed)
}
