//! What somebody changed by hand is seen by the next plan and put right by the next apply, with the API or without it.

use std::time::{Duration, Instant};

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Context, Result, bail, ensure};

use crate::certificates::make_certificates_end_within;
use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const CONTROL_PLANE: &str = "control-plane-1";
const WORKER: &str = "worker-1";

/// Several things at once on one control plane and one worker.
pub(crate) fn drift(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("drift-repaired", programs)?;
    scenario.apply()?;
    let manifest = "/etc/kubernetes/manifests/kube-scheduler.yaml";
    let before = scenario.machine(CONTROL_PLANE).run(&format!("cat {manifest}"))?;

    scenario.machine(CONTROL_PLANE).run(&format!("sed -i 's/- kube-scheduler$/&\\n    - --v=1/' {manifest}"))?;
    scenario.machine(WORKER).run(
        "systemctl disable --now kubelet
         echo 'maxPods: 7' >>/var/lib/kubelet/config.yaml",
    )?;
    let steps = planned_steps(&mut scenario)?;
    for words in [
        "control-plane-1: repair control plane (restore /etc/kubernetes/manifests/kube-scheduler.yaml)",
        "restore /var/lib/kubelet/config.yaml",
        "start kubelet",
    ] {
        ensure!(steps.contains(words), "the plan does not say `{words}`: {steps}");
    }
    apply(&mut scenario, "an edited manifest, an edited kubelet configuration and a stopped kubelet")?;
    let after = scenario.machine(CONTROL_PLANE).run(&format!("cat {manifest}"))?;
    ensure!(after == before, "the manifest is\n{after}");
    scenario.machine(WORKER).run("systemctl is-enabled kubelet && ! grep maxPods /var/lib/kubelet/config.yaml")?;

    scenario.kubectl("delete node control-plane-1 worker-1")?;
    let steps = planned_steps(&mut scenario)?;
    ensure!(steps.contains("control-plane-1: repair control plane (register Node)"), "{steps}");
    ensure!(steps.contains("worker-1: join worker (its Node is missing)"), "{steps}");
    apply(&mut scenario, "two Nodes deleted")?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, WORKER])?;
    let taints = scenario.kubectl("get node control-plane-1 --output jsonpath='{.spec.taints[*].key}'")?;
    ensure!(taints.contains("node-role.kubernetes.io/control-plane"), "its taints are `{taints}`");
    kubernetes::pods_reach_each_other(&scenario, 2)
}

/// Objects in the cluster are edited and deleted, those of an addon and those of kubeadm. What somebody adds beside ours
/// stays, and is no difference.
pub(crate) fn objects(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("objects-repaired", programs)?;
    scenario.apply()?;
    let settings = "--namespace kube-system get configmap canal-config --output jsonpath={.data.cni_network_config}";
    let before = scenario.kubectl(settings)?;

    scenario.kubectl("--namespace kube-system annotate daemonset canal example.com/owner=ann")?;
    scenario.kubectl("--namespace kube-system label configmap canal-config example.com/owner=ann")?;
    scenario.plan()?.must_be_empty().context("what is added beside ours is a difference")?;

    let patch =
        "--namespace kube-system patch configmap canal-config --patch '{\"data\":{\"cni_network_config\":\"\"}}'";
    scenario.kubectl(patch)?;
    scenario.kubectl("--namespace kube-system delete serviceaccount calico-cni-plugin")?;
    scenario.kubectl("--namespace kube-system delete daemonset canal kube-proxy")?;
    scenario.kubectl("--namespace kube-system delete deployment coredns")?;
    let steps = planned_steps(&mut scenario)?;
    for words in [
        "cluster: recreate DaemonSet kube-system/kube-proxy, Deployment kube-system/coredns",
        "cluster: apply addon canal (",
        "ConfigMap kube-system/canal-config was edited",
        "DaemonSet kube-system/canal is gone",
        "ServiceAccount kube-system/calico-cni-plugin is gone",
    ] {
        ensure!(steps.contains(words), "the plan does not say `{words}`: {steps}");
    }
    apply(&mut scenario, "objects edited and deleted")?;
    let after = scenario.kubectl(settings)?;
    ensure!(after == before && !after.is_empty(), "the settings are {after}, and were {before}");
    let label = "--namespace kube-system get configmap canal-config --output jsonpath={.metadata.labels}";
    ensure!(scenario.kubectl(label)?.contains("ann"), "a label of somebody else's is gone");
    for workload in ["daemonset/canal", "daemonset/kube-proxy", "deployment/coredns"] {
        scenario.kubectl(&format!("--namespace kube-system rollout status {workload} --timeout 180s"))?;
    }
    kubernetes::pods_reach_each_other(&scenario, 2)
}

/// Somebody upgrades the packages of a worker by hand, and on another one takes the kubelet away.
pub(crate) fn packages(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("packages-repaired", programs)?;
    scenario.prepare_kubernetes(&["1.35.4", "1.35.5"])?;
    scenario.terraform.set_variable("workers", "2");
    refused_through_an_unknown_key(&mut scenario)?;
    scenario.apply()?;
    let apt = "export DEBIAN_FRONTEND=noninteractive; apt-get --quiet --quiet --yes --allow-change-held-packages";
    scenario
        .machine(WORKER)
        .run(&format!("{apt} install 'kubelet=1.35.5-*' 'kubeadm=1.35.5-*' && systemctl restart kubelet"))?;
    scenario.machine("worker-2").run(&format!("{apt} remove kubelet"))?;
    scenario.machine(CONTROL_PLANE).wait_until(
        "the Node to report the newer kubelet",
        Duration::from_mins(1),
        "kubectl --kubeconfig /etc/kubernetes/admin.conf get node worker-1 --output wide | grep --quiet v1.35.5",
    )?;
    let steps = planned_steps(&mut scenario)?;
    for words in [
        "worker-1: prepare worker for Kubernetes 1.35.4 (kubelet is 1.35.5, kubeadm is 1.35.5)",
        "worker-2: prepare worker for Kubernetes 1.35.4 (kubelet is missing)",
    ] {
        ensure!(steps.contains(words), "the plan does not say `{words}`: {steps}");
    }
    apply(&mut scenario, "packages exchanged and removed")?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, WORKER, "worker-2"])?;
    let versions = "get nodes --output jsonpath={.items[*].status.nodeInfo.kubeletVersion}";
    let versions = scenario.kubectl(versions)?;
    ensure!(versions == "v1.35.4 v1.35.4 v1.35.4", "the kubelets are {versions}");
    kubernetes::pods_reach_each_other(&scenario, 3)?;

    // What a power cut leaves of a program.
    scenario.machine(WORKER).run(": >/usr/bin/kubectl")?;
    let steps = planned_steps(&mut scenario)?;
    let damage = "worker-1: prepare worker for Kubernetes 1.35.4 (/usr/bin/kubectl is damaged)";
    ensure!(steps.contains(damage), "the plan does not say `{damage}`: {steps}");
    apply(&mut scenario, "a program of zero bytes")?;
    scenario.machine(WORKER).run("kubectl version --client && ! dpkg --verify kubectl | grep .").map(drop)
}

/// Where stand-ins sign the packages, the provider knows their key only from the settings.
fn refused_through_an_unknown_key(scenario: &mut Scenario) -> Result<()> {
    scenario.terraform.apply(&["-target=terraform_data.load_balancer_targets"])?.must_succeed()?;
    let balancer = std::fs::read_to_string(scenario.terraform.folder().join(".lab/load-balancer.json"))?;
    let balancer: serde_json::Value = serde_json::from_str(&balancer)?;
    let Some(key) = balancer["package_signing_keys"][0].as_str() else { return Ok(()) };
    let without = "resource \"kubeone_cluster\" \"this\" {\n  packages = {}\n}\n";
    scenario.terraform.write("key_override.tf", without)?;
    let run = scenario.apply_fails_with("is not a known one")?;
    run.must_fail_with(&format!("found {key}"))?;
    scenario.state()?.must_not_have(CLUSTER)?;
    for host in [CONTROL_PLANE, WORKER] {
        let installed = scenario.machine(host).succeeds("dpkg --status kubelet || ls /etc/apt/keyrings/kubeone-*")?;
        ensure!(!installed, "packages came to {host} through a key that is not known");
    }
    scenario.terraform.write("key_override.tf", "")
}

/// The only control plane is down in several ways; then its certificates have ended, all of them.
pub(crate) fn api_down(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("api-down", programs)?;
    scenario.apply()?;
    scenario.machine(CONTROL_PLANE).run(
        "systemctl stop kubelet
         rm /etc/kubernetes/manifests/etcd.yaml
         for task in $(ctr --namespace k8s.io tasks list --quiet); do
           ctr --namespace k8s.io tasks kill --signal SIGKILL $task || true
         done",
    )?;
    let steps = planned_steps(&mut scenario)?;
    ensure!(
        steps.contains("repair control plane (start kubelet, restore /etc/kubernetes/manifests/etcd.yaml)"),
        "{steps}"
    );
    ensure!(steps.contains("cluster: wait until the Kubernetes API answers"), "{steps}");
    apply(&mut scenario, "kubelet stopped, etcd gone")?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, WORKER])?;

    let began = Instant::now();
    make_certificates_end_within(&scenario, CONTROL_PLANE, "1m0s")?;
    make_kubelet_certificate_end(&scenario)?;
    while began.elapsed() < Duration::from_secs(65) {
        std::thread::sleep(Duration::from_secs(1));
    }
    // So that everything has to live with what has ended.
    scenario.machine(CONTROL_PLANE).run(
        "for task in $(ctr --namespace k8s.io tasks list --quiet); do
           ctr --namespace k8s.io tasks kill --signal SIGKILL $task || true
         done",
    )?;
    let steps = planned_steps(&mut scenario)?;
    ensure!(steps.contains("control-plane-1: renew certificates (") && steps.contains("expired on"), "{steps}");
    ensure!(steps.contains("renew kubelet certificate"), "{steps}");
    apply(&mut scenario, "all certificates ended")?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, WORKER])?;
    kubernetes::pods_reach_each_other(&scenario, 2)
}

/// Gives the worker's kubelet a certificate that ends in a minute, which it has no time to renew.
fn make_kubelet_certificate_end(scenario: &Scenario) -> Result<()> {
    let kubeconfig = scenario.machine(CONTROL_PLANE).run(
        "kubeadm kubeconfig user --client-name system:node:worker-1 --org system:nodes --validity-period 1m 2>/dev/null",
    )?;
    scenario.machine(WORKER).run(&format!(
        "systemctl stop kubelet
         field() {{ sed -n \"s/^ *$1: //p\" | base64 --decode; }}
         pem=/var/lib/kubelet/pki/short.pem
         field client-certificate-data >$pem <<'END'\n{kubeconfig}\nEND
         field client-key-data >>$pem <<'END'\n{kubeconfig}\nEND
         ln --symbolic --force --no-dereference $pem /var/lib/kubelet/pki/kubelet-client-current.pem"
    ))?;
    Ok(())
}

fn planned_steps(scenario: &mut Scenario) -> Result<String> {
    match scenario.plan()?.attribute(CLUSTER, "/planned_steps")? {
        Attribute::Known(steps) => Ok(steps.to_string()),
        other => bail!("the plan shows the steps as {other:?}"),
    }
}

fn apply(scenario: &mut Scenario, what: &str) -> Result<()> {
    let began = Instant::now();
    scenario.apply()?;
    eprintln!("{what}: repaired, and a second plan is empty, in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
