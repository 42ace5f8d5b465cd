//! Scripts under the bash of this machine.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

fn run(script: &Script) -> Result<Output, HostError> {
    let mut bash = Command::new("bash")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(script.render().unwrap().expose()).unwrap();
    let done = bash.wait_with_output().unwrap();
    let code = done.status.code().map(i32::cast_unsigned);
    judge("cp-1", "root", script, exit(script, code, &done.stdout, &done.stderr))
}

fn exit(script: &Script, code: Option<u32>, printed: &[u8], said: &[u8]) -> Exit {
    let (mut stdout, mut stderr) = script.captures();
    stdout.push(printed).unwrap();
    stderr.push(said).unwrap();
    Exit { code, signal: None, stdout, stderr }
}

fn failure(script: &Script) -> crate::ScriptFailure {
    match run(script) {
        Err(HostError::Script(failure)) => *failure,
        other => panic!("the script was to fail, got {other:?}"),
    }
}

#[test]
fn values_arrive_literally() {
    let value = "a'b $(id) `id` \"\\ \n second line\tü";
    let script = Script::new("echo.sh", r#"printf %s "$VALUE""#).var("VALUE", value);
    assert_eq!(run(&script).unwrap().stdout, value);
}

#[test]
fn a_list_is_one_value_per_line() {
    let script = Script::new("list.sh", r#"while read -r item; do echo "<$item>"; done <<<"$ITEMS""#)
        .lines("ITEMS", ["a", "b c"]);
    assert_eq!(run(&script).unwrap().stdout, "<a>\n<b c>\n");
}

#[test]
fn an_error_names_line_and_exit_code() {
    let script =
        Script::new("os/debian/x.sh", "# comment\necho before >&2\n(exit 3)\necho after").var("LINES", "a\nb\nc");
    let failure = failure(&script);
    assert_eq!((failure.line, failure.exit_code), (Some(3), Some(3)));
    assert_eq!(failure.last_lines, ["before"]);
    assert_eq!(failure.to_string(), "[cp-1] `os/debian/x.sh:3` failed with exit code 3: before");
}

#[test]
fn a_line_inside_a_function_is_named() {
    let script = Script::new("f.sh", "f() {\n  false\n}\nf");
    assert_eq!(failure(&script).line, Some(2));
}

#[test]
fn a_tolerated_failure_is_not_blamed() {
    let script = Script::new("t.sh", "x=$(false; true) || true\necho \"$x\"\nexit 7");
    let failure = failure(&script);
    assert_eq!((failure.line, failure.exit_code), (None, Some(7)));
}

#[test]
fn an_unset_variable_is_an_error() {
    let failure = failure(&Script::new("u.sh", "echo \"$NOT_THERE\""));
    assert!(failure.last_lines[0].contains("NOT_THERE"), "{failure:?}");
}

#[test]
fn only_the_last_lines_are_kept() {
    let failure = failure(&Script::new("many.sh", "seq 1 100 >&2\nexit 1"));
    assert_eq!(failure.last_lines.len(), 20);
    assert_eq!(failure.last_lines.last().map(String::as_str), Some("100"));
}

#[test]
fn a_greedy_child_cannot_swallow_the_script() {
    let script = Script::new("greedy.sh", "cat\necho still here");
    assert_eq!(run(&script).unwrap().stdout, "still here\n");
}

#[test]
fn input_reaches_the_script_byte_for_byte_and_is_never_run() {
    let script = Script::new("in.sh", "head -c 3; exit 0").input(Secret::new(b"abc\necho run\n".to_vec()));
    assert_eq!(run(&script).unwrap().stdout, "abc");
}

#[test]
fn secrets_are_masked_everywhere() {
    let key = "-----BEGIN KEY-----\nc2VjcmV0LWxpbmU=\n-----END KEY-----\n";
    let script = Script::new("s.sh", "echo \"$TOKEN\"; echo \"$KEY\" | sed -n 2p >&2; exit \"$CODE\"")
        .secret("TOKEN", "hunter22".to_owned())
        .secret("KEY", key.to_owned());
    assert!(!format!("{script:?}").contains("hunter22"));
    let output = run(&script.clone().var("CODE", 0)).unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("***\n", "***\n"));
    let failure = failure(&script.var("CODE", 1));
    assert!(!format!("{failure:?} {failure}").contains("c2Vj"), "{failure:?}");
}

#[test]
fn a_script_cut_on_its_way_runs_nothing() {
    let script = Script::new("cut.sh", "echo first\necho second");
    let whole = script.render().unwrap().into_inner();
    let until_second = whole.windows(11).position(|part| part == b"echo second").unwrap();
    let mut bash = Command::new("bash")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(&whole[..until_second]).unwrap();
    let printed = String::from_utf8(bash.wait_with_output().unwrap().stdout).unwrap();
    assert!(!printed.contains("first"), "{printed}");
}

#[test]
fn a_script_that_never_started_is_told_apart() {
    let script = Script::new("x.sh", "true");
    let exit = exit(&script, Some(1), b"", b"sudo: a password is required\n");
    let error = judge("cp-1", "debian", &script, exit).unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] user `debian` cannot run scripts as root: sudo: a password is required");
}

#[test]
fn noise_of_the_login_is_not_output() {
    let script = Script::new("x.sh", "");
    let stdout = format!("welcome\n{STARTED}\nreal\n");
    let exit = exit(&script, Some(0), stdout.as_bytes(), format!("{STARTED}\n").as_bytes());
    assert_eq!(judge("h", "root", &script, exit).unwrap().stdout, "real\n");
}

#[test]
fn nul_in_a_value_is_refused() {
    let error = Script::new("n.sh", "true").var("VALUE", "a\0b").render().unwrap_err();
    assert!(matches!(error, HostError::NulInVariable { .. }), "{error}");
}
