//! A control plane that is finished: whom a joining host trusts, and where its certificates come from.

use std::path::Path;

use futures::future::join_all;
use kubeone_desired::kubeadm;
use kubeone_facts::{EtcdMember, Marker, marker};
use kubeone_hosts::{Host, RemoteFile};
use kubeone_plan::evidence::{RestoreReport, agreed, is_alike, last_restore};
use kubeone_plan::restore_record::when;
use kubeone_spec::{Role, Secret};

use crate::cx::Cx;
use crate::error::StepError;
use crate::etcd;
use crate::observe::CA_CERTIFICATE;
use crate::shared_path::shared_path;

/// What all control planes share. From these, kubeadm makes the rest on each host.
pub(super) const SHARED_PKI: [&str; 8] = [
    CA_CERTIFICATE,
    "/etc/kubernetes/pki/ca.key",
    "/etc/kubernetes/pki/sa.pub",
    "/etc/kubernetes/pki/sa.key",
    "/etc/kubernetes/pki/front-proxy-ca.crt",
    "/etc/kubernetes/pki/front-proxy-ca.key",
    "/etc/kubernetes/pki/etcd/ca.crt",
    "/etc/kubernetes/pki/etcd/ca.key",
];

pub(super) struct Peer<'a> {
    pub host: &'a dyn Host,
    pub ca_certificate: Secret<Vec<u8>>,
    /// What a new control plane must hold before kubeadm comes to it; empty for a worker.
    pub pki: Vec<RemoteFile>,
    /// What else the arguments of its API server name, as on all control planes; empty for a worker.
    pub named_files: Vec<RemoteFile>,
    /// The last restore of the cluster, as its marker remembers it.
    pub restored: Option<String>,
    /// The cluster in whose place this one was made.
    pub replaces: Option<String>,
}

/// Finds a control plane with the marker of this very cluster: one that is half done may hold another CA.
pub(super) async fn finished_control_plane<'a>(
    cx: &'a Cx<'_>,
    newcomer: &str,
    role: Role,
    uid: &str,
) -> Result<Peer<'a>, StepError> {
    let wanted: &[&'static str] = if role == Role::ControlPlane { &SHARED_PKI } else { &[CA_CERTIFICATE] };
    let mut reason = "there is no other control plane".to_owned();
    let stay = cx.spec.control_plane.keys().filter(|name| *name != newcomer);
    let leaving = cx.wanted.leaving.iter().filter(|(_, leaving)| leaving.role == Role::ControlPlane);
    let stay = stay.filter_map(|name| Some((name, cx.host(name).ok()?)));
    let leaving = leaving.filter_map(|(name, _)| Some((name, cx.leaving(name)?)));
    // Who was not there when etcd was restored last still has the data before, and perhaps even answers with them.
    let candidates =
        join_all(stay.chain(leaving).map(async |(name, host)| (name, host, marker_of(host, uid).await))).await;
    let last = last_of(cx, candidates.iter().filter_map(|(name, _, marker)| Some((name.as_str(), marker.as_ref()?))));
    for (name, host, marker) in candidates {
        let Some(marker) = marker.filter(|marker| marker.restored == last) else {
            reason = format!("`{name}` is no finished control plane");
            continue;
        };
        match read(host, wanted).await {
            Ok(Some((ca_certificate, files))) => {
                let (pki, named_files) = match role {
                    Role::ControlPlane => (files, named_files(host).await?),
                    Role::Worker => (Vec::new(), Vec::new()),
                };
                let Marker { restored, replaces, .. } = marker;
                return Ok(Peer { host, ca_certificate, pki, named_files, restored, replaces });
            }
            Ok(None) => reason = format!("`{name}` lacks some of the keys and certificates that control planes share"),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(StepError::NoApi { reason })
}

/// A control plane whose own member of etcd answers and sees a quorum.
pub(super) struct Voter<'a> {
    pub host: &'a dyn Host,
    /// All members, as the quorum knows them.
    pub members: Vec<EtcdMember>,
    /// The last restore of the cluster.
    pub restored: Option<String>,
}

/// The machine that is not asked. One that leaves may have the name of one that stays.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Except<'a> {
    Leaver(&'a str),
    Newcomer(&'a str),
}

/// All control planes of this very cluster, but for the machine that comes or goes, whose members of etcd answer; those that
/// stay first.
pub(super) async fn voters<'a>(cx: &'a Cx<'_>, except: Except<'_>, uid: &str) -> Vec<Voter<'a>> {
    let stay = cx.spec.control_plane.keys().filter(|name| except != Except::Newcomer(name));
    let stay = stay.filter_map(|name| cx.host(name).ok());
    let leaving = cx.wanted.leaving.iter();
    let leaving = leaving.filter(|(name, it)| it.role == Role::ControlPlane && except != Except::Leaver(name));
    let leaving = leaving.filter_map(|(name, _)| cx.leaving(name));
    let asked = stay.chain(leaving).map(async |host| {
        let marker = marker_of(host, uid).await?;
        let restored = marker.restored.clone();
        Some((marker, Voter { host, members: etcd::members(host).await.ok()?, restored }))
    });
    let mut voters: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    // Members of the etcd before the last restore may see a quorum of their own.
    let last = last_of(cx, voters.iter().map(|(marker, voter)| (voter.host.name(), marker)));
    voters.retain(|(marker, _)| marker.restored == last);
    // One that lists other members than most of them is not taken at its word.
    let agreed: Vec<_> = agreed(voters.iter().map(|(_, voter)| voter.members.as_slice())).to_vec();
    let mut voters: Vec<_> = voters.into_iter().map(|(_, voter)| voter).collect();
    voters.retain(|voter| is_alike(&voter.members, &agreed));
    voters
}

/// The last restore that may be believed of those that these control planes remember.
fn last_of<'m>(cx: &Cx<'_>, markers: impl Iterator<Item = (&'m str, &'m Marker)>) -> Option<String> {
    let voice = |(name, marker): (&'m str, &'m Marker)| RestoreReport {
        name,
        restored: marker.restored.as_deref(),
        has_data: true,
    };
    let voices: Vec<_> = markers.map(voice).collect();
    last_restore(&voices, cx.backing()).map(str::to_owned)
}

/// The latest restore that any control plane of this very cluster remembers, believed or not: what comes next must be later.
pub(super) async fn latest_memory(cx: &Cx<'_>, uid: &str) -> Option<String> {
    let stay = cx.spec.control_plane.keys().filter_map(|name| cx.host(name).ok());
    let leaving = cx.wanted.leaving.iter().filter(|(_, it)| it.role == Role::ControlPlane);
    let leaving = leaving.filter_map(|(name, _)| cx.leaving(name));
    let markers = join_all(stay.chain(leaving).map(|host| marker_of(host, uid))).await;
    let memories = markers.into_iter().flatten().filter_map(|marker| marker.restored);
    memories.max_by_key(|restored| when(restored))
}

/// Whether a control plane is a finished node of the cluster with this uid.
pub(super) async fn has_finished(cx: &Cx<'_>, uid: &str) -> bool {
    let hosts = cx.spec.control_plane.keys().filter_map(|name| cx.host(name).ok());
    let markers = join_all(hosts.map(|host| marker_of(host, uid))).await;
    markers.into_iter().flatten().any(|marker| marker.cluster == cx.spec.name)
}

/// Its marker, if it is a finished node of this cluster.
async fn marker_of(host: &dyn Host, uid: &str) -> Option<Marker> {
    let content = host.read(Path::new(marker::PATH)).await.ok().flatten()?;
    let marker = Marker::parse(&String::from_utf8_lossy(content.expose()));
    marker.as_ref().filter(|marker| marker.uid.as_deref() == Some(uid)).cloned()
}

/// A file of a control plane, as another one gets it: for root only, unless anybody may read it.
pub(super) fn shared_file(path: &Path, content: Secret<Vec<u8>>) -> RemoteFile {
    let is_public = path.extension().is_some_and(|kind| kind == "crt" || kind == "pub");
    RemoteFile { path: path.to_owned(), content, mode: if is_public { 0o644 } else { 0o600 } }
}

/// The CA certificate and the files; `None` when the host lacks one of them.
async fn read(
    host: &dyn Host,
    wanted: &[&'static str],
) -> Result<Option<(Secret<Vec<u8>>, Vec<RemoteFile>)>, StepError> {
    let paths: Vec<_> = wanted.iter().map(Path::new).collect();
    let contents: Option<Vec<_>> = host.read_all(&paths).await?.into_iter().collect();
    let Some(contents) = contents else { return Ok(None) };
    let Some(ca_certificate) = contents.first().cloned() else { return Ok(None) };
    let files = wanted.iter().map(Path::new).zip(contents).map(|(path, content)| shared_file(path, content));
    Ok(Some((ca_certificate, files.collect())))
}

/// Those that are there.
async fn named_files(host: &dyn Host) -> Result<Vec<RemoteFile>, StepError> {
    let Some(manifest) = host.read(Path::new(kubeadm::API_SERVER_MANIFEST)).await? else { return Ok(Vec::new()) };
    let manifest = String::from_utf8_lossy(manifest.expose()).into_owned();
    let named = kubeadm::named_files(&manifest).into_iter().map(shared_path);
    let paths = named.collect::<Result<Vec<_>, _>>().map_err(|error| StepError::Refused {
        reason: format!(
            "the API server on `{}` reads a file that a new control plane cannot be given: {error}; move it, there and in \
             the manifest of the API server",
            host.name()
        ),
    })?;
    let contents = host.read_all(&paths).await?;
    let files = paths.into_iter().zip(contents).filter_map(|(path, content)| Some(shared_file(path, content?)));
    Ok(files.collect())
}
