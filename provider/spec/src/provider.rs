//! The settings of the provider block: how hosts are reached, and who watches.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Secret;

/// Settings that hold for all clusters of this provider. Nothing of it is kept in the state.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSpec {
    /// How hosts are reached over SSH.
    pub ssh: SshSettings,
    /// How an apply can be watched, and what it leaves to look at afterwards.
    pub progress: ProgressSettings,
    /// What opens encrypted copies of snapshots.
    pub backup: BackupSettings,
}

/// What opens encrypted copies of snapshots, for a restore from one of them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSettings {
    /// Private key of one of the `backup.recipients` for which a copy was encrypted (`AGE-SECRET-KEY-1…`).
    #[schemars(extend("x-sensitive" = true))]
    pub identity: Option<Secret<String>>,
    /// File that holds such keys, as `age-keygen` writes it. A leading `~` is the home folder of the user who runs
    /// Terraform.
    pub identity_file: Option<String>,
}

/// How an apply can be watched, and what it leaves to look at afterwards. The environment can ask for the same without a
/// change of the configuration: `KUBEONE_PROGRESS=tty`, `KUBEONE_PROGRESS=<folder>`, or both as `tty,<folder>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProgressSettings {
    /// Folder for two files about each create, update and destroy: an HTML page with what was done on which host and
    /// when, and a log in JSON lines with the same. It is made if it does not exist. A leading `~` is the home folder of
    /// the user who runs Terraform.
    pub folder: Option<String>,
    /// Say on the terminal what is done on each host while it is done.
    pub terminal: bool,
}

/// How hosts are reached over SSH. Keys are tried in this order: `private_key`, `private_key_file`, the agent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SshSettings {
    /// Name of the user. It must be `root` or may use `sudo` without a password.
    pub user: String,
    /// TCP port.
    pub port: u16,
    /// Private key in OpenSSH or PEM format.
    #[schemars(extend("x-sensitive" = true))]
    pub private_key: Option<Secret<String>>,
    /// File that holds the private key. A leading `~` is the home folder of the user who runs Terraform.
    pub private_key_file: Option<String>,
    /// Passphrase of the private key.
    #[schemars(extend("x-sensitive" = true))]
    pub private_key_passphrase: Option<Secret<String>>,
    /// OpenSSH user certificate that belongs to the private key.
    pub certificate: Option<String>,
    /// File that holds the OpenSSH user certificate.
    pub certificate_file: Option<String>,
    /// Use the SSH agent at `SSH_AUTH_SOCK`.
    pub agent: bool,
    /// How the key of a host is checked that neither states its `ssh_host_key` nor was met before: `pinned` (it must
    /// state one), `known_hosts` (the key, or the authority that issued its certificate, must be in `known_hosts_file`) or
    /// `accept_new` (an unknown host's key is taken at first contact and written to `known_hosts_file`). The state of a
    /// cluster keeps the keys of its hosts as `ssh_host_keys`, and from then on a machine must show that key. A stated
    /// `ssh_host_key` comes first under every policy.
    pub host_key_policy: HostKeyPolicy,
    /// File of known hosts, read as OpenSSH reads it. Beside it OpenSSH's files for all users are read, and with the default
    /// `~/.ssh/known_hosts2`.
    pub known_hosts_file: String,
    /// What a plan says of a machine that is to join the control plane of a cluster that exists, and whose host key would be
    /// taken at first contact: the keys of the cluster would be sent to whoever answers. `warn`, or `refuse`: then state its
    /// `ssh_host_key`, or add it to the known hosts.
    pub unpinned_control_plane: UnpinnedControlPlane,
    /// Host through which all others are reached.
    pub bastion: Option<Bastion>,
    /// Seconds until an attempt to connect is given up.
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

/// What a first contact with a machine means that is to receive the keys of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UnpinnedControlPlane {
    #[default]
    Warn,
    Refuse,
}

/// The host through which all others are reached.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bastion {
    /// IP address or DNS name.
    pub host: String,
    /// TCP port. When absent, 22.
    #[serde(default)]
    pub port: Option<u16>,
    /// Name of the user. When absent, `ssh.user`.
    #[serde(default)]
    pub user: Option<String>,
    /// Private key. When neither this nor `private_key_file` is set, the hosts' key is used.
    #[serde(default)]
    #[schemars(extend("x-sensitive" = true))]
    pub private_key: Option<Secret<String>>,
    /// File that holds the private key.
    #[serde(default)]
    pub private_key_file: Option<String>,
    /// Public SSH host key of the bastion (`ssh-ed25519 AAAA…`). No state keeps it, so without it the known hosts of the
    /// machine that runs Terraform decide.
    #[serde(default)]
    pub ssh_host_key: Option<String>,
}
