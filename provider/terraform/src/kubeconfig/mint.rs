//! A client certificate from whichever control plane answers, within a time that nobody minds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kubeone_engine::mint_kubeconfig;
use kubeone_hosts::Host;
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
    mint_from(&hosts.wanted, wanted, cancel).await.map(Minted::Done).map_err(failed)
}

/// The same from these control planes; or why not, in words.
pub(super) async fn mint_from(
    control_plane: &BTreeMap<String, Arc<dyn Host>>,
    wanted: &KubeconfigSpec,
    cancel: &CancellationToken,
) -> Result<Box<Kubeconfig>, String> {
    match cancel.run_until_cancelled(timeout(PATIENCE, mint_kubeconfig(wanted, control_plane))).await {
        Some(Ok(Ok(kubeconfig))) => Ok(Box::new(kubeconfig)),
        Some(Ok(Err(error))) => Err(chain(&error)),
        Some(Err(_)) => Err(format!("No control plane answered within {} s.", PATIENCE.as_secs())),
        None => Err("It was interrupted.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use kubeone_hosts::{FakeHost, RemoteFile};
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_when_the_run_is_cancelled() {
        let wanted: KubeconfigSpec = serde_json::from_value(json!({ "cluster": {
            "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        }}))
        .unwrap();
        let marker = json!({ "cluster": "prod", "uid": "uid", "provider_version": "0.1.0" }).to_string().into_bytes();
        let marker = RemoteFile { path: "/etc/kubeone/cluster.json".into(), content: marker.into(), mode: 0o644 };
        let host = FakeHost::new("cp-1").has_file(marker).hangs("os/linux/mint_kubeconfig.sh");
        let hosts = BTreeMap::from([("cp-1".to_owned(), Arc::new(host) as Arc<dyn Host>)]);
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert_eq!(mint_from(&hosts, &wanted, &cancel).await.unwrap_err(), "It was interrupted.");
    }
}
