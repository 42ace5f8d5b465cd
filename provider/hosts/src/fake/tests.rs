//! The fake is strict, and what it says about calls is true.

use super::*;

#[tokio::test]
async fn what_was_not_prepared_is_an_error() {
    let host = FakeHost::new("cp-1").answers("a.sh", "1");
    let script = Script::new("b.sh", "");
    assert!(matches!(host.run(&script).await, Err(HostError::Unprepared { .. })));
    assert!(matches!(host.run_unit("u", &script).await, Err(HostError::Unprepared { .. })));
    assert!(matches!(host.tunnel("127.0.0.1", 1).await, Err(HostError::Unprepared { .. })));
    assert_eq!(host.unused(), ["a.sh"], "a test that asserts on this would fail");
}

#[tokio::test]
async fn answers_come_once_and_in_order() {
    let host = FakeHost::new("cp-1").answers("a.sh", "1").fails("a.sh", 2, "no").answers("a.sh", "3");
    let script = Script::new("a.sh", "").var("X", "y");
    assert_eq!(host.run(&script).await.unwrap().stdout, "1");
    assert_eq!(host.run(&script).await.unwrap_err().to_string(), "[cp-1] `a.sh:1` failed with exit code 2: no");
    assert_eq!(host.run_unit("kubeone-a", &script).await.unwrap().stdout, "3");
    assert!(host.run(&script).await.is_err(), "the fourth was not prepared");
    assert_eq!(host.log(), ["run a.sh", "run a.sh", "run a.sh as kubeone-a", "run a.sh"]);
    assert!(host.unused().is_empty());
    let Call::Run(first) = &host.calls()[0] else { panic!("the first call ran a script") };
    assert_eq!(first.value("X"), Some("y"));
}

#[tokio::test]
async fn files_are_kept() {
    let host = FakeHost::new("cp-1").has_file(RemoteFile::public("/etc/there", "old"));
    assert!(!host.write(&RemoteFile::public("/etc/there", "old")).await.unwrap());
    assert!(host.write(&RemoteFile::private("/etc/there", "old")).await.unwrap(), "another mode is a change");
    assert_eq!(host.read(Path::new("/etc/there")).await.unwrap().unwrap().expose(), b"old");
    assert!(host.read(Path::new("/etc/absent")).await.unwrap().is_none());
    assert_eq!(host.file("/etc/there").unwrap().mode, 0o600);
}

#[tokio::test]
async fn units_of_earlier_programs_are_taken_once() {
    let host = FakeHost::new("cp-1").has_unit("kubeone-init", "log").has_failed_unit("kubeone-join", "j.sh", 1, "why");
    assert_eq!(host.attach_unit("kubeone-init").await.unwrap().unwrap().stdout, "log");
    assert!(host.attach_unit("kubeone-init").await.unwrap().is_none());
    assert!(host.attach_unit("kubeone-join").await.is_err());
}

#[tokio::test]
async fn a_host_that_is_off_answers_nothing() {
    let host = FakeHost::new("cp-1").answers("a.sh", "1").unreachable();
    assert!(host.run(&Script::new("a.sh", "")).await.unwrap_err().is_unreachable());
    assert!(host.read(Path::new("/etc/x")).await.is_err());
    assert!(host.attach_unit("u").await.is_err());
    assert_eq!(host.host_key(), None);
}

#[tokio::test]
async fn a_connection_can_be_lost() {
    let host = FakeHost::new("cp-1").loses_connection("a.sh").answers("a.sh", "again");
    assert!(host.run(&Script::new("a.sh", "")).await.unwrap_err().is_unreachable());
    assert_eq!(host.run(&Script::new("a.sh", "")).await.unwrap().stdout, "again");
}

#[tokio::test]
async fn tunnels_end_where_the_test_says() {
    use tokio::io::AsyncReadExt as _;
    let host =
        FakeHost::new("cp-1").tunnels_to("127.0.0.1", 6443, || Box::new(std::io::Cursor::new(b"hello".to_vec())));
    let mut text = String::new();
    host.tunnel("127.0.0.1", 6443).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
}
