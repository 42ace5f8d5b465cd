//! The file format that kubectl reads, as far as it is used here.

use kubeone_spec::{KubeconfigSpec, Secret};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::StepError;

/// A kubeconfig with one cluster and one user.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: String,
}

#[derive(Serialize, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: ClusterEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    certificate_authority_data: String,
}

#[derive(Serialize, Deserialize)]
struct NamedUser {
    name: String,
    user: UserEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserEntry {
    client_certificate_data: String,
    #[serde(serialize_with = "expose")]
    client_key_data: Secret<String>,
}

#[derive(Serialize, Deserialize)]
struct NamedContext {
    name: String,
    context: ContextEntry,
}

#[derive(Serialize, Deserialize)]
struct ContextEntry {
    cluster: String,
    user: String,
}

/// What makes a client, each part PEM as base64.
pub(super) struct Credentials {
    pub(super) ca_certificate: Secret<String>,
    pub(super) certificate: Secret<String>,
    pub(super) key: Secret<String>,
}

/// A kubeconfig without its key is none; who gets the text sees to it that it stays secret.
fn expose<S: Serializer>(secret: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}

impl File {
    /// `None` without the parser's own words, which may quote the key.
    pub(super) fn parse(text: &Secret<String>) -> Option<Self> {
        serde_saphyr::from_str(text.expose()).ok()
    }

    pub(super) fn into_credentials(self) -> Option<Credentials> {
        let cluster = self.clusters.into_iter().next()?.cluster;
        let user = self.users.into_iter().next()?.user;
        Some(Credentials {
            ca_certificate: cluster.certificate_authority_data.into(),
            certificate: user.client_certificate_data.into(),
            key: user.client_key_data,
        })
    }

    pub(super) fn new(wanted: &KubeconfigSpec, credentials: Credentials) -> Self {
        let (cluster, user) = (wanted.cluster.name.clone(), wanted.user.clone());
        let context = format!("{user}@{cluster}");
        Self {
            api_version: "v1".to_owned(),
            kind: "Config".to_owned(),
            clusters: vec![NamedCluster {
                name: cluster.clone(),
                cluster: ClusterEntry {
                    server: wanted.host(),
                    certificate_authority_data: credentials.ca_certificate.into_inner(),
                },
            }],
            users: vec![NamedUser {
                name: user.clone(),
                user: UserEntry {
                    client_certificate_data: credentials.certificate.into_inner(),
                    client_key_data: credentials.key,
                },
            }],
            contexts: vec![NamedContext { name: context.clone(), context: ContextEntry { cluster, user } }],
            current_context: context,
        }
    }

    pub(super) fn to_yaml(&self) -> Result<Secret<String>, StepError> {
        // One line for each part, as kubectl writes them.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let text = serde_saphyr::to_string_with_options(self, options);
        text.map(Secret::new).map_err(|_| super::unreadable("it cannot be written"))
    }
}
