//! A repository's signing key is judged on the host with the real gpg, before apt trusts it. Keys are made here; curl is a
//! stand-in that only copies, and refuses to work without the flags that keep a download on HTTPS.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const FUNCTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/os/debian/functions/signing_keys.sh");

/// `web/<name>` is what `https://web/<name>` answers.
const CURL: &str = r#"#!/bin/bash
case " $* " in
  *" --proto =https --proto-redir =https --tlsv1.2 --fail "*) ;;
  *) echo "curl: a download without HTTPS: $*" >&2; exit 99 ;;
esac
while (($# > 1)); do
  if [[ $1 == --output ]]; then output=$2; fi
  shift
done
echo "$1" >>"$ROOT/fetched"
cp "$ROOT/web/${1#https://web/}" "$output" 2>/dev/null || { echo "curl: (22) The requested URL returned error: 404" >&2; exit 22; }
"#;

/// gpg's home, what the web offers, what is on the host.
struct Bench {
    root: TempDir,
}

struct Ended {
    succeeded: bool,
    said: String,
}

impl Bench {
    /// `None` where tests that need gpg are to be left out.
    fn new() -> Option<Self> {
        test_programs::programs(["gpg", "gpgconf"])?;
        let bench = Self { root: tempfile::tempdir().unwrap() };
        for folder in ["gpg", "web", "bin"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        fs::set_permissions(bench.path("gpg"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(bench.path("bin/curl"), CURL).unwrap();
        fs::set_permissions(bench.path("bin/curl"), fs::Permissions::from_mode(0o755)).unwrap();
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]);
        let done = gpg.arg("--homedir").arg(self.path("gpg")).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Makes a key and gives its fingerprint. `made` is a time as gpg writes it, `expire` how long it is good from then on.
    fn key(&self, owner: &str, made: &str, expire: &str) -> String {
        self.gpg(&["--faked-system-time", made, "--quick-generate-key", owner, "ed25519", "sign", expire]);
        let listed = self.gpg(&["--with-colons", "--list-keys", &format!("={owner}")]);
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// What the web has under this name.
    fn offer(&self, name: &str, keys: &[&str]) {
        fs::write(self.path("web").join(name), self.exported(keys)).unwrap();
    }

    /// One armored block for each key, one behind the other.
    fn exported(&self, keys: &[&str]) -> String {
        keys.iter().map(|key| self.gpg(&["--armor", "--export", key])).collect()
    }

    fn has(&self, name: &str, keys: &[&str]) {
        fs::create_dir_all(self.path("keyrings")).unwrap();
        fs::write(self.path("keyrings").join(name), self.exported(keys)).unwrap();
    }

    /// The primary keys that apt would trust.
    fn trusted(&self, name: &str) -> Vec<String> {
        let file = self.path("keyrings").join(name);
        if !file.exists() {
            return Vec::new();
        }
        let listed = self.gpg(&["--with-colons", "--show-keys", &file.to_string_lossy()]);
        listed
            .lines()
            .filter(|line| line.starts_with("fpr:"))
            .map(|line| line.split(':').nth(9).unwrap().to_owned())
            .collect()
    }

    fn fetched(&self) -> String {
        fs::read_to_string(self.path("fetched")).unwrap_or_default()
    }

    /// `keys` are file, name on the web, and fingerprints.
    fn install(&self, keys: &[(&str, &str, &str)]) -> Ended {
        fs::remove_file(self.path("fetched")).ok();
        let folder = self.path("keyrings");
        let lines =
            keys.iter().map(|(file, name, known)| format!("{}/{file} https://web/{name} {known}", folder.display()));
        let script = "set -Eeuo pipefail; source \"$0\"; install_signing_keys; echo \"changed: $keys_changed\"";
        let path = format!("{}:{}", self.path("bin").display(), std::env::var_os("PATH").unwrap().display());
        let mut bash = Command::new("bash");
        bash.args(["-c", script, FUNCTIONS]).env("SIGNING_KEYS", lines.collect::<Vec<_>>().join("\n"));
        bash.env("ROOT", self.root.path()).env("PATH", path).env("LC_ALL", "C");
        let done = bash.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(leftovers(&folder).is_empty(), "{:?}", leftovers(&folder));
        Ended { succeeded: done.status.success(), said: said.into_owned() }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // gpg leaves an agent behind for each home.
        Command::new("gpgconf").arg("--homedir").arg(self.path("gpg")).args(["--kill", "gpg-agent"]).output().ok();
    }
}

/// Files beside the keys themselves.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_none_or(|kind| kind != "asc")).collect()
}

#[test]
fn a_known_key_is_installed_once() {
    let Some(bench) = Bench::new() else { return };
    let key = bench.key("Good", "20200101T000000", "never");
    bench.offer("good", &[&key]);
    let first = bench.install(&[("repo.asc", "good", &format!("{},{key}", "0".repeat(40)))]);
    assert_eq!((first.succeeded, first.said.trim()), (true, "changed: yes"));
    assert_eq!(bench.trusted("repo.asc"), [key.as_str()]);
    let mode = fs::metadata(bench.path("keyrings/repo.asc")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "apt reads it as another user");
    let second = bench.install(&[("repo.asc", "good", &key)]);
    assert_eq!((second.succeeded, second.said.trim()), (true, "changed: no"));
    assert_eq!(bench.fetched(), "", "what is right is not fetched again");
}

#[test]
fn another_key_is_refused_with_what_was_found_and_what_is_known() {
    let Some(bench) = Bench::new() else { return };
    let (good, evil) = (bench.key("Good", "20200101T000000", "never"), bench.key("Evil", "20200101T000000", "never"));
    // In its place, beside it in either order, in a file that has both already, and in none of them.
    bench.offer("evil", &[&evil]);
    bench.offer("behind", &[&good, &evil]);
    bench.offer("before", &[&evil, &good]);
    fs::write(bench.path("web/together"), bench.gpg(&["--armor", "--export", &good, &evil])).unwrap();
    for name in ["evil", "behind", "before", "together"] {
        let ended = bench.install(&[("repo.asc", name, &good)]);
        assert!(!ended.succeeded, "{name}: {}", ended.said);
        for word in [format!("https://web/{name}"), evil.clone(), format!("known is {good}")] {
            assert!(ended.said.contains(&word), "{word} is not in: {}", ended.said);
        }
        assert_eq!(bench.trusted("repo.asc"), [""; 0], "{name}");
    }
}

/// What gpg passes over, apt might not: only what gpg has taken and judged is in the file that apt reads.
#[test]
fn nothing_but_the_key_gets_to_apt() {
    let Some(bench) = Bench::new() else { return };
    let (good, evil) = (bench.key("Good", "20200101T000000", "never"), bench.key("Evil", "20200101T000000", "never"));
    fs::write(bench.path("web/more"), bench.exported(&[&good]) + "and more\n").unwrap();
    let ended = bench.install(&[("repo.asc", "more", &good)]);
    assert!(ended.succeeded, "{}", ended.said);
    let file = fs::read_to_string(bench.path("keyrings/repo.asc")).unwrap();
    assert!(file.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") && !file.contains("and more"), "{file}");
    // Half a key behind a good one is no reason to take the good one.
    let half = bench.exported(&[&evil]);
    fs::write(bench.path("web/half"), bench.exported(&[&good]) + &half[..250]).unwrap();
    let ended = bench.install(&[("other.asc", "half", &good)]);
    assert!(!ended.succeeded && ended.said.contains("holds no OpenPGP key that gpg can read"), "{}", ended.said);
}

/// The key of one repository cannot vouch for another one.
#[test]
fn each_repository_has_its_own_keys() {
    let Some(bench) = Bench::new() else { return };
    let (one, two) = (bench.key("One", "20200101T000000", "never"), bench.key("Two", "20200101T000000", "never"));
    bench.offer("one", &[&one]);
    bench.offer("two", &[&two]);
    let right = bench.install(&[("one.asc", "one", &one), ("two.asc", "two", &two)]);
    assert!(right.succeeded, "{}", right.said);
    assert_eq!((bench.trusted("one.asc"), bench.trusted("two.asc")), (vec![one.clone()], vec![two.clone()]));
    assert!(!bench.install(&[("one.asc", "two", &two), ("other.asc", "two", &one)]).succeeded);
    assert_eq!(bench.trusted("other.asc"), [""; 0]);
}

/// Whatever put it there: a file on the host is judged like one from the web, each time before it is used.
#[test]
fn a_key_on_the_host_is_judged_again() {
    let Some(bench) = Bench::new() else { return };
    let (good, evil) = (bench.key("Good", "20200101T000000", "never"), bench.key("Evil", "20200101T000000", "never"));
    bench.offer("good", &[&good]);
    for present in [&[evil.as_str()][..], &[&good, &evil], &[]] {
        bench.has("repo.asc", present);
        let ended = bench.install(&[("repo.asc", "good", &good)]);
        assert_eq!((ended.succeeded, ended.said.trim()), (true, "changed: yes"), "{present:?}");
        assert_eq!(bench.trusted("repo.asc"), [good.as_str()]);
    }
    bench.has("repo.asc", &[&evil]);
    assert!(!bench.install(&[("repo.asc", "nowhere", &good)]).succeeded, "an unknown key was used");
}

/// Upstream prolongs keys under the same fingerprint.
#[test]
fn an_expired_key_is_fetched_again() {
    let Some(bench) = Bench::new() else { return };
    let key = bench.key("Good", "20200101T000000", "30d");
    bench.has("repo.asc", &[&key]);
    bench.offer("stale", &[&key]);
    let stale = bench.install(&[("repo.asc", "stale", &key)]);
    assert!(!stale.succeeded && stale.said.contains("is expired, and there is no newer one"), "{}", stale.said);
    let silent = bench.install(&[("repo.asc", "nowhere", &key)]);
    assert!(!silent.succeeded && silent.said.contains("cannot be fetched: curl: (22)"), "{}", silent.said);
    bench.gpg(&["--faked-system-time", "20200110T000000", "--quick-set-expire", &key, "50y"]);
    bench.offer("prolonged", &[&key]);
    let ended = bench.install(&[("repo.asc", "prolonged", &key)]);
    assert_eq!((ended.succeeded, ended.said.trim()), (true, "changed: yes"));
    assert!(bench.install(&[("repo.asc", "nowhere", &key)]).succeeded, "the prolonged one is not on the host");
}

/// A key that is good for some days more stops nothing, and is exchanged as soon as there is a better one.
#[test]
fn a_key_that_expires_soon_is_exchanged_when_it_can_be() {
    let Some(bench) = Bench::new() else { return };
    let now =
        String::from_utf8(Command::new("date").args(["--utc", "+%Y%m%dT%H%M%S"]).output().unwrap().stdout).unwrap();
    let key = bench.key("Good", now.trim(), "5d");
    bench.has("repo.asc", &[&key]);
    assert!(bench.install(&[("repo.asc", "nowhere", &key)]).succeeded);
    assert_eq!(bench.fetched(), "https://web/nowhere\n");
    bench.gpg(&["--quick-set-expire", &key, "1y"]);
    bench.offer("prolonged", &[&key]);
    assert_eq!(bench.install(&[("repo.asc", "prolonged", &key)]).said.trim(), "changed: yes");
    assert!(bench.install(&[("repo.asc", "nowhere", &key)]).succeeded);
    assert_eq!(bench.fetched(), "", "the prolonged one is not on the host");
    // A server that turns to another key is no reason to go on with the old one.
    let other = bench.key("Other", now.trim(), "5d");
    bench.has("repo.asc", &[&other]);
    assert!(!bench.install(&[("repo.asc", "prolonged", &other)]).succeeded);
}

#[test]
fn what_is_no_key_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let key = bench.key("Good", "20200101T000000", "never");
    fs::write(bench.path("web/page"), "<html>Welcome to the hotel</html>\n").unwrap();
    fs::write(bench.path("web/empty"), "").unwrap();
    fs::write(bench.path("web/cut"), &bench.exported(&[&key])[..120]).unwrap();
    for name in ["page", "empty", "cut"] {
        let ended = bench.install(&[("repo.asc", name, &key)]);
        assert!(!ended.succeeded && ended.said.contains("holds no OpenPGP key"), "{name}: {}", ended.said);
        assert_eq!(bench.trusted("repo.asc"), [""; 0]);
    }
}

#[test]
fn a_revoked_key_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let key = bench.key("Good", "20200101T000000", "never");
    bench.has("repo.asc", &[&key]);
    let revocation = bench.path(&format!("gpg/openpgp-revocs.d/{key}.rev"));
    let certificate = fs::read_to_string(&revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    fs::write(&revocation, certificate).unwrap();
    bench.gpg(&["--import", &revocation.to_string_lossy()]);
    bench.has("repo.asc", &[&key]);
    bench.offer("revoked", &[&key]);
    let ended = bench.install(&[("repo.asc", "revoked", &key)]);
    assert!(!ended.succeeded && ended.said.contains("is revoked"), "{}", ended.said);
}
