//! How the answers of units are read. Units on a host: `tests/ssh/units.rs`.

use super::*;
use crate::FakeHost;

fn script() -> Script {
    Script::new("os/debian/init.sh", "").secret("TOKEN", "s3cr3t-t0ken".to_owned())
}

/// A host that has the plain behaviour of the trait, so that units are what they are over SSH.
struct Plain(FakeHost);

#[async_trait::async_trait]
impl Host for Plain {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn host_key(&self) -> Option<String> {
        None
    }

    async fn run(&self, script: &Script) -> Result<Output, HostError> {
        self.0.run(script).await
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn crate::Stream>, HostError> {
        self.0.tunnel(address, port).await
    }
}

#[tokio::test]
async fn the_log_is_the_output_without_secrets() {
    let log = format!("id 0 os/debian/init.sh\n{STARTED}\n{STARTED}\nusing s3cr3t-t0ken\n");
    let host = Plain(FakeHost::new("cp-1").answers("unit/run.sh", log).answers("unit/forget.sh", ""));
    assert_eq!(host.run_unit("kubeone-init", &script()).await.unwrap().stdout, "using ***\n");
    assert!(host.0.unused().is_empty(), "the result is forgotten");
}

#[tokio::test]
async fn a_failure_has_line_code_and_last_lines() {
    let log = "id 3 os/debian/init.sh\nbefore s3cr3t-t0ken\nos/debian/init.sh:17: exit code 3\n";
    let host = Plain(FakeHost::new("cp-1").answers("unit/run.sh", log).answers("unit/forget.sh", ""));
    let error = host.run_unit("kubeone-init", &script()).await.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] `os/debian/init.sh:17` failed with exit code 3: before ***");
}

#[tokio::test]
async fn a_lost_connection_is_resumed_but_not_forever() {
    let mut fake = FakeHost::new("cp-1");
    for _ in 0..=RECONNECTS {
        fake = fake.loses_connection("unit/run.sh");
    }
    let host = Plain(fake);
    assert!(matches!(host.run_unit("u", &script()).await, Err(HostError::ConnectionLost { .. })));
    assert!(host.0.unused().is_empty());
}

#[tokio::test]
async fn a_unit_that_is_gone_after_a_lost_connection_is_not_run_again() {
    let fake = FakeHost::new("cp-1").loses_connection("unit/run.sh").answers("unit/run.sh", "none\n");
    let host = Plain(fake);
    assert!(matches!(host.run_unit("u", &script()).await, Err(HostError::UnitVanished { .. })));
}

#[tokio::test]
async fn an_answer_of_another_form_is_refused() {
    let long = "x".repeat(100_000);
    let strange =
        ["hello\n", "", "id 0\n", "id zero a.sh\n", "id -1 a.sh\n", "i\u{1b}d 0 a.sh\n", "id 0 a\u{202e}.sh\n"];
    for answer in strange.into_iter().chain(["waits a/b\n", "none of it\n", long.as_str()]) {
        let host = Plain(FakeHost::new("cp-1").answers("unit/run.sh", answer));
        let error = host.run_unit("u", &script()).await.unwrap_err();
        assert!(matches!(error, HostError::Answer { .. }), "{answer:?}: {error:?}");
        assert!(error.to_string().len() < 700);
        // Whoever lies did not find a bug of ours.
        assert!(!error.hint().unwrap().contains("bug"));
    }
}

/// A long step goes on over many rounds, and says between them that it does.
#[tokio::test]
async fn a_unit_that_still_runs_is_asked_for_again() {
    let fake = FakeHost::new("cp-1")
        .answers("unit/run.sh", "waits 1f\n")
        .answers("unit/run.sh", "runs\n")
        .answers("unit/run.sh", "id 0 os/debian/init.sh\ndone\n")
        .answers("unit/forget.sh", "");
    let host = Plain(fake);
    assert_eq!(host.run_unit("u", &script()).await.unwrap().stdout, "done\n");
    let said = |variable: &'static str| {
        let value = move |call| match call {
            crate::Call::Run(script) if script.name() == RUN => script.value(variable).map(str::to_owned),
            _ => None,
        };
        host.0.calls().into_iter().filter_map(value).collect::<Vec<_>>()
    };
    assert_eq!(said("SEEN"), ["", "1f", "1f"]);
    assert_eq!(said("RESUME"), ["false", "false", "true"]);
    let run_ids = said("RUN_ID");
    assert!(run_ids.iter().all(|it| *it == run_ids[0]), "{run_ids:?}");
}

#[tokio::test]
async fn a_unit_that_never_ends_is_not_awaited_forever() {
    let mut fake = FakeHost::new("cp-1");
    for _ in 0..6 {
        fake = fake.answers("unit/run.sh", "runs\n");
    }
    let host = Plain(fake);
    let error = host.run_unit("u", &script().within(ROUND * 5)).await.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] unusable answer of `unit u`: it was not done within 600 s");
    assert!(host.0.unused().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_falls_silent_is_not_awaited_forever() {
    let host = Plain(FakeHost::new("cp-1").hangs("unit/run.sh"));
    let began = Instant::now();
    let error = host.run_unit("u", &script()).await.unwrap_err();
    assert!(matches!(error, HostError::Answer { problem: crate::AnswerProblem::Late(_), .. }), "{error:?}");
    assert!(matches!(host.attach_unit("u").await, Err(HostError::Answer { .. })));
    assert!(began.elapsed() < Duration::from_mins(12));
}

#[tokio::test]
async fn nothing_to_attach_to_is_no_error() {
    let host = Plain(FakeHost::new("cp-1").answers("unit/run.sh", "none\n"));
    assert!(host.attach_unit("u").await.unwrap().is_none());
}

#[tokio::test]
async fn an_attached_failure_names_the_script_that_failed() {
    let log = "id 1 os/debian/init.sh\nwhy\n";
    let host = Plain(FakeHost::new("cp-1").answers("unit/run.sh", log).answers("unit/forget.sh", ""));
    let error = host.attach_unit("u").await.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] `os/debian/init.sh` failed with exit code 1: why");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_answer_about_a_unit_is_understood_or_refused(
            head in "(none|runs|waits [0-9a-f]{0,20}|[0-9a-f]{1,20} (killed|[0-9]{1,12}|-1) .{0,120}|.{0,60})",
            log in "(.{0,40}\n){0,30}",
        ) {
            let output = Output { stdout: format!("{head}\n{log}"), stderr: String::new() };
            match parse("cp-1", &output) {
                Ok(Answer::Ended(ended)) => {
                    prop_assert_eq!(&ended.log, &log);
                    prop_assert!(is_run_id(&ended.run_id) && is_script_name(&ended.name));
                    let failed = judge(&FakeHost::new("cp-1"), &script(), ended.exit.unwrap_or(1), &log);
                    prop_assert_eq!(failed.is_ok(), ended.exit == Some(0));
                }
                Ok(Answer::Waits { seen }) => prop_assert!(seen.len() <= 16),
                Ok(_) => {}
                Err(error) => prop_assert!(error.to_string().len() < 1200),
            }
        }
    }
}
