//! What works on a running control plane has in common: etcd's quorum is kept, and components are restarted.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use kubeone_desired::kubeadm;
use kubeone_hosts::{Host, HostError, Os};
use kubeone_spec::HostSpec;

use crate::cx::Cx;
use crate::error::StepError;

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

/// Where the API server that runs tells others to reach it: somebody may have chosen that when the cluster was made. The
/// components beside it reach it there, too.
pub(super) async fn advertised_endpoint(host: &dyn Host) -> Result<Option<SocketAddr>, StepError> {
    let manifest = host.read(Path::new(kubeadm::API_SERVER_MANIFEST)).await?;
    let text = manifest.as_ref().and_then(|manifest| std::str::from_utf8(manifest.expose()).ok());
    Ok(text.and_then(kubeadm::advertised_endpoint))
}

/// Makes sure that etcd has a quorum while the member on this host restarts. Where there is no quorum to lose, as when
/// all certificates have ended, the work is what brings it back. Answers whether this member can be well afterwards.
pub(super) async fn await_quorum_without(cx: &Cx<'_>, name: &str, host: &dyn Host) -> Result<bool, StepError> {
    if !is_well(host).await? {
        let others = cx.spec.control_plane.keys().filter(|other| *other != name);
        let others: Vec<_> = others.filter_map(|other| cx.host(other).ok()).collect();
        let alone = others.is_empty();
        let well: Result<Vec<_>, _> = join_all(others.into_iter().map(is_well)).await.into_iter().collect();
        return Ok(alone || well?.contains(&true));
    }
    // What is wanted is another matter: some have not joined yet, and others have not left.
    let mut voters = voters(host, 0).await?;
    if !voters.can_spare_one() {
        voters = self::voters(host, MEMBER_PATIENCE).await?;
    }
    if voters.can_spare_one() {
        return Ok(true);
    }
    let (others, well) = (voters.well + voters.ill.len() - 1, voters.well.saturating_sub(1));
    let reason = format!(
        "etcd would lose its quorum: only {well} of the {others} other members are well, and {} not; bring that back, or \
         replace its host, and apply again",
        voters.ill.join(" and ")
    );
    Err(StepError::Refused { reason })
}

/// The script gives the member 3 s.
const HEALTH_PATIENCE: Duration = Duration::from_secs(30);

/// Each has a line.
const MOST_OF_VOTERS: usize = 64 << 10;

/// Members of etcd that vote.
struct Voters {
    well: usize,
    /// The names of those that are not well.
    ill: Vec<String>,
}

impl Voters {
    /// Whether one of those that are well may restart. A single member, and one of two, cannot without a pause.
    fn can_spare_one(&self) -> bool {
        let all = self.well + self.ill.len();
        all <= 2 || self.well.saturating_sub(1) > all / 2
    }
}

/// Those that the member on this host knows.
async fn voters(host: &dyn Host, patience: u64) -> Result<Voters, StepError> {
    let script = Os::common().script("etcd_voters")?.var("PATIENCE", patience).prints_at_most(MOST_OF_VOTERS);
    let printed = host.run(&script).await?.stdout;
    let ill = printed.lines().filter_map(|line| line.strip_prefix("ill ")).map(str::to_owned).collect();
    Ok(Voters { well: printed.lines().filter(|line| line.starts_with("well ")).count(), ill })
}

/// Whether the member on this host is well. A host that does not answer has none that is.
pub(super) async fn is_well(host: &dyn Host) -> Result<bool, StepError> {
    match host.run(&Os::common().script("etcd_health")?.within(HEALTH_PATIENCE)).await {
        Ok(_) => Ok(true),
        Err(HostError::Script(_)) => Ok(false),
        Err(error) if error.is_unreachable() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
