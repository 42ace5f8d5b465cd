//! Kubeconfigs as kubeadm writes them, with certificates of an authority made for the test.

use std::sync::OnceLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority, and an administrator's certificate and key.
pub(crate) struct Authority {
    pub(crate) issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) client: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let client = CertificateParams::new(["admin".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        Self { issuer, client: unix(&client.pem()), key: unix(&key.serialize_pem()) }
    }

    /// The same one for all who do not mind; keys take time.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    pub(crate) fn pem(&self) -> String {
        unix(&self.issuer.pem())
    }

    /// The file. Its server cannot be resolved.
    pub(crate) fn kubeconfig(&self) -> String {
        kubeconfig("https://api.invalid:6443", &self.pem(), &self.client, &self.key)
    }
}

/// A file with these parts, whatever they are.
pub(crate) fn kubeconfig(server: &str, authority: &str, client: &str, key: &str) -> String {
    let [authority, client, key] = [authority, client, key].map(|text| BASE64_STANDARD.encode(text));
    format!(
        "apiVersion: v1\n\
         clusters:\n\
         - cluster:\n    certificate-authority-data: {authority}\n    server: {server}\n  name: kubernetes\n\
         contexts:\n\
         - context:\n    cluster: kubernetes\n    user: kubernetes-admin\n  name: kubernetes-admin@kubernetes\n\
         current-context: kubernetes-admin@kubernetes\n\
         kind: Config\n\
         preferences: {{}}\n\
         users:\n\
         - name: kubernetes-admin\n  user:\n    client-certificate-data: {client}\n    client-key-data: {key}\n"
    )
}

/// As Go breaks lines.
fn unix(pem: &str) -> String {
    pem.replace("\r\n", "\n")
}
