//! What a cluster leaves on a host when it goes: nothing.

use anyhow::{Result, ensure};

use super::Machine;

/// Tells whatever of a cluster is on the host.
const LOOK: &str = r#"
for path in /etc/kubernetes /etc/kubeone /var/lib/etcd/member /var/lib/kubelet/config.yaml /etc/cni/net.d \
  /var/lib/cni /run/kubeone /run/kubeone.lock /etc/sysctl.d/99-kubeone.conf /etc/apt/sources.list.d/kubeone.sources \
  /etc/systemd/system/kubelet.service.d; do
  if [ -d "$path" ]; then
    [ -z "$(ls -A "$path")" ] || echo "$path holds $(ls -A "$path" | tr '\n' ' ')"
  elif [ -e "$path" ]; then
    echo "$path"
  fi
done
iptables-save 2>/dev/null | grep -E '^:(KUBE|cali|FLANNEL|CNI)' || true
nft list tables 2>/dev/null | grep -E 'kube|cali' || true
ip -brief link | grep -E '^(flannel|cni0|cali)' || true
dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' kubelet kubeadm kubectl containerd.io 2>/dev/null |
  grep ' installed' || true
pgrep --list-full 'kube|etcd|containerd' || true
"#;

impl Machine<'_> {
    /// Passes when the host is as if there had never been a cluster.
    pub fn must_have_no_trace(&self) -> Result<()> {
        let traces = self.run(LOOK)?;
        ensure!(traces.trim().is_empty(), "traces of the cluster on {}:\n{traces}", self.name());
        Ok(())
    }
}
