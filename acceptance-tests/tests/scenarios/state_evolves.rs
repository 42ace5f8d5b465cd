//! A state is read by other versions of the provider than the one that wrote it: what they do not know of each other makes no
//! difference, and what cannot be read is told as such.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

/// Something that another provider would say it became a cluster of ours.
const MOVED: &str = "
moved {
  from = terraform_data.cluster_of_others
  to   = kubeone_cluster.this
}
";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("state-evolves", programs)?;
    scenario.terraform.set_variable("workers", "0");
    scenario.apply()?;
    let file = scenario.terraform.folder().join("terraform.tfstate");
    let written = std::fs::read_to_string(&file)?;
    let with = |change: &dyn Fn(&mut Map<String, Value>)| -> Result<()> {
        let mut state: Value = serde_json::from_str(&written)?;
        let resources = state["resources"].as_array_mut().context("a state has resources")?;
        let cluster = resources.iter_mut().find(|it| it["type"] == "kubeone_cluster").context("a cluster")?;
        change(cluster["instances"][0].as_object_mut().context("a resource has an instance")?);
        std::fs::write(&file, state.to_string())?;
        Ok(())
    };

    // An older provider knew less: attributes are missing, and what it noted beside them is in another form.
    with(&|instance| {
        let attributes = &mut instance["attributes"];
        for name in ["backup", "certificates", "drain", "roll_control_plane", "upgrade", "planned_steps"] {
            attributes.as_object_mut().and_then(|it| it.remove(name));
        }
        if let Some(host) = attributes["control_plane"]["control-plane-1"].as_object_mut() {
            host.retain(|name, _| !["annotations", "kubelet", "taints"].contains(&name.as_str()));
        }
        instance.insert("private".to_owned(), json!("b2xk"));
    })?;
    let plan = scenario.plan()?;
    plan.must_be_empty().context("a state of an older provider makes a difference")?;
    scenario.apply()?;

    // A newer one knew more.
    with(&|instance| {
        instance["attributes"]["of_the_future"] = json!({ "a": [1, 2] });
        instance["attributes"]["control_plane"]["control-plane-1"]["of_the_future"] = json!("b");
    })?;
    scenario.plan()?.must_be_empty().context("a state of a newer provider makes a difference")?;

    // Its state may also be in a form that has a meaning of its own.
    with(&|instance| _ = instance.insert("schema_version".to_owned(), json!(99)))?;
    let run = scenario.terraform.plan_run(&[])?;
    ensure!(!run.succeeded, "a state of an unknown form was read");
    let told = run.told();
    ensure!(told.contains("newer"), "nobody is told that a newer provider is needed:\n{told}");

    // A cluster that another provider made is not a cluster of ours by a word.
    let mut state: Value = serde_json::from_str(&written)?;
    let resources = state["resources"].as_array_mut().context("a state has resources")?;
    resources.retain(|it| it["type"] != "kubeone_cluster");
    resources.push(json!({
        "mode": "managed", "type": "terraform_data", "name": "cluster_of_others",
        "provider": "provider[\"terraform.io/builtin/terraform\"]",
        "instances": [{ "schema_version": 0, "attributes": { "id": "x", "input": null, "output": null, "triggers_replace": null } }],
    }));
    std::fs::write(&file, state.to_string())?;
    scenario.terraform.write("moved.tf", MOVED)?;
    let run = scenario.terraform.plan_run(&[])?;
    run.must_fail_with("cannot move terraform_data to kubeone_cluster")?;

    std::fs::write(&file, written)?;
    scenario.terraform.write("moved.tf", "")?;
    scenario.plan()?.must_be_empty()?;
    Ok(())
}
