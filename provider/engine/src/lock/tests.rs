//! Taking, awaiting, renewing and losing the lock, on hosts that answer as the script would.

use kubeone_hosts::{Call, FakeHost};
use kubeone_spec::ClusterSpec;
use serde_json::json;

use super::*;

const SCRIPT: &str = "os/linux/lock.sh";
const PATIENT: Duration = Duration::from_mins(10);

/// As the script prints it: the holder `id`, since 90 s, last renewed 4 s ago.
fn held(id: &str) -> String {
    format!("held\n{id}\nprocess of {id}\n{id}@laptop\n90\n4\n")
}

fn me() -> Holder {
    Holder { id: "me".to_owned(), process: "process of me".to_owned(), who: "me@here,\ncreate".to_owned() }
}

struct Control {
    hosts: Vec<Arc<FakeHost>>,
    wanted: Wanted,
}

impl Control {
    fn of(hosts: impl IntoIterator<Item = FakeHost>) -> Self {
        let hosts: Vec<_> = hosts.into_iter().map(Arc::new).collect();
        let machines: serde_json::Map<_, _> =
            hosts.iter().map(|host| (host.name().to_owned(), json!({ "address": "10.0.0.1" }))).collect();
        let spec: ClusterSpec = serde_json::from_value(json!({
            "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
            "control_plane": machines, "static_workers": { "w-1": { "address": "10.0.0.2" } },
        }))
        .unwrap();
        Self { hosts, wanted: Wanted::new(spec) }
    }

    async fn acquire(&self, patience: Duration, cancel: &CancellationToken) -> Result<Lock, LockError> {
        let named = self.hosts.iter().map(|host| (host.name().to_owned(), Arc::clone(host) as Arc<dyn Host>));
        // A worker is never asked: it was not prepared for anything.
        let worker = ("w-1".to_owned(), Arc::new(FakeHost::new("w-1")) as Arc<dyn Host>);
        let hosts = Hosts { wanted: named.chain([worker]).collect(), leaving: BTreeMap::new() };
        Lock::acquire(&self.wanted, &hosts, &me(), patience, cancel, &|process| process == "process of dead").await
    }

    /// What the hosts were asked, in the order of the hosts.
    fn log(&self) -> Vec<String> {
        let actions = |host: &Arc<FakeHost>| {
            let actions: Vec<_> = host
                .calls()
                .iter()
                .map(|call| match call {
                    Call::Run(script) => script.value("ACTION").unwrap().to_owned(),
                    other => other.to_string(),
                })
                .collect();
            format!("{}: {}", host.name(), actions.join(" "))
        };
        assert!(self.hosts.iter().all(|host| host.unused().is_empty()));
        self.hosts.iter().map(actions).collect()
    }
}

fn answers(name: &str, answers: &[&str]) -> FakeHost {
    answers.iter().fold(FakeHost::new(name), |host, answer| host.answers(SCRIPT, *answer))
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_on_every_control_plane_and_given_back() {
    let control = Control::of([answers("cp-1", &["taken", ""]), answers("cp-2", &["taken", ""])]);
    let cancel = CancellationToken::new();
    let lock = control.acquire(PATIENT, &cancel).await.unwrap();
    assert!(lock.hold(&cancel, async { 7 }).await == (7, None));
    lock.release().await;
    assert_eq!(control.log(), ["cp-1: take release", "cp-2: take release"]);
    let Call::Run(take) = &control.hosts[0].calls()[0] else { panic!("a script runs") };
    assert_eq!(take.value("WHO"), Some("me@here, create"));
    assert_eq!(take.value("CLUSTER"), Some("prod"));
}

#[tokio::test(start_paused = true)]
async fn hosts_of_others_and_silent_hosts_are_left_out() {
    let hosts = [FakeHost::new("cp-1").unreachable(), answers("cp-2", &["foreign"]), answers("cp-3", &["taken", ""])];
    let control = Control::of(hosts);
    control.acquire(PATIENT, &CancellationToken::new()).await.unwrap().release().await;
    assert_eq!(control.log()[1..], ["cp-2: take", "cp-3: take release"]);
}

#[tokio::test(start_paused = true)]
async fn a_holder_is_awaited_and_what_stands_behind_it_is_given_back() {
    let control = Control::of([
        answers("cp-1", &["taken", "taken", ""]),
        answers("cp-2", &[&held("alice"), "taken", ""]),
        answers("cp-3", &["taken", "", "taken", ""]),
    ]);
    let began = Instant::now();
    control.acquire(PATIENT, &CancellationToken::new()).await.unwrap().release().await;
    assert_eq!(began.elapsed(), ASK_EVERY);
    assert_eq!(
        control.log(),
        ["cp-1: take take release", "cp-2: take take release", "cp-3: take release take release"]
    );
}

#[tokio::test(start_paused = true)]
async fn patience_ends_with_the_holders_name_and_nothing_is_kept() {
    let control =
        Control::of([answers("cp-1", &["taken", "taken", ""]), answers("cp-2", &[&held("alice"), &held("alice")])]);
    let error = control.acquire(Duration::from_secs(1), &CancellationToken::new()).await.err().unwrap();
    let LockError::Held(held) = error else { panic!("{error:?}") };
    assert_eq!((held.who.as_str(), held.host.as_str()), ("alice@laptop", "cp-2"));
    assert_eq!((held.held, held.silent), (Duration::from_secs(90), Duration::from_secs(4)));
    assert_eq!(control.log(), ["cp-1: take take release", "cp-2: take take"]);
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_the_wait_at_once() {
    let control = Control::of([answers("cp-1", &[&held("alice")])]);
    let cancel = CancellationToken::new();
    let began = Instant::now();
    let stop = async {
        tokio::task::yield_now().await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(control.acquire(PATIENT, &cancel), stop);
    assert!(matches!(result.err(), Some(LockError::Cancelled)));
    assert!(began.elapsed() < ASK_EVERY);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_known_to_be_dead_is_not_awaited() {
    let control = Control::of([answers("cp-1", &[&held("dead"), "taken"])]);
    let began = Instant::now();
    control.acquire(PATIENT, &CancellationToken::new()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    let Call::Run(second) = &control.hosts[0].calls()[1] else { panic!("a script runs") };
    assert_eq!(second.value("DEAD"), Some("dead"));
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_while_work_goes_on() {
    let control = Control::of([answers("cp-1", &["taken", "taken", "taken", ""])]);
    let cancel = CancellationToken::new();
    let lock = control.acquire(PATIENT, &cancel).await.unwrap();
    let work = timeout(RENEW_EVERY * 2 + ASK_EVERY, std::future::pending::<()>());
    assert!(lock.hold(&cancel, work).await.1.is_none());
    lock.release().await;
    assert_eq!(control.log(), ["cp-1: take take take release"]);
    assert!(!cancel.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn losing_it_cancels_the_work_which_comes_to_its_end() {
    let control = Control::of([answers("cp-1", &["taken", &held("bob")])]);
    let cancel = CancellationToken::new();
    let lock = control.acquire(PATIENT, &cancel).await.unwrap();
    let work = async {
        cancel.cancelled().await;
        "stopped between two actions"
    };
    let (result, lost) = lock.hold(&cancel, work).await;
    assert_eq!(result, "stopped between two actions");
    assert_eq!(lost.unwrap().who, "bob@laptop");
    lock.release().await;
    // What is bob's now is not given back.
    assert_eq!(control.log(), ["cp-1: take take"]);
}

/// The first control plane restarted, and somebody who waits for the others was there first. He cannot begin before all
/// are free.
#[tokio::test(start_paused = true)]
async fn a_host_that_somebody_else_took_meanwhile_is_not_the_end() {
    let control = Control::of([
        answers("cp-1", &["taken", &held("bob"), &held("bob")]),
        answers("cp-2", &["taken", "taken", "taken", ""]),
        answers("cp-3", &["taken", "taken", "taken", ""]),
    ]);
    let cancel = CancellationToken::new();
    let lock = control.acquire(PATIENT, &cancel).await.unwrap();
    let work = timeout(RENEW_EVERY * 2 + ASK_EVERY, std::future::pending::<()>());
    assert!(lock.hold(&cancel, work).await.1.is_none());
    assert!(!cancel.is_cancelled());
    lock.release().await;
    assert_eq!(control.log(), ["cp-1: take take take", "cp-2: take take take release", "cp-3: take take take release"]);
}

/// The other side: whoever took that one host waits for the rest, and begins when it is free.
#[tokio::test(start_paused = true)]
async fn whoever_took_a_host_that_restarted_waits_for_the_others() {
    let control = Control::of([
        answers("cp-1", &["taken", "taken", "taken", ""]),
        answers("cp-2", &[&held("alice"), &held("alice"), "taken", ""]),
        answers("cp-3", &[&held("alice"), &held("alice"), "taken", ""]),
    ]);
    let began = Instant::now();
    control.acquire(PATIENT, &CancellationToken::new()).await.unwrap().release().await;
    assert_eq!(began.elapsed(), ASK_EVERY * 2);
    let log = ["cp-1: take take take release", "cp-2: take take take release", "cp-3: take take take release"];
    assert_eq!(control.log(), log);
}

/// Most of it is lost. What is left keeps the other one waiting until the steps have ended that had begun.
#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_lost_lock_is_kept_until_the_work_has_ended() {
    let control = Control::of([
        answers("cp-1", &["taken", &held("bob"), &held("bob")]),
        answers("cp-2", &["taken", &held("bob"), &held("bob")]),
        answers("cp-3", &["taken", "taken", "taken", ""]),
    ]);
    let cancel = CancellationToken::new();
    let lock = control.acquire(PATIENT, &cancel).await.unwrap();
    let work = async {
        cancel.cancelled().await;
        timeout(RENEW_EVERY + ASK_EVERY, std::future::pending::<()>()).await.ok();
    };
    assert_eq!(lock.hold(&cancel, work).await.1.unwrap().who, "bob@laptop");
    lock.release().await;
    assert_eq!(control.log(), ["cp-1: take take take", "cp-2: take take take", "cp-3: take take take release"]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_silent_for_a_moment_keeps_its_lock() {
    let lost = answers("cp-1", &["taken"]).loses_connection(SCRIPT).answers(SCRIPT, "taken").answers(SCRIPT, "");
    let control = Control::of([lost]);
    let cancel = CancellationToken::new();
    let lock = control.acquire(PATIENT, &cancel).await.unwrap();
    let work = timeout(RENEW_EVERY * 2 + ASK_EVERY, std::future::pending::<()>());
    assert!(lock.hold(&cancel, work).await.1.is_none());
    lock.release().await;
    assert_eq!(control.log(), ["cp-1: take take take release"]);
}

const ESCAPE: char = '\u{1b}';

/// The answer is another host's word for what it holds.
#[test]
fn what_a_holder_says_of_itself_is_bounded() {
    let printed = format!("held\n{0}\n{0}\nann{ESCAPE}[31m\n18446744073709551615\n-1\nmore\n", "x".repeat(5000));
    let Answer::Held(held) = parse("cp-1", &printed) else { panic!("it is held") };
    assert_eq!((held.id.len(), held.process.len(), held.who.as_str()), (200, 200, "ann[31m"));
    assert_eq!((held.held.as_secs(), held.silent.as_secs()), (LONGEST_HOLD, 0));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_answer_about_a_lock_is_bounded(word in "held|taken|foreign|.{0,9}", lines in prop::collection::vec(".{0,300}", 0..9)) {
            if let Answer::Held(held) = parse("cp-1", &format!("{word}\n{}", lines.join("\n"))) {
                prop_assert!(held.who.chars().count() <= 200 && !held.who.contains(char::is_control));
                prop_assert!(held.held <= Duration::from_secs(LONGEST_HOLD) && held.silent <= Duration::from_secs(LONGEST_HOLD));
            }
        }
    }
}
