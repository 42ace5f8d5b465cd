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
    let host = Plain(FakeHost::new("cp-1").answers("unit/run.sh", "hello\n"));
    assert!(matches!(host.run_unit("u", &script()).await, Err(HostError::Answer { .. })));
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
