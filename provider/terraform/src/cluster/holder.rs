//! Who works on a cluster, for the lock that others find on its hosts, and whether such a somebody still lives.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use kubeone_engine::Holder;

/// Two clusters of one process are two holders.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// This process, about to do `what`.
pub(super) fn this(user: Option<&str>, what: &str) -> Holder {
    let (pid, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let machine = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "a machine without a name".to_owned());
    let user = user.unwrap_or("somebody");
    Holder {
        id: format!("{machine} {pid} {number} {}", Timestamp::now().as_nanosecond()),
        process: identity(pid).unwrap_or_default(),
        who: format!("{user} on {machine} (process {pid}, {what})"),
    }
}

/// Whether a process ran on this very machine and is gone. Of processes elsewhere nothing is known.
pub(super) fn is_dead(process: &str) -> bool {
    let [boot, namespace, pid, _] = process.split(' ').collect::<Vec<_>>()[..] else { return false };
    let here = place().is_some_and(|place| place == (boot.to_owned(), namespace.to_owned()));
    here && pid.parse().is_ok_and(|pid| match identity(pid) {
        Some(now) => now != process,
        None => is_gone(Path::new("/proc"), pid),
    })
}

/// Whether there is no such process. Where the processes of other users are hidden (`hidepid`), the first one is too, and
/// nothing is known.
fn is_gone(proc: &Path, pid: u32) -> bool {
    let stat = |pid: u32| std::fs::read(proc.join(pid.to_string()).join("stat"));
    stat(1).is_ok() && stat(pid).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// What no other process has, not even one that gets the same number later. Only where the kernel tells.
fn identity(pid: u32) -> Option<String> {
    let (boot, namespace) = place()?;
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may hold anything. The 20th value after it is the time of its start.
    let began = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.to_owned();
    Some(format!("{boot} {namespace} {pid} {began}"))
}

/// This boot of this machine, and the view on its processes: containers on one machine do not see each other's.
fn place() -> Option<(String, String)> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::read_link(Path::new("/proc/self/ns/pid")).ok()?;
    Some((boot, namespace.to_string_lossy().into_owned()))
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_holders_are_equal() {
        let (first, second) = (this(Some("ann"), "create"), this(Some("ann"), "create"));
        assert_ne!(first.id, second.id);
        assert!(first.who.starts_with("ann on "), "{}", first.who);
        assert!(first.who.ends_with(", create)"), "{}", first.who);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_living_and_the_dead_are_told_apart() {
        let me = identity(std::process::id()).unwrap();
        assert!(!is_dead(&me));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let childs = identity(child.id()).unwrap();
        child.wait().unwrap();
        assert!(is_dead(&childs));
        // The same number, begun at another time.
        let (head, _) = me.rsplit_once(' ').unwrap();
        assert!(is_dead(&format!("{head} 1")));
    }

    #[test]
    fn a_process_that_is_hidden_is_not_dead() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("7")).unwrap();
        std::fs::write(proc.path().join("7/stat"), "7 (me)").unwrap();
        assert!(!is_gone(proc.path(), 8), "not even the first process can be seen");
        std::fs::create_dir(proc.path().join("1")).unwrap();
        std::fs::write(proc.path().join("1/stat"), "1 (init)").unwrap();
        assert!(is_gone(proc.path(), 8));
        assert!(!is_gone(proc.path(), 7));
    }

    #[test]
    fn nothing_is_known_of_other_machines() {
        assert!(!is_dead("another-boot pid:[1] 4000000 1"));
        assert!(!is_dead(""));
    }
}
