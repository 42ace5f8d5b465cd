//! How a cluster is right now: a look at everything, and a judgement of what was seen.

mod judge;
mod probe;

use futures::future::join;
use kubeone_plan::wanted::Wanted;
use kubeone_spec::{ClusterHealth, ClusterStatusSpec};

use crate::machines::Hosts;
use crate::observe::observe;

/// Looks at a cluster and judges what was seen. It changes nothing, and what cannot be seen is part of the answer.
pub async fn look_after(query: &ClusterStatusSpec, hosts: &Hosts) -> ClusterHealth {
    let spec = query.cluster.to_spec();
    let wanted = Wanted { uid: query.cluster.id.clone(), ..Wanted::new(spec) };
    let (observed, control_planes) = join(observe(&wanted, hosts), probe::control_planes(&wanted.spec, hosts)).await;
    judge::judge(query, &observed, &control_planes, jiff::Timestamp::now())
}
