//! The key that signs the lab's package repositories.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{draft, keep};
use crate::lab::command::{command, output_of, run};
use crate::lab::paths;

const OWNER: &str = "kubeone lab <lab@kubeone.invalid>";

/// The armoured public key, as repositories offer it.
pub(super) const PUBLIC_KEY: &str = "public.asc";

/// The folder with the key; made at the first use, then the same for ever, so that hosts may keep it.
pub(super) fn key_folder() -> Result<PathBuf> {
    let folder = paths::cache()?.join("signing");
    if folder.exists() {
        return Ok(folder);
    }
    let draft = draft(&folder)?;
    run("chmod", ["700".as_ref(), draft.as_os_str()])?;
    with_agent(&draft, || {
        gpg(&draft, &["--passphrase", "", "--quick-generate-key", OWNER, "ed25519", "sign", "never"])?;
        let public = draft.join(PUBLIC_KEY);
        gpg(&draft, &["--armor", "--output", &public.to_string_lossy(), "--export"])
    })?;
    keep(&draft, &folder)?;
    Ok(folder)
}

/// Signs `Release` in this folder the two ways apt knows: beside it, and around it.
pub(super) fn sign_release(folder: &Path) -> Result<()> {
    let key = key_folder()?;
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let release = path("Release");
    with_agent(&key, || {
        gpg(&key, &["--armor", "--output", &path("Release.gpg"), "--detach-sign", &release])?;
        gpg(&key, &["--output", &path("InRelease"), "--clearsign", &release])
    })
}

fn gpg(home: &Path, arguments: &[&str]) -> Result<()> {
    let mut gpg = command("gpg", ["--batch", "--yes", "--quiet", "--no-tty", "--homedir"]);
    output_of(gpg.arg(home).args(arguments)).map(drop)
}

/// gpg leaves an agent behind for each home; it must not outlive its use.
fn with_agent(home: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let result = work();
    run("gpgconf", ["--homedir".as_ref(), home.as_os_str(), "--kill".as_ref(), "gpg-agent".as_ref()])?;
    result
}
