//! The file on a host that says whose it is.

use kubeone_facts::{Marker, marker};
use kubeone_hosts::RemoteFile;

use crate::error::StepError;

pub(crate) fn marker_file(marker: &Marker) -> Result<RemoteFile, StepError> {
    let mut content = serde_json::to_vec_pretty(marker)
        .map_err(|error| StepError::Unreadable { what: marker::PATH.to_owned(), reason: error.to_string() })?;
    content.push(b'\n');
    Ok(RemoteFile::public(marker::PATH, content))
}
