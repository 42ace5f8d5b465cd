//! A create fails where a second control plane joins: the error names host and reason, the state stays empty, and the next
//! apply goes on with the same cluster.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};

use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const NODES: [&str; 3] = ["control-plane-1", "control-plane-2", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("create-fails", programs)?;
    scenario.terraform.set_variable("control_planes", "2");
    scenario.terraform.apply(&["-target=terraform_data.load_balancer_targets"])?.must_succeed()?;
    // Somebody sits where the scheduler would listen; kubeadm looks there before it joins.
    let second = scenario.machine(NODES[1]);
    second.run("systemd-run --quiet --unit squatter socat TCP-LISTEN:10259,fork /dev/null")?;

    let run = scenario.apply_fails_with("control-plane-2: join control plane")?;
    for words in ["10259", "Done already:\n", "control-plane-1: initialize control plane", "The next apply"] {
        run.must_fail_with(words)?;
    }
    scenario.state()?.must_not_have(CLUSTER)?;
    // Another lane came to its end meanwhile.
    let nodes = scenario.kubectl("get nodes --output name")?;
    ensure!(nodes.contains("worker-1") && !nodes.contains(NODES[1]), "the nodes are {nodes}");
    let identity = "get namespace kube-system --output jsonpath={.metadata.uid}";
    let before = scenario.kubectl(identity)?;
    let members = member_ids(&scenario)?;
    ensure!(members.len() == 1, "the members of etcd are {members:?}");

    scenario.machine(NODES[1]).run("systemctl stop squatter")?;
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    let after = scenario.kubectl(identity)?;
    ensure!(after == before, "the cluster {before} became {after}");
    let now = member_ids(&scenario)?;
    ensure!(now.len() == 2 && now.contains(&members[0]), "the members {members:?} became {now:?}");
    Ok(())
}

fn member_ids(scenario: &Scenario) -> Result<Vec<String>> {
    let script = "pki=/etc/kubernetes/pki/etcd; curl --silent --fail --max-time 10 --cacert $pki/ca.crt \
                  --cert $pki/server.crt --key $pki/server.key --data '{}' https://127.0.0.1:2379/v3/cluster/member/list |
                  grep --only-matching '\"ID\":\"[0-9]*' | grep --only-matching '[0-9]*$'";
    Ok(scenario.machine(NODES[0]).run(script)?.split_whitespace().map(str::to_owned).collect())
}
