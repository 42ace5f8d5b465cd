//! Stops a control plane before etcd is restored, so that nobody goes on with the old data.

use kubeone_facts::Marker;
use kubeone_hosts::{Host, Os};
use kubeone_plan::restore::has_data_of;
use kubeone_plan::restore_record::is_recorded;

use super::{RESTORE_UNIT, await_earlier};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

/// Where a snapshot lies that was sent to a host.
pub(super) const INCOMING: &str = "/var/backups/kubeone/incoming";

pub(crate) async fn run(cx: &Cx<'_>, name: &str, what: &str) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    await_earlier(host, RESTORE_UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    if let Some(begun) = &facts.restore {
        if is_recorded(&marker, &begun.what) {
            // It came to its end, and its traces were not taken away any more: they must not be taken for this one's.
            end(host).await?;
        } else if has_data_of(&facts, what) {
            return Ok(Outcome::Skipped("etcd has the restored data already".to_owned()));
        }
    }
    host.run_unit(RESTORE_UNIT, &Os::common().script("stop_control_plane")?.var("WHAT", what)).await?;
    Ok(Outcome::Done)
}

/// Takes the traces of a restore away that came to its end.
pub(super) async fn end(host: &dyn Host) -> Result<(), StepError> {
    host.run(&Os::common().script("end_restore")?.var("INCOMING", INCOMING)).await?;
    Ok(())
}
