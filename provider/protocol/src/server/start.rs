//! How the program was started, and what it says to someone who started it by hand.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::Options;
use super::environment::Environment;
use super::listener::Listener;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// By Terraform.
    Plugin,
    /// By a person, to attach a debugger and let any number of Terraform runs use this process.
    Debug,
}

/// What to print instead of serving.
pub(super) struct Message {
    text: String,
    exit_code: ExitCode,
}

impl Message {
    fn new(text: String, exit_code: ExitCode) -> Self {
        Self { text, exit_code }
    }

    pub(super) fn print(self) -> ExitCode {
        // Nobody is left to tell when stderr is closed.
        writeln!(std::io::stderr(), "{}", self.text).ok();
        self.exit_code
    }
}

pub(super) fn choose(
    environment: &Environment,
    mut arguments: impl Iterator<Item = String>,
    options: &Options,
) -> Result<Mode, Message> {
    match arguments.next().as_deref() {
        Some("--debug" | "-debug") => return Ok(Mode::Debug),
        Some("--version") => {
            return Err(Message::new(format!("{} {}", options.address, options.version), ExitCode::SUCCESS));
        }
        Some("--help") => return Err(Message::new(usage(options), ExitCode::SUCCESS)),
        _ => {}
    }
    if !environment.has_magic_cookie {
        return Err(Message::new(usage(options), ExitCode::FAILURE));
    }
    let versions = &environment.protocol_versions;
    if !versions.is_empty() && !versions.iter().any(|version| version == "6") {
        let text = format!(
            "{} needs plugin protocol 6; this Terraform offers {}. Use Terraform 1.0 or later.",
            options.address,
            versions.join(", ")
        );
        return Err(Message::new(text, ExitCode::FAILURE));
    }
    Ok(Mode::Plugin)
}

fn usage(options: &Options) -> String {
    let Options { address, version } = options;
    let short = address.strip_prefix("registry.terraform.io/").unwrap_or(address);
    format!(
        "This program is the Terraform provider {short}, version {version}. Terraform and OpenTofu start it; there is nothing to do by hand.

To use it, name it in a configuration and run `terraform init`:

    terraform {{
      required_providers {{
        {name} = {{ source = \"{short}\" }}
      }}
    }}

To use this very file instead of a released version, put into ~/.terraformrc (~/.tofurc) and leave out `init`:

    provider_installation {{
      dev_overrides {{ \"{short}\" = \"<the folder of this program>\" }}
      direct {{}}
    }}

To run it under a debugger, start it with --debug and follow what it prints.",
        name = short.rsplit('/').next().unwrap_or(short),
    )
}

/// The variable that makes Terraform use this process.
pub(super) fn reattach(address: &str, listener: &Listener) -> String {
    let providers = json!({
        address: {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": std::process::id(),
            // Terraform then neither negotiates a version nor ends the process.
            "Test": true,
            "Addr": { "Network": listener.network, "String": listener.address },
        }
    });
    format!("TF_REATTACH_PROVIDERS='{providers}'")
}

pub(super) fn report(error: &(dyn Error + 'static)) -> ExitCode {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let text = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    Message::new(text, ExitCode::FAILURE).print()
}
