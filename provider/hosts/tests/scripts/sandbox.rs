//! A root of its own for a script, which sees nothing of this machine but its programs, and those read-only.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use async_trait::async_trait;
use kubeone_hosts::{Host, HostError, Os, Output, Script, ScriptFailure, Stream};
use tempfile::TempDir;

use crate::mutant::{mutated, note_use};

/// Where the script itself begins to print.
const STARTED: &str = "kubeone: script started\n";

/// No script of a test takes that long, even on a machine that is busy with builds, but one with a fault in it may never end.
const SECONDS_AT_MOST: &str = "90";

/// Programs that would reach beyond the sandbox or fail in it. Without a stand-in from the test a call is an error.
const STRICT: &[&str] = &[
    "apt-get",
    "apt-mark",
    "ctr",
    "curl",
    "dpkg",
    "dpkg-query",
    "gpg",
    "ip",
    "ip6tables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-nft-restore",
    "ip6tables-nft-save",
    "ip6tables-restore",
    "ip6tables-save",
    "ipset",
    "iptables-legacy-restore",
    "iptables-legacy-save",
    "iptables-nft-restore",
    "iptables-nft-save",
    "iptables-restore",
    "iptables-save",
    "journalctl",
    "kubeadm",
    "kubectl",
    "modprobe",
    "pkill",
    "swapoff",
    "swapon",
    "sysctl",
    "systemctl",
    "systemd-run",
];

/// `sleep` returns nearly at once.
const QUICK: &str = "sleep() { command sleep 0.01; }; ";
/// With each `sleep` ten seconds pass, so that patience comes to its end.
const FAST: &str = "sleep() { command sleep 0.01; SECONDS=$((SECONDS + 10)); }; ";

/// What a script answers that was cut off.
pub(crate) const CUT_OFF: i32 = 99;

pub(crate) struct Sandbox {
    folder: TempDir,
    clock: Mutex<&'static str>,
    commands_left: AtomicUsize,
    volumes: AtomicU32,
}

/// What became of a script.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// What it printed, and an end of the test unless it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// What it complained of, and an end of the test unless it failed.
    #[track_caller]
    pub(crate) fn fails(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "{self:#?}");
        self.stderr
    }
}

/// A script as a Debian host gets it.
pub(crate) fn script(name: &str) -> Script {
    Os::lookup("debian", "").unwrap().script(name).unwrap()
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let sandbox =
            Self { folder, clock: Mutex::new(QUICK), commands_left: AtomicUsize::new(0), volumes: AtomicU32::new(0) };
        for path in [
            "dev",
            "etc",
            "fakes/bin",
            "opt",
            "proc",
            "root",
            "run",
            "sys/fs/cgroup",
            "tmp",
            "usr",
            "var/backups",
            "var/lib",
            "var/log",
        ] {
            fs::create_dir_all(sandbox.path(path)).unwrap();
        }
        for name in ["bin", "lib", "lib32", "lib64", "sbin"] {
            if Path::new("/usr").join(name).exists() {
                symlink(format!("usr/{name}"), sandbox.path(name)).unwrap();
            }
        }
        for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
            symlink(format!("/proc/self/fd{target}"), sandbox.path("dev").join(name)).unwrap();
        }
        for device in ["null", "zero", "full", "random", "urandom"] {
            sandbox.file(&format!("/dev/{device}"), "");
        }
        symlink("../run", sandbox.path("var/run")).unwrap();
        sandbox.file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n").file("/etc/group", "root:x:0:\n");
        // On Debian it is found by way of /etc.
        symlink(fs::canonicalize("/usr/bin/awk").unwrap(), sandbox.path("fakes/bin/awk")).unwrap();
        for name in STRICT {
            sandbox.fake(name, "unexpected");
        }
        sandbox.file("/fakes/calls", "");
        fs::create_dir(sandbox.folder.path().join("volumes")).unwrap();
        fs::write(sandbox.folder.path().join("mounts"), "").unwrap();
        sandbox
    }

    /// Where a path of the sandbox lies on this machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn file(&self, path: &str, content: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// The content of a file; `None` when there is none.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Permissions in the way `chmod` names them.
    pub(crate) fn mode(&self, path: &str) -> String {
        format!("{:o}", self.path(path).metadata().unwrap().permissions().mode() & 0o7777)
    }

    /// All below a folder, sorted; folders end in `/`.
    pub(crate) fn tree(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        below(&self.path(folder), "", &mut found);
        found.sort();
        found
    }

    /// Lets `lines` of bash stand in for a program. They find its arguments, and may say `unexpected` or `record_stdin`.
    pub(crate) fn fake(&self, program: &str, lines: &str) -> &Self {
        let path = self.path("fakes/bin").join(program);
        let text = format!("{}{lines}\n", include_str!("fake.sh"));
        // Not written in place: another thread's child may hold the file open.
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Records how a program is called, and runs it.
    pub(crate) fn watch(&self, program: &str) -> &Self {
        self.fake(program, &format!("exec /usr/bin/{program} \"$@\""))
    }

    /// A file system of its own at this path. Answers where its content lies on this machine.
    pub(crate) fn volume(&self, target: &str) -> PathBuf {
        let number = self.volumes.fetch_add(1, Ordering::Relaxed);
        let content = self.folder.path().join(format!("volumes/{number}"));
        fs::create_dir(&content).unwrap();
        let mut mounts = OpenOptions::new().append(true).open(self.folder.path().join("mounts")).unwrap();
        writeln!(mounts, "{number} {target}").unwrap();
        content
    }

    /// From now on time passes fast in scripts that wait.
    pub(crate) fn fast_clock(&self) -> &Self {
        *self.clock.lock().unwrap() = FAST;
        self
    }

    /// The next script is cut off as it is about to run this command of its own, counted from 1.
    pub(crate) fn cut_off_at(&self, command: usize) -> &Self {
        self.commands_left.store(command, Ordering::Relaxed);
        self
    }

    /// The calls of stand-ins, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.read("/fakes/calls").unwrap().lines().map(str::to_owned).collect()
    }

    /// The same for one program, without its name; what was called before is forgotten.
    pub(crate) fn calls_of(&self, program: &str) -> Vec<String> {
        let calls = self.calls();
        calls.iter().filter_map(|call| Some(call.strip_prefix(program)?.strip_prefix(' ')?.to_owned())).collect()
    }

    pub(crate) fn forget_calls(&self) -> &Self {
        self.file("/fakes/calls", "")
    }

    /// Runs a script to its end.
    #[track_caller]
    pub(crate) fn run(&self, script: &Script) -> Run {
        let mut text = self.clock.lock().unwrap().as_bytes().to_vec();
        let mut rendered = script.render().unwrap().into_inner();
        note_use(&rendered);
        let commands = self.commands_left.swap(0, Ordering::Relaxed);
        if commands > 0 {
            let cut = format!("[[ $BASHPID != $$ ]] || ((++commands_run < {commands})) || exit {CUT_OFF}");
            let begin = "set -Eeuo pipefail\n";
            let with_cut = format!("{begin}commands_run=0; set -T; trap '{cut}' DEBUG\n");
            rendered = String::from_utf8(rendered).unwrap().replacen(begin, &with_cut, 1).into_bytes();
        }
        text.extend(mutated(rendered));
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", SECONDS_AT_MOST, "unshare"]);
        if self.folder.path().metadata().unwrap().uid() != 0 {
            command.arg("--map-root-user");
        }
        command
            .args(["--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--net"])
            .args(["bash", "-c", include_str!("enter.sh"), "enter"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that cannot enter its root does not read it; what it says instead is shown below.
        let _ = child.stdin.take().unwrap().write_all(&text);
        let done = child.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let (Some((_, stdout)), Some((_, stderr))) = (stdout.split_once(STARTED), stderr.split_once(STARTED)) else {
            panic!(
                "a root of its own for a script needs root, or user namespaces for all users: see the sysctl settings \
                 kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns\n{stderr}"
            );
        };
        let run = Run { code: done.status.code(), stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        let unexpected: Vec<_> = self.calls().into_iter().filter(|call| call.starts_with("unexpected: ")).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}\n{run:#?}");
        run
    }
}

/// For what the library itself does with scripts: files and units.
#[async_trait]
impl Host for Sandbox {
    fn name(&self) -> &'static str {
        "cp-1"
    }

    fn host_key(&self) -> Option<String> {
        None
    }

    async fn run(&self, script: &Script) -> Result<Output, HostError> {
        let Run { code, stdout, stderr } = Sandbox::run(self, script);
        if code == Some(0) {
            return Ok(Output { stdout, stderr });
        }
        Err(HostError::Script(Box::new(ScriptFailure {
            host: self.name().to_owned(),
            script: script.name().to_owned(),
            line: None,
            exit_code: code.map(i32::cast_unsigned),
            signal: None,
            last_lines: stderr.lines().map(str::to_owned).collect(),
        })))
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError> {
        panic!("no script opens a tunnel, to {address}:{port} neither")
    }
}

fn below(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() && !path.is_symlink() {
            below(&path, &format!("{name}/"), found);
            found.push(format!("{name}/"));
        } else {
            found.push(name);
        }
    }
}
