//! Import: look at a cluster through one of its control planes, and write the state it would have had, had this provider
//! made it. Reads only.

use std::time::Duration;

use kubeone_engine::{Entrance, ImportError, Imported};
use kubeone_spec::{ClusterStatus, HostSpec};
use tfplugin::{Diagnostic, Diagnostics, ImportRequest, ImportResponse, ImportTarget, ImportedResource, Value};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::decode::decode;
use crate::diagnostics::chain;
use crate::model::CLUSTER;
use crate::{encode, private};

/// As long as a look at a cluster may take by default.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn import(connection: &Connection, request: ImportRequest) -> Result<ImportResponse, Diagnostics> {
    let ImportTarget::Id(id) = &request.target else {
        return Err(Diagnostic::error("a cluster is imported by an id", FORM).into());
    };
    let entrance =
        parse(id).ok_or_else(|| Diagnostic::error(format!("`{id}` does not say where the cluster is"), FORM))?;
    let spec: HostSpec = serde_json::from_value(host_settings(&entrance))
        .map_err(|error| Diagnostic::bug(format!("`{id}` cannot be used"), chain(&error)))?;
    let host = connection.host(&entrance.address, &spec)?.ok_or_else(|| {
        Diagnostic::error(
            "the cluster cannot be imported",
            "Values in the block `provider \"kubeone\"` are not known before apply. An import needs them at once.",
        )
    })?;
    let look = timeout(PATIENCE, kubeone_engine::import(&entrance, host));
    let Some(look) = request.context.cancel.run_until_cancelled(look).await else {
        return Ok(ImportResponse::default());
    };
    match look {
        Ok(Ok(imported)) => Ok(resource(&imported)?.into()),
        Ok(Err(error)) => Err(refused(&entrance.address, &error).into()),
        Err(_) => {
            let detail = format!("The host and its Kubernetes API did not answer within {} s.", PATIENCE.as_secs());
            Err(Diagnostic::error(format!("no cluster was imported from {}", entrance.address), detail).into())
        }
    }
}

const FORM: &str = "Write the address of any of its control planes: `[user@]host[:port]`, such as `10.0.0.11` or \
                    `admin@cp-1.example.com:2222`. Keys and all else that SSH needs stand in the block `provider \
                    \"kubeone\"`.";

/// `[ssh://][user@]host[:port]`.
fn parse(id: &str) -> Option<Entrance> {
    let id = id.strip_prefix("ssh://").unwrap_or(id).trim_end_matches('/');
    let (user, place) = match id.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, id),
    };
    let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, Some(port.strip_prefix(':')?)),
        // Without brackets, more than one colon is an IPv6 address.
        None => match place.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            _ => (place, None),
        },
    };
    // A password would end up in the state and in shell histories.
    let is_plain = |text: &str| !text.is_empty() && !text.contains(|c: char| "/:@?#".contains(c) || c.is_whitespace());
    let is_address = is_plain(address) || address.parse::<std::net::Ipv6Addr>().is_ok();
    if !is_address || user.is_some_and(|user| !is_plain(user)) {
        return None;
    }
    let port = port.map(str::parse).transpose().ok()?;
    Some(Entrance { address: address.to_owned(), user: user.map(str::to_owned), port })
}

fn host_settings(entrance: &Entrance) -> serde_json::Value {
    serde_json::json!({ "address": entrance.address, "ssh_user": entrance.user, "ssh_port": entrance.port })
}

/// The state. Refresh comes next, and adds what the other hosts tell.
fn resource(imported: &Imported) -> Result<ImportedResource, Diagnostic> {
    let mut state = encode::complete(Value::from(imported.settings.clone()), &CLUSTER.schema().ty());
    // What is written must be readable: all else works from it.
    let spec = decode(&CLUSTER, &state)?.settings;
    let status = encode::status(&spec, &imported.observed, &ClusterStatus::default());
    encode::write(&mut state, &status)?;
    // A cluster of ours knows the addresses that its settings had.
    let private = if imported.ours {
        private::encode(&imported.observed)?
    } else {
        private::encode_imported(&imported.observed)?
    };
    Ok(ImportedResource { state, private, identity: Value::Null })
}

fn refused(address: &str, error: &ImportError) -> Diagnostic {
    let hint = match error {
        ImportError::NoControlPlane { .. } => "\n\nWrite the address of one of the cluster's control planes.",
        _ => "",
    };
    let detail = format!("{}{hint}\n\nNothing was changed on any host.", chain(error));
    Diagnostic::error(format!("no cluster was imported from {address}"), detail)
}

#[cfg(test)]
mod tests;
