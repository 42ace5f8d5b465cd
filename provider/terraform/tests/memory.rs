//! The provider as Terraform starts it leaves no core dump.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_provider_leaves_no_core_dump() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terraform-provider-kubeone"));
    let mut provider = command.arg("--debug").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It says how to reach it once it serves.
    let mut line = String::new();
    BufReader::new(provider.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", provider.id()));
    provider.kill().unwrap();
    provider.wait().unwrap();
    let limits = limits.unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
}
