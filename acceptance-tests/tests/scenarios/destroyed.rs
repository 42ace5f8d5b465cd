//! All the ways in which a destroy can go: refused, with a host that does not answer, on hosts that are bare already, and
//! once more.

use acceptance_tests::scenario::{Programs, Scenario, make_ssh_key};
use anyhow::{Context, Result, ensure};

const CLUSTER: &str = "kubeone_cluster.this";
const TARGET: &str = "-target=kubeone_cluster.this";
const KEY_OVERRIDE: &str = "key_override.tf";
const PROTECTED: &str = "{ protection = false }";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("destroyed", programs)?;
    scenario.terraform.set_variable("workers", "2");
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    ensure!(main.contains(PROTECTED), "the example has another form now");
    let deletion =
        |scenario: &Scenario, deletion: &str| scenario.terraform.write("main.tf", &main.replace(PROTECTED, deletion));

    // Without a word about it a cluster is protected, and the plan says so.
    deletion(&scenario, "{}")?;
    scenario.apply()?;
    let run = scenario.terraform.plan_run(&["-destroy"])?;
    run.must_fail_with("cluster `local` is protected against deletion")?;
    let nodes = scenario.kubectl("get nodes --no-headers --output name")?;
    ensure!(nodes.lines().count() == 3, "after a refused destroy the nodes are {nodes}");

    // One that does not answer is a reason to stop before anything is done, for those who say so.
    deletion(&scenario, "{ protection = false, unreachable_hosts = \"fail\", remove_packages = false }")?;
    scenario.apply()?;
    scenario.machine("worker-2").plug(false)?;
    let before = scenario.machine("worker-1").traces()?;
    let run = scenario.terraform.destroy(&[TARGET])?;
    run.must_fail_with("worker-2 cannot be reached")?;
    scenario.machine("worker-1").must_be_untouched_since(&before)?;
    ensure!(scenario.state()?.addresses().contains(&CLUSTER), "the state forgot a cluster that is there");

    // For all others it is a warning. Packages stay where they are wanted.
    deletion(&scenario, "{ protection = false, remove_packages = false }")?;
    scenario.apply()?;
    with_another_key(&mut scenario)?;
    let state = scenario.terraform.folder().join("terraform.tfstate");
    let saved = std::fs::read_to_string(&state)?;
    let run = scenario.terraform.destroy(&[TARGET])?;
    run.must_succeed()?;
    let warned = run.diagnostics.iter().any(|it| it.severity == "warning" && it.summary.contains("worker-2"));
    ensure!(warned, "nobody was told that worker-2 was left out: {:#?}", run.diagnostics);
    scenario.state()?.must_not_have(CLUSTER)?;
    for name in ["control-plane-1", "worker-1"] {
        scenario
            .machine(name)
            .run("dpkg --status kubelet >/dev/null && [[ ! -e /etc/kubernetes && ! -e /etc/kubeone ]]")?;
    }
    scenario.machine("worker-2").run("test -e /etc/kubernetes/kubelet.conf")?;

    // What is gone can be destroyed once more, also where the state still has it: the hosts are looked at, and that is all.
    scenario.terraform.destroy(&[TARGET])?.must_succeed()?;
    std::fs::write(&state, saved)?;
    ensure!(scenario.state()?.addresses().contains(&CLUSTER), "the saved state has no cluster");
    let bare = ["control-plane-1", "worker-1"];
    let before = bare.map(|name| (scenario.machine(name).traces(), scenario.machine(name).ssh_logins()));
    scenario.terraform.destroy(&[TARGET])?.must_succeed()?;
    scenario.state()?.must_not_have(CLUSTER)?;
    for (name, (traces, logins)) in bare.into_iter().zip(before) {
        let machine = scenario.machine(name);
        let journal = || machine.run("journalctl --unit=containerd --lines=40 --no-pager").unwrap_or_default();
        machine.must_be_untouched_since(&traces?).with_context(journal)?;
        ensure!(machine.ssh_logins()? > logins?, "nobody looked at {name}");
    }

    // Somebody else was faster: hosts that are bare already are as they should be.
    scenario.machine("worker-2").plug(true)?;
    scenario.terraform.set_variable("workers", "1");
    deletion(&scenario, PROTECTED)?;
    scenario.apply()?;
    for name in ["control-plane-1", "worker-1"] {
        scenario.machine(name).run(WIPE)?;
    }
    scenario.terraform.destroy(&[TARGET])?.must_succeed()?;
    scenario.state()?.must_not_have(CLUSTER)?;
    scenario.destroy()?;
    Ok(())
}

/// Hosts that refuse us may run the cluster still. None of them is skipped, and the cluster is not forgotten.
fn with_another_key(scenario: &mut Scenario) -> Result<()> {
    let key = scenario.terraform.folder().join("another-key");
    make_ssh_key(&key)?;
    let ssh = format!("ssh = {{ user = \"kubeone\", private_key_file = \"{}\" }}", key.display());
    scenario.terraform.write(KEY_OVERRIDE, &format!("provider \"kubeone\" {{\n  {ssh}\n}}\n"))?;
    let before = scenario.machine("worker-1").traces()?;
    let run = scenario.terraform.destroy(&[TARGET])?;
    run.must_fail_with("worker-1 answers but cannot be inspected")?;
    scenario.machine("worker-1").must_be_untouched_since(&before)?;
    ensure!(scenario.state()?.addresses().contains(&CLUSTER), "the state forgot a cluster that refused the key");
    std::fs::remove_file(scenario.terraform.folder().join(KEY_OVERRIDE))?;
    Ok(())
}

/// What an administrator does with a host that is to be something else.
const WIPE: &str = "
    systemctl disable --now kubelet
    for task in $(ctr --namespace k8s.io tasks list --quiet); do
      ctr --namespace k8s.io tasks kill --signal SIGKILL $task || true
    done
    rm -rf /etc/kubernetes /etc/kubeone /var/lib/etcd/* /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env
    rm -rf /var/lib/kubelet/pki";
