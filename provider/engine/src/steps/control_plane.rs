//! What works on a running control plane has in common: etcd's quorum is kept, and components are restarted.

use futures::future::join_all;
use kubeone_hosts::{Host, HostError, Os};
use kubeone_spec::HostSpec;

use crate::cx::Cx;
use crate::error::StepError;
use crate::kubeadm;

const RESTART_UNIT: &str = "kubeone-restart";

/// A member that was restarted just now is back within this time.
const MEMBER_PATIENCE: u64 = 60;

/// A restart of components of a control plane.
pub(super) struct Restart<'a> {
    /// Names of static pods.
    pub(super) components: Vec<&'a str>,
    /// Whether etcd and the API server can be well afterwards; see [`await_quorum_without`].
    pub(super) health: bool,
    /// Whether it is for new certificates.
    pub(super) renewed: bool,
}

impl Restart<'_> {
    pub(super) async fn run(self, cx: &Cx<'_>, host: &dyn Host, spec: &HostSpec, os: &Os) -> Result<(), StepError> {
        let restart = os
            .script("restart_components")?
            .lines("COMPONENTS", self.components)
            .var("API_PORT", kubeadm::api_server_port(cx.spec, spec))
            .var("AWAIT_HEALTH", self.health)
            .var("RENEWED", self.renewed);
        host.run_unit(RESTART_UNIT, &restart).await?;
        Ok(())
    }
}

/// Makes sure that etcd has a quorum while the member on this host restarts. Where there is no quorum to lose, as when
/// all certificates have ended, the work is what brings it back. Answers whether this member can be well afterwards.
pub(super) async fn await_quorum_without(cx: &Cx<'_>, name: &str, host: &dyn Host) -> Result<bool, StepError> {
    let others = cx.spec.control_plane.keys().filter(|other| *other != name);
    let others: Vec<_> = others.filter_map(|other| cx.host(other).ok()).collect();
    let all = others.len() + 1;
    let (me, well) = futures::join!(is_well(host, 0), count_well(&others, 0));
    let (me, mut well) = (me?, well?);
    let enough = |well: usize| well > all / 2;
    // A single member, and one of two, cannot restart without a pause.
    if me && all > 2 && !enough(well) {
        well = count_well(&others, MEMBER_PATIENCE).await?;
        if !enough(well) {
            let reason = format!("etcd would lose its quorum: only {well} of the {} other members are well", all - 1);
            return Err(StepError::Refused { reason });
        }
    }
    Ok(me || well > 0 || all == 1)
}

async fn count_well(hosts: &[&dyn Host], patience: u64) -> Result<usize, StepError> {
    let answers: Result<Vec<_>, _> =
        join_all(hosts.iter().map(|host| is_well(*host, patience))).await.into_iter().collect();
    Ok(answers?.into_iter().filter(|well| *well).count())
}

/// Whether the member on this host is well. A host that does not answer has none that is.
async fn is_well(host: &dyn Host, patience: u64) -> Result<bool, StepError> {
    match host.run(&Os::common().script("etcd_health")?.var("PATIENCE", patience)).await {
        Ok(_) => Ok(true),
        Err(HostError::Script(_)) => Ok(false),
        Err(error) if error.is_unreachable() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
