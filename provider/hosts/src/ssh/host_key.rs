//! Whether the key a server shows is the one it must have, and how that is known.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kubeone_spec::{FieldPath, HostIdentity, HostKeyPolicy, HostSpec, SshSettings};
use russh::Preferred;
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};

use super::credentials::expand_home;
use super::host_key_problem::HostKeyProblem;
use super::known_hosts::{KnownHosts, Names, Verdict, record};
use super::link::Target;
use super::public_key::{fingerprint, is_same_kind, is_too_short, known_hosts_form, parse};
use super::{Acquaintance, CredentialProblem, LocalEnvironment, SettingsError};

/// Where OpenSSH looks by default, and what it still reads beside that.
const USUAL_FILE: &str = "~/.ssh/known_hosts";
const USUAL_SECOND_FILE: &str = "~/.ssh/known_hosts2";

/// Several hosts are met at once, for several clusters; only one at a time is looked up and written down.
static RECORDING: Mutex<()> = Mutex::new(());

/// A key that a server must have, whatever the policy.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) key: PublicKey,
    pub(super) source: PinSource,
}

/// Who pins a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinSource {
    Setting,
    State,
}

/// The policy and the files of known hosts, shared by all hosts. It knows hosts without contacting them.
pub struct HostKeyCheck {
    policy: HostKeyPolicy,
    /// Port of hosts that name none.
    port: u16,
    /// New hosts are written into the first one.
    files: Vec<PathBuf>,
}

impl HostKeyCheck {
    pub fn new(settings: &SshSettings, environment: &LocalEnvironment) -> Result<Self, SettingsError> {
        let at_home = |file: &str| {
            expand_home(file, environment)
                .map_err(|source| SettingsError { path: FieldPath::root("ssh").field("known_hosts_file"), source })
        };
        let mut files = Vec::new();
        // With pinned keys no file is looked at, so a home folder need not be known.
        if settings.host_key_policy != HostKeyPolicy::Pinned {
            files.push(at_home(&settings.known_hosts_file)?);
            if settings.known_hosts_file == USUAL_FILE {
                files.push(at_home(USUAL_SECOND_FILE)?);
            }
            files.extend(environment.system_known_hosts.iter().cloned());
        }
        Ok(Self { policy: settings.host_key_policy, port: settings.port, files })
    }

    /// How it would be known that a host is the right one, should it be contacted now. Opens no connection.
    pub fn identity(&self, host: &HostSpec, acquaintance: &Acquaintance) -> HostIdentity {
        if host.ssh_host_key.is_some() || acquaintance.pinned.is_some() {
            return HostIdentity::Pinned;
        }
        if self.policy == HostKeyPolicy::KnownHosts {
            return HostIdentity::Known;
        }
        let names = Names::of(&host.address, host.ssh_port.unwrap_or(self.port));
        let known = KnownHosts::read(&self.files).is_ok_and(|known| known.knows(&names, &keys(&acquaintance.replaced)));
        if known { HostIdentity::Known } else { HostIdentity::FirstContact }
    }

    /// What a server is asked to show, most wanted first: keys, and whether certificates are of use.
    pub(super) fn preference(&self, target: &Target) -> (Vec<Algorithm>, bool) {
        // Signatures with SHA-1 prove nothing any more, and OpenSSH takes none.
        let is_sound = |algorithm: &&Algorithm| !matches!(algorithm, Algorithm::Rsa { hash: None });
        let all: Vec<_> = Preferred::DEFAULT.key.iter().filter(is_sound).cloned().collect();
        if let Some(pin) = &target.pin {
            let is_pinned = |algorithm: &Algorithm| is_same_kind(algorithm, &pin.key.algorithm());
            let (first, last): (Vec<_>, Vec<_>) = all.into_iter().partition(is_pinned);
            return (first.into_iter().chain(last).collect(), false);
        }
        match KnownHosts::read(&self.files) {
            Ok(known) => known.preference(&target.names(), &target.replaced, &all),
            // A file that cannot be read is reported by `check`.
            Err(_) => (all, false),
        }
    }

    /// Whether `shown` is of `target`, and how that is known; writes a new host down where the policy says so.
    pub(super) fn check(
        &self,
        target: &Target,
        shown: &PublicKeyOrCertificate,
    ) -> Result<HostIdentity, HostKeyProblem> {
        let key = shown.public_key();
        let (seen, line) = (fingerprint(&key), known_hosts_form(&key));
        if is_too_short(&key) {
            return Err(HostKeyProblem::TooShort { seen });
        }
        if let Some(pin) = &target.pin {
            return self.check_pin(target, pin, shown);
        }
        let Some(file) = self.files.first().filter(|_| self.policy != HostKeyPolicy::Pinned).cloned() else {
            return Err(HostKeyProblem::NotPinned { seen, line });
        };
        let names = target.names();
        let _one_at_a_time = RECORDING.lock().unwrap_or_else(PoisonError::into_inner);
        let known = KnownHosts::read(&self.files).map_err(|(file, source)| HostKeyProblem::Read { file, source })?;
        match known.judge(&names, shown, &target.replaced) {
            Verdict::Known => Ok(HostIdentity::Known),
            Verdict::Revoked { file } => Err(HostKeyProblem::Revoked { seen, file }),
            Verdict::Forged => Err(HostKeyProblem::Forged { seen }),
            Verdict::Changed(entry) => {
                let known = fingerprint(&entry.key);
                Err(HostKeyProblem::Changed { known, seen, file: entry.file, line: entry.line })
            }
            Verdict::New { certificate } if self.policy == HostKeyPolicy::KnownHosts => {
                Err(HostKeyProblem::Unknown { seen, file, certificate })
            }
            Verdict::New { .. } if target.must_be_known => Err(HostKeyProblem::Unverified { seen, line }),
            Verdict::New { .. } => match record(&file, &names, &key, &target.replaced) {
                Ok(()) => Ok(HostIdentity::FirstContact),
                Err(source) => Err(HostKeyProblem::Record { file, source }),
            },
        }
    }

    fn check_pin(
        &self,
        target: &Target,
        pin: &Pin,
        shown: &PublicKeyOrCertificate,
    ) -> Result<HostIdentity, HostKeyProblem> {
        let key = shown.public_key();
        let (pinned, seen) = (fingerprint(&pin.key), fingerprint(&key));
        if pin.key.key_data() != key.key_data() {
            return Err(match pin.source {
                PinSource::Setting => HostKeyProblem::NotThePinned { pinned, seen },
                PinSource::State => {
                    let (host, line) = (target.name.clone(), known_hosts_form(&key));
                    HostKeyProblem::NotTheRemembered { host, pinned, seen, line }
                }
            });
        }
        // A pin says whose key it is, not whether it was stolen since. A file that cannot be read says nothing.
        let revoked = KnownHosts::read(&self.files).ok().and_then(|known| known.revoked(&target.names(), shown));
        match revoked {
            Some(file) => Err(HostKeyProblem::Revoked { seen, file }),
            None => Ok(HostIdentity::Pinned),
        }
    }
}

/// The pin of a host: that of its settings, or else that of the state.
pub(super) fn pin(host: &HostSpec, acquaintance: &Acquaintance) -> Result<Option<Pin>, SettingsError> {
    let of = |text: &str, source: PinSource, problem: fn(russh::keys::ssh_key::Error) -> CredentialProblem| {
        let path = FieldPath::root("ssh_host_key");
        parse(text).map(|key| Some(Pin { key, source })).map_err(|error| SettingsError { path, source: problem(error) })
    };
    match (&host.ssh_host_key, &acquaintance.pinned) {
        (Some(text), _) => of(text, PinSource::Setting, CredentialProblem::HostKey),
        (None, Some(text)) => of(text, PinSource::State, CredentialProblem::RememberedHostKey),
        (None, None) => Ok(None),
    }
}

/// Those that can be read: they only say which lines of known hosts are out of date.
pub(super) fn keys(texts: &[String]) -> Vec<PublicKey> {
    texts.iter().filter_map(|text| parse(text).ok()).collect()
}
