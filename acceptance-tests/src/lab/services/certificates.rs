//! The lab's certificate authority and the certificate of its web server.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::NAMES;
use crate::lab::artefact::{self, content};
use crate::lab::command::{command, output_of};
use crate::lab::{files, paths};

/// Ten years: as long as anyone keeps a cache.
const DAYS: &str = "3650";

/// What a TLS server needs.
pub(super) struct ServerCertificate {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The certificate of the lab's CA, which hosts must trust. Made at the first use, then the same for ever.
pub fn ca_certificate() -> Result<PathBuf> {
    Ok(ca_folder()?.join("ca.crt"))
}

pub(super) fn server_certificate() -> Result<ServerCertificate> {
    let ca = ca_folder()?;
    let folder = paths::cache()?.join("certificates").join(format!("server-{}", content::hash_texts(NAMES)));
    if !folder.exists() {
        let draft = artefact::draft(&folder)?;
        let names: Vec<_> = NAMES.iter().map(|name| format!("DNS:{name}")).collect();
        let extensions = [
            "basicConstraints=critical,CA:FALSE".to_owned(),
            "extendedKeyUsage=serverAuth".to_owned(),
            format!("subjectAltName={}", names.join(",")),
        ];
        issue(&draft, "server", &extensions, &["-CA", &text(&ca.join("ca.crt")), "-CAkey", &text(&ca.join("ca.key"))])?;
        artefact::keep(&draft, &folder)?;
    }
    Ok(ServerCertificate { certificate: folder.join("server.crt"), key: folder.join("server.key") })
}

fn ca_folder() -> Result<PathBuf> {
    let folder = paths::cache()?.join("certificates/ca");
    if !folder.exists() {
        let draft = artefact::draft(&folder)?;
        let extensions =
            ["basicConstraints=critical,CA:TRUE".to_owned(), "keyUsage=critical,keyCertSign,cRLSign".to_owned()];
        issue(&draft, "ca", &extensions, &[])?;
        artefact::keep(&draft, &folder)?;
    }
    Ok(folder)
}

fn issue(folder: &Path, name: &str, extensions: &[String], signer: &[&str]) -> Result<()> {
    // The machine's own configuration would add extensions.
    let configuration = folder.join("openssl.cnf");
    files::write(&configuration, "[req]\ndistinguished_name = subject\n[subject]\n")?;
    let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
    let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS];
    let mut request = command("openssl", kind);
    request.args(["-subj", &format!("/CN=kubeone lab {name}"), "-config"]).arg(configuration);
    request.arg("-keyout").arg(&key).arg("-out").arg(certificate).args(signer);
    request.args(extensions.iter().flat_map(|extension| ["-addext", extension]));
    output_of(&mut request)?;
    files::set_mode(&key, 0o600)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
