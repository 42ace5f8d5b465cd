//! Begins etcd anew with other data and starts this control plane. All others were stopped before and join again.
//!
//! The marker is its last move: until it says what was restored, the next plan has this step again, which then finds what
//! was done already.

use kubeone_desired::kubeadm;
use kubeone_facts::Marker;
use kubeone_plan::restore::has_data_of;
use kubeone_plan::restore_record::{is_recorded, new_record};
use kubeone_spec::Role;

use super::peer::latest_memory;
use super::prepare_restore::{snapshot_on, uid_of};
use super::stop_control_plane::end;
use super::{
    API_DEADLINE, RESTORE_UNIT, await_earlier, host_spec, lost_nodes, os_of, record_files, repair_node,
    unless_cancelled,
};
use crate::cx::Cx;
use crate::error::StepError;
use crate::marker_file::marker_file;
use crate::observe::observe_host;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str, what: &str) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, RESTORE_UNIT).await?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    if is_recorded(&marker, what) {
        return Ok(Outcome::Skipped("it was restored already".to_owned()));
    }
    let uid = uid_of(&marker)?;
    let snapshot = if has_data_of(&facts, what) { None } else { snapshot_on(cx, host, &facts, &uid).await? };
    let os = os_of(&facts)?;
    let restore = os
        .script("restore_etcd")?
        .var("WHAT", what)
        .var("SNAPSHOT", snapshot.as_ref().map_or_else(String::new, |it| it.path.display().to_string()))
        .var("SHA256", snapshot.as_ref().map_or("", |it| &it.sha256))
        .var("API_PORT", kubeadm::api_server_port(cx.spec, host_spec));
    host.run_unit(RESTORE_UNIT, &restore).await?;

    let cluster = cx.cluster().await?;
    let found = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    if found != uid {
        return Err(StepError::Refused {
            reason: format!(
                "the restored data are those of another cluster, with the uid {found}. The data before are in \
                 /var/lib/etcd/before-restore: `restore = {{ survivor = \"{name}\" }}` brings them back"
            ),
        });
    }
    // A machine that came after the snapshot was taken.
    if !cluster.nodes(API_DEADLINE).await?.contains_key(name) {
        repair_node::register(cx, name, Role::ControlPlane, &facts, marker.clone(), &os).await?;
    }
    let lost = lost_nodes::forget(cx).await?;
    record_files(host).await?;
    let before = latest_memory(cx, &uid).await;
    let restored = Some(new_record(cluster.now().await?, before.as_deref(), what));
    host.write(&marker_file(&Marker { restored, ..marker })?).await?;
    end(host).await?;
    Ok(if lost.is_empty() {
        Outcome::Done
    } else {
        Outcome::Warning(format!("no machine stands behind these Nodes, so they were deleted: {}", lost.join(", ")))
    })
}
