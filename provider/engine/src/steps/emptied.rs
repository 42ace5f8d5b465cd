//! Work on a node that its pods leave for as long as it takes.

use kubeone_kubernetes::Cluster;
use kubeone_spec::UpgradeDrain;

use super::unless_cancelled;
use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

/// Whether a change of versions asks for an empty node, as the settings for upgrades say.
pub(super) fn drains(cx: &Cx<'_>, another_version: bool, another_minor: bool) -> bool {
    match cx.spec.upgrade.drain {
        UpgradeDrain::Never => false,
        UpgradeDrain::Always => another_version,
        UpgradeDrain::Minor => another_minor,
    }
}

/// Does the work, on an empty node where `drains` is true. However it ends, the node takes pods again, also when an earlier
/// run cordoned it; unless its user did.
pub(super) async fn emptied(
    cx: &Cx<'_>,
    cluster: &Cluster,
    name: &str,
    drains: bool,
    work: impl Future<Output = Result<(), StepError>>,
) -> Result<Outcome, StepError> {
    let done = async {
        let mut warning = None;
        if drains {
            // While the kubelet still hears of pods that are to end at once: one whose API server was away asks
            // again only after half a minute.
            cluster.cordon(name).await?;
            warning = unless_cancelled(cx, cluster.drain(name, &cx.spec.drain)).await?.warning();
        }
        work.await?;
        Ok::<_, StepError>(warning)
    };
    let done = done.await;
    let uncordoned = cluster.uncordon(name).await;
    // What went wrong first is what is told.
    let warning = done?;
    uncordoned?;
    Ok(warning.map_or(Outcome::Done, Outcome::Warning))
}
