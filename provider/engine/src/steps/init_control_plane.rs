//! Makes a host the first control plane of a new cluster, or of one that was lost and begins again with its data.

use std::time::Duration;

use kubeone_desired::kubeadm;
use kubeone_facts::{HostFacts, Marker};
use kubeone_hosts::{Host, Os};
use kubeone_kubernetes::Cluster;
use kubeone_plan::etcd::peer_url;
use kubeone_plan::restore_record::new_record;
use kubeone_plan::standing::INIT_UNIT;
use kubeone_spec::{HostSpec, KubernetesVersion, Restore, RestoreSource, Role};

use super::send_snapshot::{open, send};
use super::stop_control_plane::end;
use super::{
    API_DEADLINE, RESTORE_UNIT, await_earlier, clean_node, configure_node, finish_node, host_spec, os_of,
    unless_cancelled,
};
use crate::bundle::Bundle;
use crate::configured;
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::{self, observe_host};
use crate::report::Outcome;

/// The API server of an earlier run that does not answer within this time will not.
const EARLIER_RUN_PATIENCE: Duration = Duration::from_secs(15);

/// kubeadm would take the data that were put in place for somebody else's.
const DATA_ARE_THERE: &str = "DirAvailable--var-lib-etcd";

pub(crate) async fn run(
    cx: &Cx<'_>,
    name: &str,
    version: KubernetesVersion,
    restores: bool,
) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    let copy = if restores { Some(copy(cx).await?) } else { None };
    if restores {
        await_earlier(host, RESTORE_UNIT).await?;
    }
    await_earlier(host, INIT_UNIT).await?;
    let facts = observe_host(host).await?;
    let os = os_of(&facts)?;
    let mut marker = Marker::claim(cx.spec, &facts)?;

    let present = facts.kubernetes.any();
    let made = present && came_to_its_end(cx, name, &facts, copy.as_ref()).await;
    if !made {
        if present {
            if marker.uid.is_some() {
                let reason = "the host carries a cluster that was finished once and does not answer now".to_owned();
                return Err(StepError::Refused { reason });
            }
            clean_node(host, &os, false).await?;
        }
        if let Some(copy) = &copy {
            seed(cx, host, &os, (name, host_spec), version, copy).await?;
        }
        configure_node::set_before_start(host, &os, host_spec, &facts).await?;
        configured::write_salt(host, &facts).await?;
        host.write_all(&configured::files(&cx.desired, "")).await?;
        let config = kubeadm::init_config(cx.spec, name, host_spec, version, &facts)?;
        let ignored = if copy.is_some() { DATA_ARE_THERE } else { "" };
        let init = os.script("kubeadm_init")?.var("CONFIG", config).var("IGNORED", ignored);
        host.run_unit(INIT_UNIT, &init).await?;
    }
    let cluster = cx.new_cluster(name).await?;
    let uid = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    // The API has just answered to admin.conf, so that has its rights.
    host.run(&os.script("remove_super_admin")?).await?;
    if made {
        configure_node::set_on_kubelet(cx, name, host_spec, &facts).await?;
    }
    if let Some(copy) = &copy {
        if copy.snapshot.cluster_uid != uid {
            let reason =
                format!("the cluster that answers has the uid {uid}, and the snapshot is one of another cluster");
            return Err(StepError::Refused { reason });
        }
        let key = cx.spec.restore.as_ref().and_then(Restore::key).unwrap_or_default();
        marker.restored = Some(new_record(cluster.now().await?, None, &key));
    }
    marker.replaces = cx.wanted.uid.clone().filter(|known| *known != uid);
    finish_node(cx, name, Role::ControlPlane, marker, &uid).await?;
    if copy.is_some() {
        end(host).await?;
    }
    Ok(Outcome::Done)
}

/// Whether an earlier `kubeadm init` on this host did all its work, so that only our own part is left.
async fn came_to_its_end(cx: &Cx<'_>, name: &str, facts: &HostFacts, copy: Option<&Bundle>) -> bool {
    if !(facts.kubelet_active && facts.kubernetes.admin_conf) {
        return false;
    }
    // Not the shared connection: if this cluster is given up, that one must not remember its CA.
    let Ok(cluster) = observe::connect_to_begun(cx.wanted, cx.hosts, name).await else { return false };
    if let Some(copy) = copy
        && !has_made_its_node(&cluster, name, copy).await
    {
        return false;
    }
    cluster.missing(EARLIER_RUN_PATIENCE).await.is_ok_and(|missing| missing.is_empty())
}

/// Whether the cluster has the data of the copy and, which is not among them, this control plane: kubeadm marks its Node
/// near its end, while all else that it makes came with the data.
async fn has_made_its_node(cluster: &Cluster, name: &str, copy: &Bundle) -> bool {
    // One that began without the data that are to be restored is another cluster.
    let is_same = cluster.uid(EARLIER_RUN_PATIENCE).await.is_ok_and(|uid| uid == copy.snapshot.cluster_uid);
    is_same
        && cluster
            .nodes(EARLIER_RUN_PATIENCE)
            .await
            .is_ok_and(|nodes| nodes.get(name).is_some_and(|node| node.control_plane))
}

/// The copy that the settings name, with the keys of the cluster.
async fn copy(cx: &Cx<'_>) -> Result<Bundle, StepError> {
    let refused = |reason: &str| StepError::Refused { reason: reason.to_owned() };
    let Some(RestoreSource::Local(path)) = cx.spec.restore.as_ref().and_then(Restore::source) else {
        return Err(refused("the settings name no copy of a snapshot"));
    };
    let copy = open(cx, path).await?;
    if copy.files.is_empty() {
        return Err(refused("the copy of the snapshot is not encrypted, so it does not hold the keys of the cluster"));
    }
    if copy.snapshot.cluster != cx.spec.name {
        return Err(refused(&format!("the snapshot is one of the cluster `{}`", copy.snapshot.cluster)));
    }
    Ok(copy)
}

/// Puts keys and data in place, with which `kubeadm init` goes on.
async fn seed(
    cx: &Cx<'_>,
    host: &dyn Host,
    os: &Os,
    (name, host_spec): (&str, &HostSpec),
    version: KubernetesVersion,
    copy: &Bundle,
) -> Result<(), StepError> {
    let arrival = send(cx, host, copy).await?;
    host.write_all(&copy.files).await?;
    let seed = os
        .script("seed_etcd")?
        .var("KUBERNETES_VERSION", version)
        .var("SNAPSHOT", arrival.path.display())
        .var("SHA256", &arrival.sha256)
        .var("NODE", name)
        .var("PEER_URL", peer_url(host_spec));
    host.run_unit(RESTORE_UNIT, &seed).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use kubeone_kubernetes::FakeApi;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn an_init_with_restored_data_is_done_when_its_node_is_a_control_plane() {
        let home = TempDir::new().unwrap();
        let path = home.path().join("x.db");
        let sha256 = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";
        let description = json!({
            "name": "x", "cluster": "prod", "cluster_uid": "uid", "host": "cp-1", "cause": { "trigger": "a" },
            "taken_at": "2026-01-02T03:04:05Z", "revision": 7, "size": 4, "sha256": sha256,
            "kubernetes_version": "1.35.4", "etcd_version": "3.6.6-0",
        });
        std::fs::write(&path, "data").unwrap();
        std::fs::write(path.with_extension("json"), description.to_string()).unwrap();
        let copy = crate::bundle::open(&path, &[]).unwrap();
        let role = json!({ "node-role.kubernetes.io/control-plane": "" });
        for (uid, labels, expected) in [
            ("uid", Some(role.clone()), true),
            ("uid", Some(json!({})), false),
            ("uid", None, false),
            ("other", Some(role), false),
        ] {
            let api = FakeApi::new();
            let namespace = json!({ "metadata": { "name": "kube-system", "uid": uid } });
            api.expect("GET /api/v1/namespaces/kube-system", 200, &namespace);
            if uid == "uid" {
                let nodes: Vec<_> =
                    labels.iter().map(|labels| json!({ "metadata": { "name": "cp-1", "labels": labels } })).collect();
                api.expect("GET /api/v1/nodes", 200, &json!({ "metadata": {}, "items": nodes }));
            }
            assert_eq!(has_made_its_node(&api.cluster(), "cp-1", &copy).await, expected, "{uid} {labels:?}");
        }
    }
}
