//! A host that carries somebody else's Kubernetes is refused before anything is changed, on it or on any other.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("foreign-host", programs)?;
    scenario.terraform.apply(&["-target=terraform_data.load_balancer_targets"])?.must_succeed()?;
    scenario.machine("worker-1").run(
        "mkdir -p /etc/kubernetes/manifests /var/lib/etcd/member && echo 'apiVersion: v1' > /etc/kubernetes/kubelet.conf",
    )?;
    scenario.apply_fails_with("worker-1 is refused: it runs Kubernetes that this provider did not install")?;
    for host in ["control-plane-1", "worker-1"] {
        let touched = scenario.machine(host).succeeds("test -e /etc/kubeone || dpkg -s kubelet")?;
        ensure!(!touched, "{host} was changed although the cluster was refused");
    }
    Ok(())
}
