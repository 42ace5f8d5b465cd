//! What a plan shows of an upgrade: each step on each node, nothing unknown that stays as it is, and no way where there is
//! none.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, bail, ensure};

const CLUSTER: &str = "kubeone_cluster.this";

/// Takes what must not change with the cluster's version.
const DEPENDENT: &str = r#"
resource "terraform_data" "dependent" {
  input = [kubeone_cluster.this.endpoint, kubeone_cluster.this.ca_certificate, kubeone_cluster.this.id]
}
"#;

const STEPS: &[&str] = &[
    "cluster: run preflight checks for the upgrade to Kubernetes 1.35.5",
    "control-plane-1: take etcd snapshot (before the upgrade to 1.35.5)",
    "control-plane-1: fetch packages and images for Kubernetes 1.35.5",
    "worker-1: fetch packages and images for Kubernetes 1.35.5",
    "control-plane-1: upgrade control plane to Kubernetes 1.35.5",
    "control-plane-1: upgrade kube-proxy and CoreDNS for Kubernetes 1.35.5",
    "worker-1: upgrade worker to Kubernetes 1.35.5",
];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("upgrade-planned", programs)?;
    scenario.terraform.write("dependent.tf", DEPENDENT)?;
    scenario.apply()?;

    // Packages of these versions need not exist: it is only planned.
    scenario.terraform.set_variable("kubernetes_version", "1.35.5");
    let plan = scenario.plan()?;
    plan.must_do(&[(CLUSTER, "update")])?;
    let Attribute::Known(steps) = plan.attribute(CLUSTER, "/planned_steps")? else {
        bail!("the plan does not show its steps");
    };
    ensure!(steps == serde_json::json!(STEPS), "the plan shows {steps:#}");
    for path in ["/id", "/endpoint", "/ca_certificate", "/kubeconfig_raw"] {
        let attribute = plan.attribute(CLUSTER, path)?;
        ensure!(attribute != Attribute::Unknown, "{path} is not known until the upgrade is done");
    }

    let before = ["control-plane-1", "worker-1"].map(|name| scenario.machine(name).traces());
    for (version, words) in
        [("1.37.0", ["1.35", "1.36"]), ("1.35.3", ["1.35.4", "older"]), ("1.34.2", ["1.35.4", "older"])]
    {
        scenario.terraform.set_variable("kubernetes_version", version);
        let run = scenario.terraform.plan_run(&[])?;
        ensure!(!run.succeeded, "a plan from 1.35.4 to {version} was made");
        let told = run.told();
        for words in words {
            ensure!(told.contains(words), "the refusal of {version} does not speak of `{words}`:\n{told}");
        }
    }
    for (name, before) in ["control-plane-1", "worker-1"].into_iter().zip(before) {
        scenario.machine(name).must_be_untouched_since(&before?)?;
    }
    Ok(())
}
