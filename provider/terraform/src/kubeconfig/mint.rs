//! A client certificate from whichever control plane answers, within a time that nobody minds.

use std::time::Duration;

use kubeone_engine::mint_kubeconfig;
use kubeone_spec::{Kubeconfig, KubeconfigSpec, Role};
use tfplugin::{CancellationToken, Diagnostic};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::diagnostics::chain;

/// kubeadm signs in less than a second. The rest is for hosts that are far away, or slow to say that they are gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came of it, other than an error.
pub(crate) enum Minted {
    Done(Box<Kubeconfig>),
    /// It is not known yet how hosts are reached.
    NotReachable,
}

pub(crate) async fn mint(
    connection: &Connection,
    wanted: &KubeconfigSpec,
    cancel: &CancellationToken,
) -> Result<Minted, Diagnostic> {
    let failed = |reason: String| {
        let detail = format!(
            "{reason}\n\nA client certificate is signed on a control plane of the cluster, over SSH. One that answers is \
             enough."
        );
        Diagnostic::error(format!("no kubeconfig could be made for the cluster `{}`", wanted.cluster.name), detail)
    };
    let Some(hosts) = connection.hosts_of(&wanted.cluster, Some(Role::ControlPlane))? else {
        return Ok(Minted::NotReachable);
    };
    let work = timeout(PATIENCE, mint_kubeconfig(wanted, &hosts.wanted));
    match cancel.run_until_cancelled(work).await {
        Some(Ok(Ok(kubeconfig))) => Ok(Minted::Done(Box::new(kubeconfig))),
        Some(Ok(Err(error))) => Err(failed(chain(&error))),
        Some(Err(_)) => Err(failed(format!("No control plane answered within {} s.", PATIENCE.as_secs()))),
        None => Err(failed("It was interrupted.".to_owned())),
    }
}
