//! The new version of a component does not get well on the only control plane: the manifests before are put back, the
//! cluster goes on with the version it had, and the next apply upgrades it once the reason is gone.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Context as _, Result, ensure};

use crate::upgrade::everything_runs;

const HOST: &str = "control-plane-1";
const FROM: &str = "1.35.4";
const NEXT: &str = "1.35.5";
const IMAGE: &str = "registry.k8s.io/kube-scheduler:v1.35.5";
const MANIFESTS: &str = "sha256sum /etc/kubernetes/manifests/*";

/// What is there by name is not pulled, and this has no scheduler in it.
const WRONG_IMAGE: &str = r#"
    pause=$(ctr --namespace k8s.io images list --quiet | grep --max-count 1 '/pause:')
    ctr --namespace k8s.io images tag "$pause" registry.k8s.io/kube-scheduler:v1.35.5
"#;

/// The processes themselves say their version, whatever the API still shows of earlier pods. Nothing of the exchange is left.
const RUN_AS_BEFORE: &str = r#"
    set -euo pipefail
    for name in kube-apiserver kube-controller kube-scheduler; do
      pid=$(pgrep --exact "$name")
      version=$("/proc/$pid/exe" --version)
      [[ $version == 'Kubernetes v1.35.4' ]] || { echo "$name is $version"; exit 1; }
    done
    for url in 127.0.0.1:10257/healthz 127.0.0.1:10259/healthz 127.0.0.1:6443/readyz; do
      curl --silent --show-error --fail --insecure --max-time 3 --output /dev/null "https://$url"
    done
    [[ ! -e /etc/kubernetes/kubeone-upgrade/held && ! -e /etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf ]]
"#;

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("upgrade-rolled-back", programs)?;
    scenario.prepare_kubernetes(&[FROM, NEXT])?;
    scenario.terraform.set_variable("workers", "0");
    scenario.apply()?;
    let before = scenario.machine(HOST).run(MANIFESTS)?;

    scenario.machine(HOST).run(&format!("set -euo pipefail{WRONG_IMAGE}"))?;
    scenario.set_kubernetes_version(NEXT)?;
    let run = scenario.apply_fails_with("control-plane-1: upgrade control plane to Kubernetes 1.35.5")?;
    for words in ["kube-scheduler runs: not within", "the old manifests are put back"] {
        run.must_fail_with(words)?;
    }
    ensure!(!run.told().contains("not well either"), "the old components did not get well: {}", run.told());
    eprintln!("        an upgrade that fails, and the way back: {:.1} s", run.duration.as_secs_f64());

    let machine = scenario.machine(HOST);
    let now = machine.run(MANIFESTS)?;
    ensure!(now == before, "the manifests were\n{before}and are\n{now}");
    machine.run(RUN_AS_BEFORE).context("not all runs as before")?;
    scenario.all_hosts_are_ready_nodes()?;
    scenario.only_cordoned(&[])?;
    let kubelet = scenario.kubectl("get nodes --output jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'")?;
    ensure!(kubelet == "v1.35.4", "the kubelet runs {kubelet}");

    machine.run(&format!("ctr --namespace k8s.io images remove {IMAGE}"))?;
    scenario.apply()?;
    everything_runs(&scenario, NEXT)?;
    scenario.only_cordoned(&[])
}
