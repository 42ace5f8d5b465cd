//! Saves everything that etcd holds, and makes it known to all control planes.
//!
//! The description beside a snapshot is its last move: without it nobody knows of the snapshot, and the next run takes
//! another one and removes what is left of this one.

use std::collections::BTreeMap;

use futures::future::join_all;
use kubeone_facts::snapshot::{Description, plain_name};
use kubeone_facts::{HeldSnapshot, Marker, Snapshot, SnapshotCause, SnapshotContent};
use kubeone_hosts::{Host, HostError, Os, RemoteFile};
use kubeone_plan::etcd::is_quorum;
use kubeone_plan::snapshots::retention;
use serde::Deserialize;

use crate::cx::Cx;
use crate::error::StepError;
use crate::etcd;
use crate::observe::{causes, is_snapshot, observe_host};
use crate::report::Outcome;

const SNAPSHOT_UNIT: &str = "kubeone-snapshot";

pub(crate) async fn run(cx: &Cx<'_>, name: &str, cause: &SnapshotCause) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    let facts = observe_host(host).await?;
    let marker = Marker::claim(cx.spec, &facts)?;
    // An earlier cluster of this name may have left some.
    let is_ours = |held: &HeldSnapshot| Some(&held.snapshot.cluster_uid) == marker.uid.as_ref();
    let is_taken = |held: &HeldSnapshot| held.held && held.snapshot.cause == *cause && is_ours(held);
    if matches!(cause, SnapshotCause::Trigger(_)) && facts.snapshots.iter().any(is_taken) {
        return Ok(Outcome::Skipped("it was taken already".to_owned()));
    }
    has_all_data(host).await?;
    let take = Os::common().script("take_snapshot")?.var("CLUSTER", &cx.spec.name);
    let unreadable = |problem: String| HostError::unreadable(name, take.name(), problem);
    let taken = parse(&host.run_unit(SNAPSHOT_UNIT, &take).await?.stdout).map_err(unreadable)?;
    let snapshot = Snapshot {
        name: taken.name,
        cluster: cx.spec.name.clone(),
        cluster_uid: marker.uid.unwrap_or_default(),
        host: name.to_owned(),
        cause: cause.clone(),
        content: taken.content,
    };
    // Its name becomes that of a file on all control planes.
    if !is_snapshot(&snapshot) {
        return Err(unreadable(format!("`{}` is not described as a snapshot is", snapshot.name)).into());
    }
    let awaits_copy = cx.spec.backup.copy_to.is_some();
    host.write(&description(&snapshot, awaits_copy)?).await?;
    let description = description(&snapshot, false)?;
    let mut peers = vec![Peer { name, host, snapshots: facts.snapshots }];
    let mut problems = Vec::new();
    for told in join_all(others(cx, name).map(|(other, host)| tell(other, host, &description))).await {
        match told {
            Ok(peer) => peers.push(peer),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(prune(cx, &peers, &snapshot).await);
    tracing::info!(snapshot = snapshot.name, revision = snapshot.content.revision, "snapshot taken");
    if problems.is_empty() {
        Ok(Outcome::Done)
    } else {
        Ok(Outcome::Warning(format!("snapshot {} was taken, but {}", snapshot.name, problems.join("; "))))
    }
}

/// A member that is cut off from the others still gives out what it has, which may be old.
async fn has_all_data(host: &dyn Host) -> Result<(), StepError> {
    match etcd::members(host).await {
        Err(StepError::Host(HostError::Script(failure))) => Err(StepError::Refused {
            reason: format!(
                "etcd on this host does not see most of its members, so its data may be old, and no snapshot was taken: \
                 {failure}. Look at etcd there and on the other control planes, and apply again when it is well"
            ),
        }),
        other => other.map(drop),
    }
}

/// What the script prints last.
#[derive(Deserialize)]
struct Taken {
    #[serde(deserialize_with = "plain_name")]
    name: String,
    #[serde(flatten)]
    content: SnapshotContent,
}

fn parse(printed: &str) -> Result<Taken, String> {
    let line = printed.lines().rfind(|line| line.starts_with('{')).ok_or("it does not describe the snapshot")?;
    serde_json::from_str(line).map_err(|error| error.to_string())
}

/// The file beside a snapshot. Only where the snapshot itself is, it can await its copy.
pub(super) fn description(snapshot: &Snapshot, awaits_copy: bool) -> Result<RemoteFile, StepError> {
    let what = || format!("the description of {}", snapshot.name);
    let mut text = serde_json::to_vec_pretty(&Description { snapshot: snapshot.clone(), awaits_copy })
        .map_err(|error| StepError::Unreadable { what: what(), reason: error.to_string() })?;
    text.push(b'\n');
    Ok(RemoteFile::private(snapshot.description(), text))
}

fn others<'a>(cx: &'a Cx<'_>, name: &'a str) -> impl Iterator<Item = (&'a str, &'a dyn Host)> {
    let names = cx.spec.control_plane.keys().filter(move |other| *other != name);
    names.filter_map(|other| Some((other.as_str(), cx.host(other).ok()?)))
}

/// A control plane and the snapshots it knew of before this one.
struct Peer<'a> {
    name: &'a str,
    host: &'a dyn Host,
    snapshots: Vec<HeldSnapshot>,
}

/// Writes the description to another control plane. One that is out of reach does not make the snapshot worse.
async fn tell<'a>(name: &'a str, host: &'a dyn Host, description: &RemoteFile) -> Result<Peer<'a>, String> {
    let told = async {
        let snapshots = observe_host(host).await?.snapshots;
        host.write(description).await?;
        Ok::<_, StepError>(Peer { name, host, snapshots })
    };
    told.await.map_err(|error| format!("{name} was not told of it: {}", causes(&error)))
}

/// Removes older snapshots everywhere, and tells what went wrong.
async fn prune(cx: &Cx<'_>, peers: &[Peer<'_>], new: &Snapshot) -> Vec<String> {
    let prunes = peers.iter().map(async |peer| {
        let stay = retention(cx.spec, &earlier(cx, peers, peer), new);
        let script = Os::common().script("prune_snapshots")?.var("CLUSTER", &cx.spec.name);
        let script = script.lines("KEEP", &stay.keep).lines("REMEMBER", &stay.remember);
        Ok::<_, StepError>(peer.host.run(&script).await?)
    });
    let results = join_all(prunes).await.into_iter().zip(peers);
    let failed = results.filter_map(|(result, peer)| Some((peer.name, result.err()?)));
    failed.map(|(name, error)| format!("older snapshots on {name} were not removed: {}", causes(&error))).collect()
}

/// The snapshots, oldest first, by which one control plane judges which of its own are too many: those that it knows of itself,
/// and those that most know of. What a single other one claims must not cost it a snapshot.
fn earlier<'a>(cx: &Cx<'_>, peers: &'a [Peer<'_>], judge: &Peer<'_>) -> Vec<&'a Snapshot> {
    let knows = |peer: &Peer<'_>, name: &str| peer.snapshots.iter().any(|held| held.snapshot.name == name);
    let counts = |snapshot: &&Snapshot| {
        let know = peers.iter().filter(|peer| knows(peer, &snapshot.name)).count();
        knows(judge, &snapshot.name) || is_quorum(know, peers.len())
    };
    let all = peers.iter().flat_map(|peer| &peer.snapshots).map(|held| &held.snapshot);
    let ours = all.filter(|snapshot| snapshot.cluster == cx.spec.name).filter(counts);
    ours.map(|snapshot| (&snapshot.name, snapshot)).collect::<BTreeMap<_, _>>().into_values().collect()
}
