//! What was done to a host: to show that a host nobody had a reason to touch was not touched.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::Machine;

/// Files with their times, packages with their versions, and when what runs was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    host: String,
    entries: BTreeMap<String, String>,
}

/// Everything a cluster consists of on a host. Certificates that kubelet renews by itself are not among it.
const LOOK: &str = r#"
find /etc/kubernetes /etc/kubeone /etc/containerd /etc/crictl.yaml /etc/sysctl.d /etc/modules-load.d \
  /etc/systemd/system /etc/apt/sources.list.d /etc/apt/keyrings /var/lib/kubelet/config.yaml \
  /var/lib/kubelet/kubeadm-flags.env -type f -printf '%p\t%i %T@ %m %u\n' 2>/dev/null
dpkg-query --show --showformat 'package ${Package}\t${Version} ${db:Status-Status}\n'
for unit in kubelet containerd; do
  printf 'unit %s\t%s\n' "$unit" "$(systemctl show --property InvocationID --value "$unit")"
done
# The first process, and the components of a control plane: who they are and when they were started.
for pid in 1 $(pgrep --exact 'etcd|kube-apiserver|kube-controller|kube-scheduler'); do
  printf 'process %s\t%s\n' "$(cat "/proc/$pid/comm")" "$pid $(cut --delimiter ' ' --fields 22 "/proc/$pid/stat")"
done
"#;

impl Machine<'_> {
    /// What there is now.
    pub fn traces(&self) -> Result<Traces> {
        let text = self.run(LOOK)?;
        let entries: BTreeMap<_, _> = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(what, how)| (what.to_owned(), how.to_owned()))
            .collect();
        ensure!(entries.contains_key("process systemd"), "`{}` tells nothing about itself: {text}", self.name());
        Ok(Traces { host: self.name().to_owned(), entries })
    }

    /// Passes when nothing was changed, installed, started or stopped since then.
    pub fn must_be_untouched_since(&self, before: &Traces) -> Result<()> {
        let changes = before.changes_to(&self.traces()?);
        ensure!(changes.is_empty(), "`{}` was touched: {}", self.name(), changes.join(", "));
        Ok(())
    }
}

impl Traces {
    /// What is different, in words.
    pub fn changes_to(&self, after: &Self) -> Vec<String> {
        let all: std::collections::BTreeSet<_> = self.entries.keys().chain(after.entries.keys()).collect();
        all.into_iter()
            .filter_map(|what| match (self.entries.get(what), after.entries.get(what)) {
                (Some(_), None) => Some(format!("{what} is gone")),
                (None, Some(_)) => Some(format!("{what} is new")),
                (before, now) => (before != now).then(|| format!("{what} has changed")),
            })
            .collect()
    }

    /// How a file or package was, for a closer look.
    pub fn entry(&self, what: &str) -> Result<&str> {
        self.entries.get(what).map(String::as_str).with_context(|| format!("`{}` has no {what}", self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(entries: &[(&str, &str)]) -> Traces {
        let entries = entries.iter().map(|(what, how)| ((*what).to_owned(), (*how).to_owned())).collect();
        Traces { host: "worker-1".to_owned(), entries }
    }

    #[test]
    fn differences_are_told_in_words() {
        let before = traces(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = traces(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(before.changes_to(&after), ["b has changed", "c is gone", "d is new"]);
        assert!(before.changes_to(&before).is_empty());
    }
}
