//! The machine that runs Terraform: where a leading `~` leads, and what opens copies of snapshots.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use kubeone_engine::LocalMachine;
use kubeone_spec::BackupSettings;

/// Shared between the provider and its resources.
#[derive(Clone)]
pub(crate) struct Local {
    home: Option<PathBuf>,
    settings: Arc<RwLock<BackupSettings>>,
}

impl Local {
    pub(crate) fn new(home: Option<PathBuf>) -> Self {
        Self { home, settings: Arc::default() }
    }

    pub(crate) fn configure(&self, settings: BackupSettings) {
        // A panic cannot leave half a value behind, so a poisoned lock is as good as any.
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub(crate) fn machine(&self) -> LocalMachine {
        let BackupSettings { identity, identity_file } =
            self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        LocalMachine { home: self.home.clone(), identity, identity_file }
    }
}
