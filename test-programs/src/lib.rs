//! The programs that tests call. Where one is missing, its tests fail and say how to get it. A caller who knows better sets
//! `KUBEONE_SKIP_MISSING_TOOLS=1`: then they are left out, and the output names them.

mod find;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;

use find::{find_all, is_root};

/// Leaves out the tests whose programs are missing.
const SKIP: &str = "KUBEONE_SKIP_MISSING_TOOLS";

/// Each program that tests call, and the Debian package that brings it.
const PACKAGES: [(&str, &str); 12] = [
    ("bash", "bash"),
    ("curl", "curl"),
    ("gpg", "gnupg"),
    ("gpgconf", "gnupg"),
    ("shellcheck", "shellcheck"),
    ("ssh", "openssh-client"),
    ("ssh-add", "openssh-client"),
    ("ssh-agent", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("sudo", "sudo"),
    ("unshare", "util-linux"),
];

/// The programs, at their paths; `None` where tests that need one of them are to be left out.
#[track_caller]
pub fn programs<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let found = names.map(|name| find_all([name]).into_iter().next().ok_or(name));
    let missing: Vec<&str> = found.iter().filter_map(|it| it.as_ref().err().copied()).collect();
    if !missing.is_empty() {
        go_without(&text(&missing));
        return None;
    }
    Some(found.map(Result::unwrap_or_default))
}

/// As [`programs`], for a test that makes namespaces or changes users.
#[track_caller]
pub fn programs_as_root<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let found = programs(names)?;
    if !is_root() {
        go_without("this test makes namespaces and users of its own: run it as root");
        return None;
    }
    Some(found)
}

/// Every `terraform` and `tofu`: those on PATH, and those that `KUBEONE_TERRAFORM` and `KUBEONE_TOFU` name. Empty where tests
/// that need one are to be left out.
#[track_caller]
pub fn terraforms() -> Vec<PathBuf> {
    let named = ["KUBEONE_TERRAFORM", "KUBEONE_TOFU"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let mut programs = find_all(["terraform", "tofu"]);
    programs.extend(named.filter(|program| program.is_file()));
    let mut known = Vec::new();
    programs.retain(|program| {
        let real = program.canonicalize().unwrap_or_else(|_| program.clone());
        let is_new = !known.contains(&real);
        known.push(real);
        is_new
    });
    if programs.is_empty() {
        go_without(
            "there is neither `terraform` nor `tofu` on PATH, and neither KUBEONE_TERRAFORM nor KUBEONE_TOFU names one: \
             install one of them, or run `cargo xtask test`, which builds OpenTofu",
        );
    }
    programs
}

/// The Debian packages that tests need and this machine lacks.
pub fn missing_packages() -> Vec<&'static str> {
    let missing = PACKAGES.iter().filter(|(program, _)| find_all([*program]).is_empty());
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// What is missing, and how to get it.
fn text(missing: &[&str]) -> String {
    let package = |name: &&str| PACKAGES.iter().find(|(program, _)| program == name).map(|(_, package)| *package);
    let mut packages: Vec<_> = missing.iter().filter_map(package).collect();
    packages.dedup();
    let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
    let install = match packages.as_slice() {
        [] => String::new(),
        packages => format!(": run `apt-get install {}`, or `cargo xtask test` as root", packages.join(" ")),
    };
    format!("{} is missing on this machine{install}", names.join(", "))
}

/// Fails the test, unless the caller has said that it may be left out.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
fn go_without(what: &str) {
    if let Some(refusal) = refusal(what, std::env::var_os(SKIP).as_deref()) {
        panic!("{refusal}");
    }
    // Past the test harness, which keeps what tests print that pass. Without a stderr there is no one to tell.
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "skipped {}: {what}", thread.name().unwrap_or("a test"));
}

/// Why the test fails, unless the caller's wish is a clear yes.
fn refusal(what: &str, wish: Option<&OsStr>) -> Option<String> {
    let may_skip = wish.is_some_and(|wish| wish == "1");
    (!may_skip).then(|| format!("{what}; or set {SKIP}=1 to leave out the tests that cannot run here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_package_that_brings_it() {
        assert_eq!(
            text(&["sshd", "ssh-keygen"]),
            "`sshd`, `ssh-keygen` is missing on this machine: run `apt-get install openssh-server openssh-client`, or \
             `cargo xtask test` as root"
        );
    }

    #[test]
    fn only_an_explicit_yes_leaves_tests_out() {
        assert_eq!(refusal("it is missing", Some("1".as_ref())), None);
        for no in [None, Some(""), Some("0"), Some("no"), Some("true")] {
            let text = refusal("it is missing", no.map(OsStr::new)).unwrap();
            assert!(text.starts_with("it is missing; or set KUBEONE_SKIP_MISSING_TOOLS=1"), "{text}");
        }
    }

    #[test]
    fn what_is_there_is_found_and_what_is_not_is_not() {
        assert_eq!(find_all(["bash", "no-such-program"]).len(), 1);
    }
}
