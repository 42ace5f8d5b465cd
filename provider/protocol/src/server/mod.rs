//! Serving a provider to Terraform.

use std::process::ExitCode;

use crate::Provider;

/// What the process has to know about the provider it serves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where users find it, for example `registry.terraform.io/example/example`.
    pub address: String,
    pub version: String,
}

/// Runs until Terraform is done with the provider. The whole of a provider's `main`.
pub fn serve(_provider: impl Provider, _options: Options) -> ExitCode {
    ExitCode::SUCCESS
}
