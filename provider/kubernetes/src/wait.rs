//! Waiting for a condition of named objects, with a deadline and a memory of what was last seen.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{ClusterError, causes::causes};

/// What a look at an object says about the awaited condition.
pub(crate) enum Seen {
    AsAwaited,
    /// Not yet, and what is there instead.
    Otherwise(String),
}

/// Watches until each of the named objects is as awaited, all at the same time.
pub(crate) async fn await_each<K>(
    api: Api<K>,
    scope: watcher::Config,
    names: impl IntoIterator<Item = String>,
    what: &str,
    deadline: Duration,
    look: impl Fn(&K) -> Seen,
) -> Result<(), ClusterError>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut missing: BTreeMap<String, String> = names.into_iter().map(|name| (name, ABSENT.to_owned())).collect();
    let names: Vec<String> = missing.keys().cloned().collect();
    let mut trouble = None;
    let watch = async {
        let mut events = watcher(api, scope).backoff(Steady).boxed();
        while !missing.is_empty() {
            match events.next().await {
                Some(Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                    let name = object.name_any();
                    if names.contains(&name) {
                        match look(&object) {
                            Seen::AsAwaited => missing.remove(&name),
                            Seen::Otherwise(instead) => missing.insert(name, instead),
                        };
                    }
                    trouble = None;
                }
                Some(Ok(watcher::Event::Delete(object))) if names.contains(&object.name_any()) => {
                    missing.insert(object.name_any(), ABSENT.to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => trouble = Some(causes(&error)),
                // A watcher starts anew when its connection ends; it never comes to an end itself.
                None => break,
            }
        }
    };
    if timeout(deadline, watch).await.is_ok() {
        return Ok(());
    }
    let mut last_seen: Vec<String> = missing.iter().map(|(name, instead)| format!("{name}: {instead}")).collect();
    last_seen.extend(trouble.map(|trouble| format!("the watch is broken: {trouble}")));
    Err(ClusterError::NotReady { what: what.to_owned(), waited: deadline, last_seen: last_seen.join("; ") })
}

const ABSENT: &str = "does not exist";

/// A broken watch starts again at this pace, however often it broke: each wait has a deadline of its own.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(200))
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}
