//! The provider binary. Terraform starts it; `--debug` lets a developer start it.

use std::path::PathBuf;
use std::process::ExitCode;

use terraform_provider_kubeone::{KubeoneProvider, LocalEnvironment, ProgressEnvironment, Surroundings};
use tfplugin::Options;

fn main() -> ExitCode {
    #[cfg(unix)]
    if let Err(error) = terraform_provider_kubeone::memory::protect() {
        eprintln!("the memory of the provider could not be kept from core dumps: {error}");
    }
    let options = Options {
        address: "registry.terraform.io/kubeone/kubeone".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let home = path("HOME").or_else(|| path("USERPROFILE"));
    let user = path("USER").or_else(|| path("LOGNAME")).or_else(|| path("USERNAME"));
    let surroundings = Surroundings {
        ssh: LocalEnvironment {
            home: home.clone(),
            agent_socket: path("SSH_AUTH_SOCK"),
            system_known_hosts: system_known_hosts(),
        },
        progress: ProgressEnvironment { wish: path("KUBEONE_PROGRESS"), home },
        user: user.map(|user| user.to_string_lossy().into_owned()),
    };
    tfplugin::serve(KubeoneProvider::new(surroundings), options)
}

/// Where OpenSSH's client looks besides the user's own files.
fn system_known_hosts() -> Vec<PathBuf> {
    let folder = if cfg!(windows) { path("ProgramData").map(|data| data.join("ssh")) } else { Some("/etc/ssh".into()) };
    let files = ["ssh_known_hosts", "ssh_known_hosts2"];
    folder.into_iter().flat_map(|folder| files.map(|file| folder.join(file))).collect()
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
