//! The files of a control plane's components on its host, and the record of what was configured there.

use kubeone_desired::control_plane::{Component, Content, ControlPlane};
use kubeone_facts::{Configured, HostFacts};
use kubeone_hosts::{Host, RemoteFile};
use kubeone_spec::Secret;
use serde::{Deserialize, Serialize};

use crate::error::StepError;

const RECORD: &str = "/etc/kubeone/configured.json";
/// While it is there, components are being changed.
const BEGUN: &str = "/etc/kubeone/configuring";
/// With it secret files are hashed. Terraform's private state has it beside the hashes: it keeps anyone from looking a secret up
/// in a table, not from trying short ones.
const SALT: &str = "/etc/kubeone/salt";

/// The record as it lies on the host.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    arguments: std::collections::BTreeMap<String, Vec<String>>,
    mounts: std::collections::BTreeMap<String, Vec<String>>,
    files: Vec<String>,
}

/// The files that the components read, below another folder of the host if they are not to count yet.
pub(crate) fn files(desired: &ControlPlane, below: &str) -> Vec<RemoteFile> {
    let file = |(path, file): (&str, &kubeone_desired::control_plane::File)| {
        let path = format!("{below}{path}");
        match &file.content {
            Content::Public(text) => Some(RemoteFile::public(path, text.clone())),
            Content::Secret(secret) => Some(RemoteFile {
                path: path.into(),
                content: Secret::new(secret.expose().clone().into_bytes()),
                mode: 0o600,
            }),
            Content::Unknown => None,
        }
    };
    desired.files().filter_map(file).collect()
}

/// Says on the host that its components are about to change, and gives it a salt.
pub(crate) async fn begin(host: &dyn Host, facts: &HostFacts) -> Result<(), StepError> {
    write_salt(host, facts).await?;
    host.write(&RemoteFile::public(BEGUN, "")).await?;
    Ok(())
}

pub(crate) async fn write_salt(host: &dyn Host, facts: &HostFacts) -> Result<(), StepError> {
    if facts.configured.salt.is_empty() {
        let mut salt = [0_u8; 32];
        getrandom::fill(&mut salt)
            .map_err(|error| StepError::Refused { reason: format!("there are no random numbers: {error}") })?;
        let content = Secret::new(hex::encode(salt).into_bytes());
        host.write(&RemoteFile { path: SALT.into(), content, mode: 0o600 }).await?;
    }
    Ok(())
}

/// What was configured, for those who compare it with other settings later.
pub(crate) fn record(desired: &ControlPlane) -> Result<RemoteFile, StepError> {
    let arguments = |component: Component| desired.arguments(component).map(|(name, _)| name.to_owned()).collect();
    let mounts = |component: Component| desired.mounts(component).iter().map(|it| it.name.to_owned()).collect();
    let name = |component: Component| component.name().to_owned();
    let record = Record {
        arguments: Component::ALL.into_iter().map(|it| (name(it), arguments(it))).collect(),
        mounts: Component::ALL.into_iter().map(|it| (name(it), mounts(it))).collect(),
        files: desired.files().map(|(path, _)| path.to_owned()).collect(),
    };
    let text = serde_json::to_string_pretty(&record)
        .map_err(|error| StepError::Unreadable { what: RECORD.to_owned(), reason: error.to_string() })?;
    Ok(RemoteFile::public(RECORD, format!("{text}\n")))
}

/// What a host says was configured on it. A record that cannot be read names nothing.
pub(crate) fn read(text: &str) -> Configured {
    let Record { arguments, mounts, files } = serde_json::from_str(text).unwrap_or_default();
    Configured { arguments, mounts, files, ..Configured::default() }
}
