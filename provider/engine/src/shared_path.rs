//! Which files one control plane may give to another, directly or in a bundle. Their paths are told by hosts and by bundles, so
//! they decide neither what root runs on a machine nor whom it lets in.

use std::path::Path;

/// Folders in which such files lie. The second is where guides that set Kubernetes up by hand keep theirs.
const FOLDERS: [&str; 2] = ["/etc/kubernetes/", "/var/lib/kubernetes/"];

/// What lies there and is not data: the kubelet runs what is in the first, and steps of ours and of kubeadm's go on from what
/// is in the others.
const RUN: [&str; 4] =
    ["/etc/kubernetes/manifests", "/etc/kubernetes/tmp", "/etc/kubernetes/kubeone-", "/etc/kubernetes/pki/kubeone-"];

/// Kubeconfigs name programs, and are made on each machine.
const KUBECONFIGS: [&str; 6] =
    ["admin", "super-admin", "kubelet", "bootstrap-kubelet", "controller-manager", "scheduler"];

/// Far longer than any that is meant.
const LONGEST: usize = 512;

/// A path at which no file is shared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {problem}", path.escape_debug())]
pub(crate) struct PathError {
    path: String,
    problem: &'static str,
}

/// The path as it is, where files may be shared.
pub(crate) fn shared_path(path: &str) -> Result<&Path, PathError> {
    let refused = |problem| Err(PathError { path: path.chars().take(LONGEST).collect(), problem });
    if path.len() > LONGEST || path.chars().any(|c| c.is_control() || c == '\\') {
        return refused("is not the path of a file of a control plane");
    }
    if path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return refused("is not written plainly: leave out `..`, `.` and `//`");
    }
    if !FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return refused(
            "does not lie below /etc/kubernetes or /var/lib/kubernetes, and only such files go from host to host",
        );
    }
    let below = |folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| folder.ends_with('-') || rest.is_empty() || rest.starts_with('/'))
    };
    let kubeconfig = path.strip_prefix(FOLDERS[0]).and_then(|name| name.split_once(".conf"));
    if RUN.into_iter().any(below) || kubeconfig.is_some_and(|(name, _)| KUBECONFIGS.contains(&name)) {
        return refused("is made on each host by itself and never comes from another one");
    }
    Ok(Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_control_planes_are_shared() {
        for path in [
            "/etc/kubernetes/pki/ca.key",
            "/etc/kubernetes/pki/etcd/ca.key",
            "/etc/kubernetes/secrets.yaml",
            "/etc/kubernetes/encryption-providers/custom.yaml",
            "/etc/kubernetes/webhook.conf",
            "/etc/kubernetes/manifests-of-mine/x",
            "/var/lib/kubernetes/encryption-config.yaml",
            "/etc/kubernetes/a b",
        ] {
            assert_eq!(shared_path(path), Ok(Path::new(path)));
        }
    }

    #[test]
    fn what_runs_and_what_lies_elsewhere_is_not() {
        let long = format!("/etc/kubernetes/{}", "x".repeat(LONGEST));
        for path in [
            "",
            "/",
            "etc/kubernetes/x",
            "/etc/kubernetes",
            "/etc/kubernetes/",
            "/etc/kubernetesx/y",
            "/etc/passwd",
            "/etc/kubernetes/../passwd",
            "/etc/kubernetes/x/../../../root/.ssh/authorized_keys",
            "/etc/kubernetes/./x",
            "/etc/kubernetes//x",
            "//etc/kubernetes/x",
            "/etc/kubernetes/x/",
            "/etc/kubernetes/a\nb",
            "/etc/kubernetes/a\0b",
            "/etc/kubernetes/manifests/evil.yaml",
            "/etc/kubernetes/manifests",
            "/etc/kubernetes/admin.conf",
            "/etc/kubernetes/kubelet.conf",
            "/etc/kubernetes/super-admin.conf",
            "/etc/kubernetes/kubelet.conf.new",
            "/etc/kubernetes/kubeone-upgrade/held/x.yaml",
            "/etc/kubernetes/tmp/x",
            "/etc/kubernetes/pki/kubeone-new/x",
            "/var/lib/kubelet/config.yaml",
            "/var/lib/etcd/member/x",
            "/root/.ssh/authorized_keys",
            "/etc/kubernetes/..\\x",
            &long,
        ] {
            let error = shared_path(path).expect_err(path);
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
