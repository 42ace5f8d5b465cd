//! How images are pulled from registries: containerd's `hosts.toml` files and credentials.

mod url;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding, Secret};

/// How images are pulled from one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// Mirrors of the registry, tried in this order before the registry itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// URL at which the registry itself is reached, such as `https://registry.example.com`. When unset, `https://` and
    /// the registry's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// CA certificates of the registry itself in PEM format, beside those that the hosts trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Do not verify the certificate of the registry itself. Anyone on the network path can then replace images.
    pub insecure: bool,
    /// Credentials for the registry itself. They are not sent to mirrors: a mirror that needs credentials has an entry
    /// of its own in `registries`, under its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<RegistryCredentials>,
}

/// One mirror of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// URL of the mirror, such as `https://mirror.example.com`. A path may follow.
    pub url: String,
    /// The path of `url` is the whole path of the registry API, such as `/v2/proxy`. With `false`, `/v2` is added to
    /// it.
    #[serde(default)]
    pub override_path: bool,
    /// What the mirror is used for: `pull` images by digest, `resolve` tags to digests, `push` images. A mirror that
    /// may `resolve` decides which content a tag has, so leave it out for mirrors that you do not trust.
    #[serde(default = "pull_and_resolve")]
    pub capabilities: Vec<MirrorCapability>,
    /// CA certificates of the mirror in PEM format, beside those that the hosts trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Do not verify the mirror's certificate. Anyone on the network path can then replace images.
    #[serde(default)]
    pub insecure: bool,
}

/// What a mirror is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum MirrorCapability {
    Pull,
    Resolve,
    Push,
}

fn pull_and_resolve() -> Vec<MirrorCapability> {
    vec![MirrorCapability::Pull, MirrorCapability::Resolve]
}

/// Credentials for a registry: `username` and `password`, or an `identity_token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryCredentials {
    /// Name of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password or access token of the user. The state does not keep it, which needs Terraform or OpenTofu 1.11.
    #[serde(skip_serializing)]
    #[schemars(extend("x-sensitive" = true, "x-write-only" = true))]
    pub password: Option<Secret<String>>,
    /// OAuth2 refresh token, as `docker login` stores for some registries. The state does not keep it, which needs
    /// Terraform or OpenTofu 1.11.
    #[serde(skip_serializing)]
    #[schemars(extend("x-sensitive" = true, "x-write-only" = true))]
    pub identity_token: Option<Secret<String>>,
}

/// The entry for all registries without one of their own: `_default` in containerd's folder.
const ALL: &str = "*";

pub(super) fn findings(registries: &BTreeMap<String, Registry>, path: &FieldPath) -> Vec<Finding> {
    registries.iter().flat_map(|(host, registry)| of_one(host, registry, &path.clone().key(host))).collect()
}

fn of_one(host: &str, registry: &Registry, path: &FieldPath) -> Vec<Finding> {
    let mut findings: Vec<_> = host_fault(host)
        .map(|(summary, detail)| Finding::error(path.clone(), summary, detail).of_keys())
        .into_iter()
        .collect();
    if let Some(server) = &registry.server {
        findings.extend(url::findings(server, &path.clone().field("server")));
    }
    findings.extend(trust(registry.ca.as_deref(), registry.insecure, path));
    for (number, mirror) in registry.mirrors.iter().enumerate() {
        let path = path.clone().field("mirrors").index(number);
        findings.extend(url::findings(&mirror.url, &path.clone().field("url")));
        if registry.mirrors[..number].iter().any(|earlier| earlier.url == mirror.url) {
            findings.push(Finding::error(
                path.clone().field("url"),
                format!("the mirror `{}` is listed twice", mirror.url),
                "Remove one of them.",
            ));
        }
        findings.extend(capabilities(&mirror.capabilities, &path.clone().field("capabilities")));
        findings.extend(trust(mirror.ca.as_deref(), mirror.insecure, &path));
    }
    if let Some(credentials) = &registry.credentials {
        findings.extend(credential_findings(host, credentials, &path.clone().field("credentials")));
    }
    findings
}

/// What is wrong with a key, and what would be right. The key is the name of a folder on the hosts.
fn host_fault(host: &str) -> Option<(String, &'static str)> {
    if host == ALL || (url::is_authority(host) && is_registry(host)) {
        return None;
    }
    Some(match host {
        "_default" => ("`_default` is not the host of a registry".to_owned(), "Write `*` for all registries."),
        "index.docker.io" => {
            ("image names never have `index.docker.io`".to_owned(), "Write `docker.io`, as containerd does.")
        }
        _ => (
            format!("`{host}` is not the host of a registry"),
            "Write it as in image names, in lower case: a host with a domain or a port, such as `registry.example.com` or \
             `registry:5000`; or `*` for all registries.",
        ),
    })
}

/// Without a dot or a port, the first part of an image's name is a path on `docker.io`.
fn is_registry(host: &str) -> bool {
    (host.contains(['.', ':']) || host == "localhost") && host != "index.docker.io"
}

fn capabilities(capabilities: &[MirrorCapability], path: &FieldPath) -> Option<Finding> {
    if capabilities.is_empty() {
        let right = "Name at least one of `pull`, `resolve` and `push`, or remove the mirror.";
        return Some(Finding::error(path.clone(), "the mirror has no capabilities", right));
    }
    let repeated = (1..capabilities.len()).find(|number| capabilities[..*number].contains(&capabilities[*number]))?;
    let finding =
        Finding::error(path.clone().index(repeated), "the capability is listed twice", "Name each capability once.");
    Some(finding)
}

fn trust(ca: Option<&str>, insecure: bool, path: &FieldPath) -> Vec<Finding> {
    let mut findings = Vec::new();
    if ca.is_some_and(|ca| !is_pem_of_certificates(ca)) {
        findings.push(Finding::error(
            path.clone().field("ca"),
            "this is not a certificate in PEM format",
            "Write one or more blocks from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`.",
        ));
    }
    if insecure {
        findings.push(Finding::warning(
            path.clone().field("insecure"),
            "images are pulled without verifying the registry's certificate",
            "Anyone on the network path can replace them. Set `ca` to the certificate of the CA instead.",
        ));
    }
    findings
}

/// Blocks of certificates and nothing else; a private key in particular does not belong here.
fn is_pem_of_certificates(text: &str) -> bool {
    let mut rest = text.trim();
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte) || byte.is_ascii_whitespace();
    while let Some(block) = rest.strip_prefix("-----BEGIN CERTIFICATE-----") {
        let Some((body, after)) = block.split_once("-----END CERTIFICATE-----") else { return false };
        if body.trim().is_empty() || !body.bytes().all(is_base64) {
            return false;
        }
        rest = after.trim_start();
    }
    rest.is_empty() && !text.trim().is_empty()
}

fn credential_findings(host: &str, credentials: &RegistryCredentials, path: &FieldPath) -> Vec<Finding> {
    let RegistryCredentials { username, password, identity_token } = credentials;
    let mut findings = Vec::new();
    if host == ALL {
        findings.push(Finding::error(
            path.clone(),
            "credentials cannot be for all registries",
            "containerd would send them to every host. Write an entry for each registry that needs them.",
        ));
    }
    let is_bad = |name: &&String| name.is_empty() || name.contains(|c: char| c == ':' || c.is_control());
    if let Some(username) = username.as_ref().filter(is_bad) {
        findings.push(Finding::error(
            path.clone().field("username"),
            format!("`{username}` is not a user name"),
            "Write a name without `:` and line breaks.",
        ));
    }
    let is_one = matches!((username, password, identity_token), (Some(_), Some(_), None) | (None, None, Some(_)));
    if !is_one {
        let finding = Finding::error(
            path.clone(),
            "credentials are either `username` and `password`, or `identity_token`",
            "Set both of the first two, or only the third.",
        );
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_certificates() {
        let certificate = "-----BEGIN CERTIFICATE-----\nTUlJ+/==\n-----END CERTIFICATE-----\n";
        for good in [certificate, certificate.trim(), &certificate.replace('\n', "\r\n"), &certificate.repeat(2)] {
            assert!(is_pem_of_certificates(good), "{good}");
        }
        let key = certificate.replace("CERTIFICATE", "PRIVATE KEY");
        for bad in [
            "",
            " ",
            "TUlJ",
            "/etc/ssl/ca.crt",
            &key,
            &format!("{certificate}{key}"),
            &format!("x{certificate}"),
            &certificate.replace("TUlJ+/==", ""),
            &certificate.replace('+', "é"),
            &certificate[..40],
        ] {
            assert!(!is_pem_of_certificates(bad), "{bad}");
        }
    }
}
