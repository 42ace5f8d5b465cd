//! One apply at a time on each cluster, wherever it runs: a lock on every control plane that answers, in memory, renewed
//! while the apply lives and void soon after it died.
//!
//! Locks are taken in the order of the hosts' names, and whatever stands behind one that somebody else holds is given
//! back, so two applies cannot wait for each other. Who has all that answer begins; who works keeps what it holds, whatever
//! it loses, so nobody else begins before it has ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use kubeone_hosts::{Host, HostError, Os, Script};
use kubeone_plan::wanted::Wanted;
use kubeone_spec::Role;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::StepError;
use crate::machines::Hosts;

/// Three of them may be missed before the lock is void.
const RENEW_EVERY: Duration = Duration::from_secs(15);
const LIFETIME: Duration = Duration::from_mins(1);

/// How often to see whether a lock is free.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// A host that says nothing for so long after another has answered is left out, until the lock is renewed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A host that says nothing at all is not waited for.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// An answer is six lines.
const MOST_PRINTED: usize = 16 << 10;

/// Of what another apply says of itself so many characters are taken.
const LONGEST_WORDS: usize = 200;

/// Longer than any apply.
const LONGEST_HOLD: u64 = 7 * 24 * 60 * 60;

/// Who works on a cluster. No two of them are equal.
#[derive(Clone, Debug)]
pub struct Holder {
    pub id: String,
    /// Tells those who run on the same machine whether the process lives.
    pub process: String,
    /// In words: who, where, what.
    pub who: String,
}

/// Somebody else who works on the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub host: String,
    pub who: String,
    /// For how long they have held it.
    pub held: Duration,
    /// For how long they have given no sign of life.
    pub silent: Duration,
    id: String,
    process: String,
}

/// Why an apply may not begin.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{} works on the cluster", .0.who)]
    Held(Held),
    #[error("cancelled")]
    Cancelled,
    #[error("the lock could not be taken")]
    Host(#[from] StepError),
}

/// The lock while it is held. It must be given back with [`Lock::release`]; dropped, it is void after a minute.
pub struct Lock {
    /// In the order in which they are taken.
    hosts: Vec<LockedHost>,
    take: Script,
    release: Script,
}

struct LockedHost {
    host: Arc<dyn Host>,
    taken: AtomicBool,
}

/// What a host says.
enum Answer {
    Taken,
    /// It is somebody else's, or it cannot be asked.
    LeftAlone,
    Held(Held),
}

impl Lock {
    /// Takes the lock of a cluster, and waits for its holder as long as `patience` says. A holder of whom `is_dead` knows,
    /// by its `process`, is not waited for.
    pub async fn acquire(
        wanted: &Wanted,
        hosts: &Hosts,
        holder: &Holder,
        patience: Duration,
        cancel: &CancellationToken,
        is_dead: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<Self, LockError> {
        let lock = Self::new(wanted, hosts, holder)?;
        let result = tokio::select! {
            result = lock.take_within(patience, is_dead) => result,
            () = cancel.cancelled() => Err(LockError::Cancelled),
        };
        match result {
            Ok(()) => Ok(lock),
            Err(error) => {
                lock.release().await;
                Err(error)
            }
        }
    }

    /// Lets work run and renews the lock meanwhile. When somebody else has most of it nevertheless, because hosts restarted
    /// or could not be reached for a while, the work is cancelled, and what is left of the lock is kept until it has ended;
    /// who it is comes with the work's result.
    pub async fn hold<T>(&self, cancel: &CancellationToken, work: impl Future<Output = T>) -> (T, Option<Held>) {
        let mut work = std::pin::pin!(work);
        let mut lost = None;
        loop {
            tokio::select! {
                result = &mut work => return (result, lost),
                held = self.renew_until_lost() => {
                    if lost.is_none() {
                        tracing::error!(?held, "the lock of the cluster was lost");
                        cancel.cancel();
                        lost = Some(held);
                    }
                }
            }
        }
    }

    /// Gives the lock back, as far as the hosts can be reached.
    pub async fn release(self) {
        let taken = self.hosts.iter().filter(|host| host.taken.load(Ordering::Relaxed));
        let releases = taken.map(async |host| {
            if let Ok(Err(error)) = timeout(PATIENCE, host.host.run(&self.release)).await {
                tracing::warn!(host = host.host.name(), %error, "the lock could not be given back; it will be void soon");
            }
        });
        join_all(releases).await;
    }

    fn new(wanted: &Wanted, hosts: &Hosts, holder: &Holder) -> Result<Self, StepError> {
        let script = |action: &str| -> Result<Script, StepError> {
            let line = |text: &str| text.replace(char::is_control, " ");
            Ok(Os::common()
                .script("lock")?
                .within(LONGEST_SILENCE)
                .prints_at_most(MOST_PRINTED)
                .var("ACTION", action)
                .var("HOLDER", line(&holder.id))
                .var("PROCESS", line(&holder.process))
                .var("WHO", line(&holder.who))
                .var("LIFETIME", LIFETIME.as_secs())
                .var("CLUSTER", &wanted.spec.name)
                .var("UID_KNOWN", wanted.uid.as_deref().unwrap_or_default()))
        };
        let (take, release) = (script("take")?, script("release")?);
        let stay = hosts.wanted.iter().filter(|(name, _)| wanted.spec.control_plane.contains_key(*name));
        let is_control_plane = |name: &String| wanted.leaving.get(name).is_some_and(|it| it.role == Role::ControlPlane);
        let leave = hosts.leaving.iter().filter(|(name, _)| is_control_plane(name));
        // The same name can stand for two machines, one of which leaves.
        let ordered: BTreeMap<_, _> = stay
            .map(|(name, host)| ((name, false), host))
            .chain(leave.map(|(name, host)| ((name, true), host)))
            .collect();
        let hosts = ordered.into_values().map(|host| LockedHost { host: Arc::clone(host), taken: false.into() });
        Ok(Self { hosts: hosts.collect(), take, release })
    }

    async fn take_within(
        &self,
        patience: Duration,
        is_dead: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<(), LockError> {
        let deadline = Instant::now() + patience;
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dead = String::new();
        let mut told = false;
        loop {
            ask.tick().await;
            let Some(held) = self.take_all(&dead).await else { return Ok(()) };
            if is_dead(&held.process) && held.id != dead {
                tracing::warn!(who = held.who, "the lock's holder is dead");
                dead = held.id;
                ask.reset_immediately();
                continue;
            }
            if Instant::now() >= deadline {
                return Err(LockError::Held(held));
            }
            if !told {
                tracing::info!(who = held.who, host = held.host, "waiting for the lock of the cluster");
                told = true;
            }
        }
    }

    /// Takes the lock on all hosts. When somebody else has it on one of them, those behind it are given back.
    async fn take_all(&self, dead: &str) -> Option<Held> {
        let mut conflict = None;
        for (host, answer) in self.hosts.iter().zip(self.ask_all(dead).await) {
            match answer {
                Answer::Taken if conflict.is_some() => {
                    // Where it cannot be given back it will be void soon.
                    let _ = timeout(PATIENCE, host.host.run(&self.release)).await;
                    host.taken.store(false, Ordering::Relaxed);
                }
                Answer::Held(held) => _ = conflict.get_or_insert(held),
                Answer::Taken | Answer::LeftAlone => {}
            }
        }
        conflict
    }

    /// Takes or renews the lock on all hosts at the same time.
    async fn ask_all(&self, dead: &str) -> Vec<Answer> {
        let take = self.take.clone().var("DEAD", dead);
        let (has_answered, answered) = watch::channel(false);
        let answers = self.hosts.iter().map(|host| {
            let (take, has_answered, mut answered) = (&take, &has_answered, answered.clone());
            async move {
                let silence = async {
                    // The sender lives as long as all of this.
                    let _ = timeout(LONGEST_SILENCE, answered.wait_for(|it| *it)).await;
                    let _ = timeout(PATIENCE, std::future::pending::<()>()).await;
                };
                tokio::select! {
                    answer = host.ask(take) => {
                        has_answered.send_replace(true);
                        answer
                    }
                    () = silence => Answer::LeftAlone,
                }
            }
        });
        join_all(answers).await
    }

    /// Ends when somebody else has the lock on most hosts that answer. Who waits may have taken it on one that restarted.
    async fn renew_until_lost(&self) -> Held {
        let mut again = interval(RENEW_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again.tick().await;
        loop {
            again.tick().await;
            let (mut taken, mut lost) = (0, Vec::new());
            for answer in self.ask_all("").await {
                match answer {
                    Answer::Taken => taken += 1,
                    Answer::Held(held) => lost.push(held),
                    Answer::LeftAlone => {}
                }
            }
            if lost.len() > taken
                && let Some(held) = lost.into_iter().next()
            {
                return held;
            }
        }
    }
}

impl LockedHost {
    async fn ask(&self, take: &Script) -> Answer {
        // Also when the answer is never heard: then it must be given back.
        let before = self.taken.swap(true, Ordering::Relaxed);
        match self.host.run(take).await.map(|output| parse(self.host.name(), &output.stdout)) {
            Ok(answer) => {
                self.taken.store(matches!(answer, Answer::Taken), Ordering::Relaxed);
                answer
            }
            // The observation that follows says what is wrong with the host, and the plan is refused if it matters.
            Err(error) => {
                tracing::warn!(host = self.host.name(), %error, "no lock is taken on this host");
                let is_unknown = matches!(error, HostError::ConnectionLost { .. });
                self.taken.store(before || is_unknown, Ordering::Relaxed);
                Answer::LeftAlone
            }
        }
    }
}

fn parse(host: &str, printed: &str) -> Answer {
    let mut lines = printed.lines();
    match lines.next() {
        Some("taken") => Answer::Taken,
        Some("held") => {
            let mut line = || lines.next().unwrap_or_default();
            let mut words = || line().chars().filter(|it| !it.is_control()).take(LONGEST_WORDS).collect::<String>();
            let (id, process, who) = (words(), words(), words());
            let mut seconds = || Duration::from_secs(line().parse().unwrap_or(0).min(LONGEST_HOLD));
            Answer::Held(Held { host: host.to_owned(), held: seconds(), silent: seconds(), id, process, who })
        }
        _ => Answer::LeftAlone,
    }
}

#[cfg(test)]
#[path = "lock/tests.rs"]
mod tests;
