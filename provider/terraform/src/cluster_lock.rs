//! One operation at a time on each cluster within this process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Clusters are told apart by their API endpoint: names may repeat, endpoints cannot.
#[derive(Default)]
pub(crate) struct ClusterLocks {
    by_endpoint: std::sync::Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl ClusterLocks {
    /// Waits until no other operation works on the cluster.
    pub(crate) async fn lock(&self, endpoint: String) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.by_endpoint.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(endpoint).or_default().clone()
        };
        lock.lock_owned().await
    }
}
