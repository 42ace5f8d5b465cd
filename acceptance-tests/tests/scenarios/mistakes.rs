//! Mistakes in a configuration are found before anything is asked of anybody: each is told with the attribute it is in, and
//! what is not known yet is no mistake.

use std::path::Path;

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};

/// What is written instead of what, which attribute is named, and what is said about it.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    (r#""1.35.4""#, r#""1.20.0""#, "kubernetes_version = \"1.20.0\"", "Kubernetes 1.20.0 is not supported"),
    (r#""10.0.0.13""#, r#""10.0.0.11""#, r#"`control_plane["cp-3"].address`"#, "the address `10.0.0.11` is used twice"),
    (r#""10.0.0.21""#, r#""10.244.0.21""#, r#"`static_workers["w-1"].address`"#, "is in the pod subnet 10.244.0.0/16"),
    (
        r#""10.96.0.0/12""#,
        r#""10.244.128.0/20""#,
        "`cluster_network.service_subnet`",
        "the service subnet 10.244.128.0/20 overlaps the pod subnet 10.244.0.0/16",
    ),
    (r#"cni = "canal""#, r#"cni = "weave""#, "`cluster_network.cni` is not valid", "unknown variant `weave`"),
    ("pool = ", "\"-pool\" = ", r#"`static_workers["w-1"].labels["-pool"]`"#, "`-pool` is not a valid key"),
    ("max_pods = 110", "max_pods = 0", r#"`static_workers["w-1"].kubelet.max_pods`"#, "`max_pods` cannot be 0"),
];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/mistakes");
    let mut scenario = Scenario::of_configuration("mistakes", &folder, programs)?;
    let good = std::fs::read_to_string(folder.join("main.tf"))?;
    let said = validate(&mut scenario, true)?;
    ensure!(!said.contains("on main.tf line"), "a good configuration is complained of:\n{said}");

    for (right, wrong, attribute, complaint) in MISTAKES {
        ensure!(good.contains(right), "the configuration has no {right}");
        scenario.terraform.write("main.tf", &good.replacen(right, wrong, 1))?;
        let said = validate(&mut scenario, false)?;
        for words in [*attribute, *complaint] {
            ensure!(said.contains(words), "{right} became {wrong}, and terraform does not say `{words}`:\n{said}");
        }
    }

    // Two are no mistake, and no good idea.
    let even = good.replacen("    \"cp-3\" = { address = \"10.0.0.13\" }\n", "", 1);
    scenario.terraform.write("main.tf", &even)?;
    let said = validate(&mut scenario, true)?;
    ensure!(said.contains("2 is an even number of control planes"), "an even number is not warned of:\n{said}");

    // The same address twice, but one of them is known only later.
    scenario.terraform.write("main.tf", &good.replacen("\"10.0.0.12\"", "\"10.0.0.11\"", 1))?;
    let said = validate(&mut scenario, true)?;
    ensure!(!said.contains("on main.tf line"), "what is not known yet is complained of:\n{said}");
    Ok(())
}

/// What terraform says, in one line: it breaks them where the terminal ends.
fn validate(scenario: &mut Scenario, passes: bool) -> Result<String> {
    let run = scenario.terraform.validate()?;
    let mut said = String::new();
    for ending in ["out", "err"] {
        said.push_str(&std::fs::read_to_string(run.log.with_extension(ending))?);
    }
    let said = said.replace(['╷', '│', '╵'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(run.succeeded == passes, "terraform validate says:\n{said}");
    Ok(said)
}
