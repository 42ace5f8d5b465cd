//! The provider binary. Terraform starts it; `--debug` lets a developer start it.

use std::path::PathBuf;
use std::process::ExitCode;

use terraform_provider_kubeone::{KubeoneProvider, LocalEnvironment};
use tfplugin::Options;

fn main() -> ExitCode {
    let options = Options {
        address: "registry.terraform.io/kubeone/kubeone".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let environment = LocalEnvironment {
        home: variable("HOME").or_else(|| variable("USERPROFILE")),
        agent_socket: variable("SSH_AUTH_SOCK"),
    };
    tfplugin::serve(KubeoneProvider::new(environment), options)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
