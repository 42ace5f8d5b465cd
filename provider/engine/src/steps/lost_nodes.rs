//! Deletes Nodes that came back with the restored data although their machines left since. A Node that the settings do
//! not name may still be somebody's: it stays if its kubelet lives.

use std::time::Duration;

use futures::future::try_join_all;

use super::{API_DEADLINE, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;

/// A kubelet whose API server was away for minutes is back by then.
const LIVES_WITHIN: Duration = Duration::from_secs(45);

/// Answers the names of those that were deleted.
pub(super) async fn forget(cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
    let cluster = cx.cluster().await?;
    let nodes = cluster.nodes(API_DEADLINE).await?;
    let unnamed = nodes.into_keys().filter(|name| cx.spec.host(name).is_none());
    let lives = unnamed.map(async |name| {
        let lives = cluster.is_heartbeating_within(&name, LIVES_WITHIN).await?;
        Ok((name, lives))
    });
    let seen = unless_cancelled(cx, try_join_all(lives)).await?;
    let lost: Vec<String> = seen.into_iter().filter(|(_, lives)| !lives).map(|(name, _)| name).collect();
    for name in &lost {
        cluster.delete_node(name).await?;
    }
    Ok(lost)
}
