//! A kubeconfig that a host hands out. It is data: nothing in it is run, opened or connected to.
//!
//! kubectl's format can name commands to run, files to read, proxies to go through and servers to trust blindly, and
//! libraries that load it do all of that. A host decides what stands in the file, so only what kubeadm writes is taken: the
//! server, and certificates and a key that are part of the file. All else is refused by name.

mod pem;
mod shape;
mod write;

use std::{fmt, sync::Arc};

use http::{Uri, uri::Scheme};
use kubeone_spec::Secret;
use thiserror::Error;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// kubeadm's file has about 6 KB. This leaves room for several large certificates.
const LARGEST: usize = 64 << 10;
/// A DNS name, a port and what stands around them.
const LONGEST_SERVER: usize = 300;

/// Credentials for one cluster, complete in themselves.
pub struct Kubeconfig {
    server: String,
    authorities: Vec<CertificateDer<'static>>,
    client: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    tls: ClientConfig,
}

/// Why a kubeconfig is not accepted. The file itself is never quoted: it holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KubeconfigError {
    #[error("it has {size} bytes, more than the {LARGEST} that any needs")]
    TooLarge { size: usize },
    #[error("it is not the YAML of a kubeconfig")]
    NotYaml,
    #[error("`{field}` is not accepted")]
    NotAccepted { field: String },
    #[error("`{place}` has a field that kubeadm does not write")]
    UnknownField { place: String },
    #[error("`{field}` is missing")]
    Missing { field: String },
    #[error("`{field}` {problem}")]
    Wrong { field: String, problem: &'static str },
}

impl KubeconfigError {
    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        "on a control plane, kubeadm's own file names a server and embeds certificates and a key, and has nothing else; \
         `kubeadm init phase kubeconfig admin` writes /etc/kubernetes/admin.conf again once it is moved away"
    }

    fn missing(field: impl Into<String>) -> Self {
        Self::Missing { field: field.into() }
    }

    fn wrong(field: impl Into<String>, problem: &'static str) -> Self {
        Self::Wrong { field: field.into(), problem }
    }
}

impl Kubeconfig {
    /// Reads what a host printed or what lies in a file on it.
    pub fn parse(file: &[u8]) -> Result<Self, KubeconfigError> {
        if file.len() > LARGEST {
            return Err(KubeconfigError::TooLarge { size: file.len() });
        }
        let text = std::str::from_utf8(file).map_err(|_| KubeconfigError::NotYaml)?;
        let shape::Chosen { cluster, user } = shape::read(text)?;
        let server = server(&cluster.field("server"), cluster.text("server")?)?;
        let data = |entry: &shape::Entry, name| pem::decode(&entry.field(name), entry.text(name)?);
        let authorities = data(&cluster, "certificate-authority-data")?.certificates()?;
        let client = data(&user, "client-certificate-data")?.certificates()?;
        let key = data(&user, "client-key-data")?.key()?;
        let tls = tls(&authorities, &client, &key).map_err(|what| match what {
            Unfit::Authority => {
                KubeconfigError::wrong(cluster.field("certificate-authority-data"), "cannot be trusted as an authority")
            }
            Unfit::Key => KubeconfigError::wrong(user.field("client-key-data"), "is no key for the client certificate"),
        })?;
        Ok(Self { server, authorities, client, key, tls })
    }

    /// URL of an API server, as the file has it. It is never connected to.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificates that are trusted, in PEM format.
    pub fn ca_certificate(&self) -> String {
        pem::certificates(&self.authorities)
    }

    /// The certificates that are trusted, in DER.
    pub fn authorities(&self) -> impl Iterator<Item = &[u8]> {
        self.authorities.iter().map(AsRef::as_ref)
    }

    /// In PEM format.
    pub fn client_certificate(&self) -> String {
        pem::certificates(&self.client)
    }

    /// In PEM format, of the kind it came in.
    pub fn client_key(&self) -> Secret<String> {
        Secret::new(pem::private_key(&self.key))
    }

    /// What TLS needs of it.
    pub(crate) fn tls(&self) -> ClientConfig {
        self.tls.clone()
    }
}

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig").field("server", &self.server).finish_non_exhaustive()
    }
}

/// What of a kubeconfig TLS cannot work with.
enum Unfit {
    Authority,
    Key,
}

/// A client that trusts these authorities alone.
fn tls(
    authorities: &[CertificateDer<'static>],
    client: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<ClientConfig, Unfit> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|_| Unfit::Authority)?;
    }
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Unfit::Key)?
        .with_root_certificates(roots)
        .with_client_auth_cert(client.to_vec(), key.clone_key())
        .map_err(|_| Unfit::Key)
}

/// `https://host:port` and nothing more, as it may be shown and become a setting.
fn server(field: &str, text: &str) -> Result<String, KubeconfigError> {
    let wrong = || KubeconfigError::wrong(field, "is not a URL such as `https://10.0.0.1:6443`");
    let uri: Uri =
        Some(text).filter(|text| text.len() <= LONGEST_SERVER).ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let is_plain = uri.scheme() == Some(&Scheme::HTTPS)
        && uri.query().is_none()
        && matches!(uri.path(), "" | "/")
        && !authority.as_str().contains('@')
        && !authority.host().is_empty();
    if is_plain { Ok(text.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests;
