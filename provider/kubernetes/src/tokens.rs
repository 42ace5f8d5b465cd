//! Bootstrap tokens: what a host shows to join the cluster, good for a short while.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Secret as KubernetesSecret;
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams},
};
use kubeone_desired::MANAGER;
use kubeone_spec::Secret;

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    cluster::SYSTEM_NAMESPACE,
    prune::gone_is_fine,
};

/// The group that kubeadm allows to request a kubelet certificate and to read what a join needs.
const GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";

/// A bootstrap token that the cluster knows.
#[derive(Clone, Debug)]
pub struct BootstrapToken {
    /// The public half, part of the Secret's name.
    pub id: String,
    secret: Secret<String>,
}

impl BootstrapToken {
    fn generate() -> Result<Self, ClusterError> {
        Ok(Self { id: random_text(6)?, secret: Secret::new(random_text(16)?) })
    }

    /// The whole token, as kubeadm's configuration takes it.
    pub fn text(&self) -> Secret<String> {
        Secret::new(format!("{}.{}", self.id, self.secret.expose()))
    }
}

impl Cluster {
    /// Mints a token. `cluster-info` is not signed with it: who joins knows the CA already.
    pub async fn create_bootstrap_token(&self, lifetime: Duration) -> Result<BootstrapToken, ClusterError> {
        let token = BootstrapToken::generate()?;
        self.publish(&token, lifetime).await?;
        Ok(token)
    }

    async fn publish(&self, token: &BootstrapToken, lifetime: Duration) -> Result<(), ClusterError> {
        let name = secret_name(&token.id);
        let act = format!("create Secret {SYSTEM_NAMESPACE}/{name}");
        // Its end is judged by the cluster's clock: by another one it would be over at once, or never.
        let expiration = self
            .now()
            .await?
            .checked_add(lifetime)
            .and_then(|at| at.round(jiff::Unit::Second))
            .map_err(|error| ClusterError::Answer { act: act.clone(), reason: error.to_string() })?;
        let secret = KubernetesSecret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            type_: Some("bootstrap.kubernetes.io/token".to_owned()),
            string_data: Some(BTreeMap::from(
                [
                    ("description", "lets a host join; made and deleted by the kubeone provider"),
                    ("token-id", &token.id),
                    ("token-secret", token.secret.expose()),
                    ("expiration", &expiration.to_string()),
                    ("usage-bootstrap-authentication", "true"),
                    ("auth-extra-groups", GROUP),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
            )),
            ..KubernetesSecret::default()
        };
        // Applied instead of created, so that the call may be repeated when its answer was lost.
        let secrets: Api<KubernetesSecret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        ask(act, PATIENCE, || async {
            secrets.patch(&name, &PatchParams::apply(MANAGER), &Patch::Apply(&secret)).await
        })
        .await?;
        Ok(())
    }

    /// Deletes a token; one that is gone already is fine.
    pub async fn delete_bootstrap_token(&self, id: &str) -> Result<(), ClusterError> {
        let name = secret_name(id);
        let secrets: Api<KubernetesSecret> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        ask(format!("delete Secret {SYSTEM_NAMESPACE}/{name}"), PATIENCE, || async {
            gone_is_fine(secrets.delete(&name, &DeleteParams::default()).await)
        })
        .await
    }
}

fn secret_name(id: &str) -> String {
    format!("bootstrap-token-{id}")
}

/// Random characters that a bootstrap token may consist of, all equally likely.
fn random_text(length: usize) -> Result<String, ClusterError> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // Beyond the largest multiple of 36 the first characters would come up more often.
    const FAIR: u8 = 252;
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 32];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(|error| ClusterError::Random { reason: error.to_string() })?;
        let fair = bytes.iter().filter(|&&byte| byte < FAIR);
        let wanted = length - text.len();
        text.extend(fair.take(wanted).map(|byte| char::from(ALPHABET[usize::from(byte % 36)])));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FakeApi;

    #[test]
    fn a_token_has_the_form_that_kubeadm_expects() {
        let token = BootstrapToken::generate().unwrap();
        let text = token.text().into_inner();
        let (id, secret) = text.split_once('.').unwrap();
        assert_eq!((id.len(), secret.len()), (6, 16));
        assert!(text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.'));
        assert!(!format!("{token:?}").contains(secret));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_ends_by_the_clock_of_the_cluster() {
        let clock: jiff::Timestamp = "2031-05-06T07:08:09Z".parse().unwrap();
        let api = FakeApi::new().at(clock);
        api.expect("GET /livez", 200, &json!("ok"));
        let token = BootstrapToken { id: "abcdef".to_owned(), secret: Secret::new("0123456789abcdef".to_owned()) };
        api.expect_echo("PATCH /api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef");
        api.cluster().publish(&token, Duration::from_mins(10)).await.unwrap();

        let secret = &api.sent()[1].body;
        assert_eq!(secret["type"], "bootstrap.kubernetes.io/token");
        assert_eq!(secret["stringData"]["token-secret"], "0123456789abcdef");
        assert_eq!(secret["stringData"]["auth-extra-groups"], GROUP);
        // Whatever the clock of this machine says.
        assert_eq!(secret["stringData"]["expiration"], "2031-05-06T07:18:09Z");
    }

    #[tokio::test]
    async fn a_token_that_is_gone_is_fine() {
        let api = FakeApi::new();
        api.expect_missing("DELETE /api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef");
        api.cluster().delete_bootstrap_token("abcdef").await.unwrap();
    }
}
