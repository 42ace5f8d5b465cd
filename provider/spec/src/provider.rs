//! The settings of the provider block: how to reach hosts, and how to follow an apply.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Secret;

/// Settings for all clusters of this provider. None of them is stored in the state.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSpec {
    /// How hosts are reached over SSH.
    pub ssh: SshSettings,
    /// How to follow an apply while it runs, and which report it leaves.
    pub progress: ProgressSettings,
    /// Keys that decrypt copies of snapshots.
    pub backup: BackupSettings,
}

/// Keys that decrypt copies of snapshots, for a restore from one of them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSettings {
    /// Private age key (`AGE-SECRET-KEY-1…`) of one of the `backup.recipients` that the copy was encrypted for.
    #[schemars(extend("x-sensitive" = true))]
    pub identity: Option<Secret<String>>,
    /// File with such keys, as `age-keygen` writes it. A leading `~` is the home directory of the user who runs
    /// Terraform.
    pub identity_file: Option<String>,
}

/// How to follow an apply while it runs, and which report it leaves. The environment can ask for the same without a
/// change of the configuration: `KUBEONE_PROGRESS=tty`, `KUBEONE_PROGRESS=<folder>`, or both as `tty,<folder>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProgressSettings {
    /// Folder for two files about each create, update and destroy: an HTML page that shows what was done on which host
    /// and when, and the same as a log in JSON lines. The folder is created if it does not exist. A leading `~` is the
    /// home directory of the user who runs Terraform.
    pub folder: Option<String>,
    /// Print on the terminal what is being done on each host.
    pub terminal: bool,
}

/// How hosts are reached over SSH. Keys are tried in this order: `private_key`, `private_key_file`, the agent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SshSettings {
    /// Name of the user. It must be `root` or be able to use `sudo` without a password.
    pub user: String,
    /// TCP port.
    pub port: u16,
    /// Private key in OpenSSH or PEM format.
    #[schemars(extend("x-sensitive" = true))]
    pub private_key: Option<Secret<String>>,
    /// File that contains the private key. A leading `~` is the home directory of the user who runs Terraform.
    pub private_key_file: Option<String>,
    /// Passphrase of the private key.
    #[schemars(extend("x-sensitive" = true))]
    pub private_key_passphrase: Option<Secret<String>>,
    /// OpenSSH user certificate that belongs to the private key.
    pub certificate: Option<String>,
    /// File that contains the OpenSSH user certificate.
    pub certificate_file: Option<String>,
    /// Use the SSH agent at `SSH_AUTH_SOCK`.
    pub agent: bool,
    /// How to check the key of a host that has no `ssh_host_key` and was not connected to before: `pinned` (it must
    /// have an `ssh_host_key`), `known_hosts` (the key, or the authority that issued its certificate, must be in
    /// `known_hosts_file`) or `accept_new` (the key of an unknown host is accepted on first contact and written to
    /// `known_hosts_file`). The state of a cluster stores the keys of its hosts as `ssh_host_keys`, and from then on a
    /// machine must present that key. An `ssh_host_key` takes precedence under every policy.
    pub host_key_policy: HostKeyPolicy,
    /// Known hosts file, read as OpenSSH reads it. OpenSSH's files for all users are read as well, and with the default
    /// also `~/.ssh/known_hosts2`.
    pub known_hosts_file: String,
    /// What a plan does when a machine is to join the control plane of an existing cluster and its host key would be
    /// accepted on first contact, so that the keys of the cluster would be sent to whichever machine answers: `warn` or
    /// `refuse`. Setting the `ssh_host_key` of the host, or adding it to the known hosts, avoids both.
    pub unpinned_control_plane: UnpinnedControlPlane,
    /// Jump host through which all other hosts are reached.
    pub bastion: Option<Bastion>,
    /// Seconds after which an attempt to connect fails.
    pub connect_timeout_seconds: u16,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            user: "root".to_owned(),
            port: 22,
            private_key: None,
            private_key_file: None,
            private_key_passphrase: None,
            certificate: None,
            certificate_file: None,
            agent: false,
            host_key_policy: HostKeyPolicy::AcceptNew,
            known_hosts_file: "~/.ssh/known_hosts".to_owned(),
            unpinned_control_plane: UnpinnedControlPlane::Warn,
            bastion: None,
            connect_timeout_seconds: 20,
        }
    }
}

/// How host keys are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum HostKeyPolicy {
    Pinned,
    KnownHosts,
    #[default]
    AcceptNew,
}

/// What a plan does about a machine that would receive the keys of a cluster on first contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UnpinnedControlPlane {
    #[default]
    Warn,
    Refuse,
}

/// The jump host through which all other hosts are reached.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bastion {
    /// IP address or DNS name.
    pub host: String,
    /// TCP port. When unset, 22.
    #[serde(default)]
    pub port: Option<u16>,
    /// Name of the user. When unset, `ssh.user`.
    #[serde(default)]
    pub user: Option<String>,
    /// Private key. When neither this nor `private_key_file` is set, the key of the hosts is used.
    #[serde(default)]
    #[schemars(extend("x-sensitive" = true))]
    pub private_key: Option<Secret<String>>,
    /// File that contains the private key.
    #[serde(default)]
    pub private_key_file: Option<String>,
    /// Public SSH host key of the bastion (`ssh-ed25519 AAAA…`). The state does not store it, so without it the known
    /// hosts of the machine that runs Terraform decide.
    #[serde(default)]
    pub ssh_host_key: Option<String>,
}
