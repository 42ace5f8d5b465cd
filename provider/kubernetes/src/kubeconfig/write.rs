//! A kubeconfig written from what was accepted, with one cluster and one user.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubeone_spec::Secret;
use serde::Serialize;

use super::Kubeconfig;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct File<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    clusters: [NamedCluster<'a>; 1],
    users: [NamedUser<'a>; 1],
    contexts: [NamedContext<'a>; 1],
    current_context: &'a str,
}

#[derive(Serialize)]
struct NamedCluster<'a> {
    name: &'a str,
    cluster: ClusterEntry<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry<'a> {
    server: &'a str,
    certificate_authority_data: String,
}

#[derive(Serialize)]
struct NamedUser<'a> {
    name: &'a str,
    user: UserEntry,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct UserEntry {
    client_certificate_data: String,
    client_key_data: String,
}

#[derive(Serialize)]
struct NamedContext<'a> {
    name: &'a str,
    context: ContextEntry<'a>,
}

#[derive(Serialize)]
struct ContextEntry<'a> {
    cluster: &'a str,
    user: &'a str,
}

impl Kubeconfig {
    /// The same credentials for a server, under names of our choice. Each part stands in one line, as kubectl writes them.
    pub fn to_yaml(&self, cluster: &str, user: &str, server: &str) -> Result<Secret<String>, serde_saphyr::ser::Error> {
        let context = format!("{user}@{cluster}");
        let file = File {
            api_version: "v1",
            kind: "Config",
            clusters: [NamedCluster {
                name: cluster,
                cluster: ClusterEntry { server, certificate_authority_data: STANDARD.encode(self.ca_certificate()) },
            }],
            users: [NamedUser {
                name: user,
                user: UserEntry {
                    client_certificate_data: STANDARD.encode(self.client_certificate()),
                    client_key_data: STANDARD.encode(self.client_key().expose()),
                },
            }],
            contexts: [NamedContext { name: &context, context: ContextEntry { cluster, user } }],
            current_context: &context,
        };
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        serde_saphyr::to_string_with_options(&file, options).map(Secret::new)
    }
}
