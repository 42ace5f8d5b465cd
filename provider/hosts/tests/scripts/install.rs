//! How packages come to a Debian host: through which keys, in which versions, and once more where they are damaged.

use std::fs;
use std::process::Command;

use kubeone_hosts::Script;
use tempfile::TempDir;

use crate::sandbox::{Sandbox, script};

const KEY: &str = "/etc/apt/keyrings/kubeone-kubernetes.asc";

/// What dpkg knows of a package is in `/fakes/dpkg/<package>`, as `<state> <version>`; what the lists offer in
/// `/fakes/offers/<package>`.
const APT_GET: &str = r#"
export LC_ALL=C
case " $* " in
  *' --print-uris '*) if [[ ! -e /fakes/downloaded ]]; then echo "'https://x/y.deb' y.deb"; fi ;;
  *' update '*) [[ ! -e /fakes/no-update ]] || exit 100 ;;
  *' check '* | *' clean '*) ;;
  *' --download-only '*) touch /fakes/downloaded ;;
  *' install '*)
    for word; do
      [[ $word == *=* && $word != *::* ]] || { [[ -e /fakes/offers/$word ]] || continue; }
      package=${word%%=*} version=
      [[ $word == *=* ]] && version=${word#*=}
      version=${version%\*}
      while read -r offered; do
        if [[ $offered == "$version"* ]]; then echo "installed $offered" >"/fakes/dpkg/$package"; fi
      done <"/fakes/offers/$package"
      if [[ " $* " == *' --reinstall '* && ! -e /fakes/beyond-repair ]]; then rm -f "/fakes/verify/$package"; fi
    done
    ;;
  *) unexpected ;;
esac"#;

const SYSTEMCTL: &str = r#"
case $* in
  'show containerd --property ExecMainStartTimestamp --value') echo 'Tue 2030-01-01 00:00:00 UTC' ;;
  'show containerd --property MainPID --value')
    if [[ -e /fakes/old-containerd ]]; then
      cp /usr/bin/sleep /tmp/old
      /tmp/old 15 >/dev/null 2>&1 &
      echo $!
      until [[ $(readlink "/proc/$!/exe") == /tmp/old ]]; do :; done
      rm /tmp/old
    else
      echo 0
    fi
    ;;
  'show kubelet --property MainPID --value') echo 0 ;;
  '--quiet enable containerd kubelet' | '--quiet is-active containerd' | 'restart containerd') ;;
  *) unexpected ;;
esac"#;

/// A key made for the test, in the form that repositories offer it.
struct Key {
    fingerprint: String,
    text: String,
}

/// Whether gpg is there; without it a test fails, or is left out where its caller wants that.
fn can_make_keys() -> bool {
    test_programs::programs(["gpg", "gpgconf"]).is_some()
}

fn key(owner: &str) -> Key {
    let home = TempDir::new().unwrap();
    let gpg = |arguments: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(home.path()).args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        let done = gpg.args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    gpg(&["--quick-generate-key", owner, "ed25519", "sign", "never"]);
    let listed = gpg(&["--with-colons", "--list-keys"]);
    let fingerprint =
        listed.lines().find(|line| line.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_owned();
    let text = gpg(&["--armor", "--export"]);
    Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "gpg-agent"]).output().ok();
    Key { fingerprint, text }
}

fn debian(offered: &Key) -> Sandbox {
    let host = Sandbox::new();
    host.file("/etc/apt/sources.list.d/kubeone.sources", "Types: deb\nURIs: https://pkgs.k8s.io/x/\n");
    host.file("/etc/containerd/config.toml", "version = 3\n").file("/fakes/web/Release.key", &offered.text);
    for folder in ["dpkg", "verify"] {
        fs::create_dir_all(host.path(&format!("/fakes/{folder}"))).unwrap();
    }
    for package in ["kubelet", "kubeadm", "kubectl"] {
        host.file(&format!("/fakes/offers/{package}"), "1.36.2-1.1\n1.36.3-1.1\n");
    }
    host.file("/fakes/offers/containerd.io", "2.2.3-1~x\n2.2.30-1~x\n2.2.5-1~x\n");
    host.file("/fakes/offers/kubernetes-cni", "1.9.1-1.1\n").file("/fakes/offers/cri-tools", "1.36.0-1.1\n");
    host.watch("gpg").fake("apt-mark", "").fake("apt-get", APT_GET).fake("systemctl", SYSTEMCTL);
    host.fake(
        "apt-cache",
        "[[ $1 == madison ]] || unexpected; sed \"s/.*/ $2 | & | https:\\/\\/x/\" \"/fakes/offers/$2\"",
    );
    host.fake(
        "dpkg-query",
        r#"
        package=${*: -1}
        [[ -e /fakes/dpkg/$package ]] || exit 1
        read -r state version <"/fakes/dpkg/$package"
        text=${3//'${db:Status-Status}'/$state}
        printf '%s' "${text//'${Version}'/$version}""#,
    );
    host.fake(
        "dpkg",
        r#"
        case $1 in
          --audit) cat /fakes/audit 2>/dev/null || true ;;
          --verify) cat "/fakes/verify/$2" 2>/dev/null || true ;;
          --configure) exit 1 ;;
          *) unexpected ;;
        esac"#,
    );
    host.fake("curl", "while (($# > 1)); do if [[ $1 == --output ]]; then output=$2; fi; shift; done; cp \"/fakes/web/${1##*/}\" \"$output\"");
    host
}

fn installed() -> (Sandbox, Key) {
    let key = key("Good");
    let host = debian(&key);
    for package in ["kubelet", "kubeadm", "kubectl"] {
        host.file(&format!("/fakes/dpkg/{package}"), "installed 1.36.3-1.1\n");
    }
    host.file("/fakes/dpkg/containerd.io", "installed 2.2.5-1~x\n");
    host.file("/fakes/dpkg/kubernetes-cni", "installed 1.9.1-1.1\n")
        .file("/fakes/dpkg/cri-tools", "installed 1.36.0-1.1\n");
    (host, key)
}

fn install(key: &Key, containerd: &str) -> Script {
    let install = script("install_packages").var("KUBERNETES_VERSION", "1.36.3").var("CONTAINERD_VERSION", containerd);
    let install = install.var("SIGNING_KEYS", format!("{KEY} https://pkgs.k8s.io/Release.key {}", key.fingerprint));
    install.var("LOCK_SECONDS", 5).var("FETCH_ONLY", false).var("RESTART_KUBELET", false)
}

fn of<'a>(calls: &'a [String], word: &str) -> Vec<&'a str> {
    let word = format!(" {word} ");
    calls.iter().map(String::as_str).filter(|call| format!(" {call} ").contains(&word)).collect()
}

#[test]
fn packages_come_through_a_known_key() {
    if !can_make_keys() {
        return;
    }
    let key = key("Good");
    let host = debian(&key);
    host.run(&install(&key, "2.2.5-")).ok();
    assert_eq!(host.read("/fakes/dpkg/kubelet").as_deref(), Some("installed 1.36.3-1.1\n"));
    assert_eq!(host.read("/fakes/dpkg/containerd.io").as_deref(), Some("installed 2.2.5-1~x\n"));
    let calls = host.calls_of("apt-get");
    let update = of(&calls, "update")[0];
    for option in
        ["AllowInsecureRepositories=false", "AllowWeakRepositories=false", "AllowDowngradeToInsecureRepositories=false"]
    {
        assert!(update.contains(&format!("-o Acquire::{option} ")), "{update}");
    }
    assert!(update.contains("-o Dir::Etc::SourceParts=/dev/null"), "the lists of others: {update}");
    for call in calls.iter().filter(|call| call.starts_with("--quiet --quiet --assume-yes")) {
        assert!(call.contains("Dpkg::Options::=--refuse-unsafe-io"), "a power cut would leave empty programs: {call}");
    }
    assert!(host.exists(KEY));
    assert_eq!(host.tree("/tmp"), Vec::<String>::new());
    // A second time there is nothing to do.
    host.forget_calls().run(&install(&key, "2.2.5-")).ok();
    assert_eq!(host.calls_of("apt-get"), Vec::<String>::new());
    assert_eq!(host.calls_of("curl"), Vec::<String>::new());
}

#[test]
fn nothing_is_installed_through_another_key() {
    if !can_make_keys() {
        return;
    }
    let (known, other) = (key("Good"), key("Evil"));
    let host = debian(&other);
    // Neither is what was fetched under its lists before.
    host.file("/fakes/downloaded", "");
    let said = host.run(&install(&known, "2.")).fails();
    for word in [other.fingerprint.as_str(), &known.fingerprint, "https://pkgs.k8s.io/Release.key"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    let calls = host.calls_of("apt-get");
    assert!(of(&calls, "install").is_empty() && of(&calls, "update").is_empty(), "{calls:#?}");
    assert!(!host.exists(KEY));
}

#[test]
fn lists_of_a_key_that_was_replaced_are_read_again() {
    if !can_make_keys() {
        return;
    }
    let (known, other) = (key("Good"), key("Evil"));
    let host = debian(&known);
    host.file(KEY, &other.text).file("/fakes/downloaded", "");
    host.run(&install(&known, "2.")).ok();
    assert_eq!(of(&host.calls_of("apt-get"), "update").len(), 1);
    // With the right key in place, what was fetched is as good as what would be.
    let host = debian(&known);
    host.file(KEY, &known.text).file("/fakes/downloaded", "");
    host.run(&install(&known, "2.")).ok();
    assert_eq!(of(&host.calls_of("apt-get"), "update").len(), 0);
}

#[test]
fn a_version_that_is_not_offered_is_refused_with_what_is() {
    if !can_make_keys() {
        return;
    }
    let key = key("Good");
    let host = debian(&key);
    let said = host.run(&install(&key, "2.2.7-")).fails();
    assert!(
        said.contains(
            "does not offer containerd.io 2.2.7; the newest that it offers are: 2.2.3-1~x 2.2.5-1~x 2.2.30-1~x"
        ),
        "{said}"
    );
    assert_eq!(host.read("/fakes/dpkg/kubelet"), None);
}

/// `2.2.3` is not the beginning of `2.2.30`.
#[test]
fn an_exact_version_is_exact() {
    if !can_make_keys() {
        return;
    }
    let key = key("Good");
    let host = debian(&key);
    host.run(&install(&key, "2.2.3-")).ok();
    assert_eq!(host.read("/fakes/dpkg/containerd.io").as_deref(), Some("installed 2.2.3-1~x\n"));
}

#[test]
fn what_a_power_cut_left_is_installed_once_more() {
    if !can_make_keys() {
        return;
    }
    let cases = [
        // (what dpkg says, of which package, what is on the host, whether it is damage)
        ("??5??????   /usr/bin/kubelet", "kubelet", None, true),
        ("missing     /usr/bin/kubeadm", "kubeadm", None, true),
        ("??5?????? c /etc/default/kubelet", "kubelet", None, false),
        ("missing     /usr/share/doc/kubelet/README", "kubelet", None, false),
        ("??5??????   /opt/cni/bin/portmap", "kubernetes-cni", Some("\u{7f}ELF of the addon"), false),
        ("??5??????   /opt/cni/bin/portmap", "kubernetes-cni", Some(""), true),
        ("??5??????   /opt/cni/bin/portmap", "kubernetes-cni", Some("\0\0\0\0\0\0\0\0"), true),
        ("??5??????   /etc/systemd/system/kubelet.service", "kubelet", Some("[Service]\n"), false),
        ("??5??????   /etc/systemd/system/kubelet.service", "kubelet", Some("\0\0\0\0"), true),
    ];
    for (line, package, content, is_damage) in cases {
        let (host, key) = installed();
        host.file(&format!("/fakes/verify/{package}"), &format!("{line}\n"));
        if let Some(content) = content {
            host.file(line.rsplit_once(' ').unwrap().1, content);
        }
        host.run(&install(&key, "2.2.5-")).ok();
        let calls = host.calls_of("apt-get");
        let again = of(&calls, "--reinstall");
        assert_eq!(again.len(), usize::from(is_damage), "{line} {content:?}: {calls:#?}");
        if is_damage {
            let version = if package == "kubernetes-cni" { "" } else { "=1.36.3-*" };
            assert!(again[0].ends_with(&format!(" {package}{version}")), "{again:?}");
            assert_eq!(of(&calls, "update").len(), 1, "archives are not kept, so apt must know where they are");
        }
    }
}

#[test]
fn half_a_package_is_installed_once_more() {
    if !can_make_keys() {
        return;
    }
    let (host, key) = installed();
    host.file("/fakes/dpkg/cri-tools", "half-installed 1.36.0-1.1\n").file("/fakes/audit", "cri-tools is in a mess\n");
    host.run(&install(&key, "2.2.5-")).ok();
    assert_eq!(host.read("/fakes/dpkg/cri-tools").as_deref(), Some("installed 1.36.0-1.1\n"));
    let configure = &host.calls_of("dpkg")[1];
    assert!(configure.contains("--configure --pending") && configure.contains("--refuse-unsafe-io"), "{configure}");
}

#[test]
fn what_stays_damaged_is_named() {
    if !can_make_keys() {
        return;
    }
    let (host, key) = installed();
    host.file("/fakes/verify/kubectl", "??5??????   /usr/bin/kubectl\n").file("/fakes/beyond-repair", "");
    let said = host.run(&install(&key, "2.2.5-")).fails();
    assert!(said.contains("these packages are damaged, and installing them once more did not help: kubectl"), "{said}");
}

#[test]
fn containerd_runs_in_the_version_that_is_installed() {
    if !can_make_keys() {
        return;
    }
    let (host, key) = installed();
    host.run(&install(&key, "2.2.5-")).ok();
    assert!(!host.calls().contains(&"systemctl restart containerd".to_owned()));
    host.file("/fakes/old-containerd", "");
    host.run(&install(&key, "2.2.5-")).ok();
    assert!(host.calls().contains(&"systemctl restart containerd".to_owned()), "the exchanged one runs on");
    // Another owner's is left alone.
    host.forget_calls().run(&install(&key, "")).ok();
    assert!(!host.calls().contains(&"systemctl restart containerd".to_owned()));
}
