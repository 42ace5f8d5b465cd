//! Three control planes and two workers: every pod reaches every other, policies hold, no secret is left anywhere.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Context, Result, ensure};

use crate::kubernetes;
use crate::process_watch::ProcessWatch;

const NODES: [&str; 5] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1", "worker-2"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("three-and-two", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "2");
    let watch = ProcessWatch::begin();
    let run = scenario.apply()?;
    let processes = watch.end()?;
    eprintln!("        apply of 3 + 2, hosts included: {:.1} s", run.duration.as_secs_f64());
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    kubernetes::pods_reach_each_other(&scenario, NODES.len())?;
    kubernetes::policies_are_enforced(&scenario)?;
    let members = scenario.voting_members()?;
    ensure!(members == NODES[..3], "the voting members of etcd are {members:?}");
    ensure!(processes.contains("kubeadm\0join"), "the watch over processes saw no kubeadm");
    let plan = scenario.terraform.plan_text(&["-destroy"])?;
    let state = scenario.terraform.state_text()?;
    let log = run.trace()?;
    no_secret_is_left(&scenario, &[("state", state), ("plan", plan), ("log", log), ("process list", processes)])?;
    scenario.destroy()?;
    Ok(())
}

/// Looks for the SSH key, for bootstrap tokens and for the cluster's own keys where they must not be.
fn no_secret_is_left(scenario: &Scenario, texts: &[(&str, String)]) -> Result<()> {
    let key = std::fs::read_to_string(scenario.ssh_key()).context("could not read the SSH key")?;
    // The first lines are the format and the public key, which all keys of this kind have in part.
    let ssh_key = key.lines().nth(3).context("an OpenSSH key has lines")?.to_owned();
    let line_of = |file: &str| -> Result<String> {
        let line = scenario.machine(NODES[0]).run(&format!("sed -n 2p /etc/kubernetes/pki/{file}"))?.trim().to_owned();
        ensure!(line.len() > 40, "{file} has no second line to look for");
        Ok(line)
    };
    let secrets = [("SSH key", ssh_key.clone()), ("CA's key", line_of("ca.key")?), ("sa.key", line_of("sa.key")?)];
    for (place, text) in texts {
        for (name, secret) in &secrets {
            ensure!(!text.contains(secret), "the {name} is in the {place}");
        }
        ensure!(!contains_token(text), "a bootstrap token is in the {place}");
    }
    let tokens = scenario.kubectl("--namespace kube-system get secrets --output name")?;
    ensure!(!tokens.contains("bootstrap-token"), "a bootstrap token outlived its use: {tokens}");
    for host in NODES {
        let found = scenario.machine(host).run(&format!(
            "grep --recursive --files-with-matches --fixed-strings -e '{ssh_key}' \
             /etc /var/lib/kubelet /var/log /root /home /tmp /run 2>/dev/null || true; \
             grep --recursive --files-with-matches --extended-regexp 'token: \"?[a-z0-9]{{6}}\\.[a-z0-9]{{16}}' \
             /etc/kubernetes /etc/kubeone /var/lib/kubelet/config.yaml /var/log /root /home /tmp /run/kubeone 2>/dev/null || true"
        ))?;
        ensure!(found.trim().is_empty(), "secrets on {host}: {found}");
    }
    Ok(())
}

/// `abcdef.0123456789abcdef` behind the word token.
fn contains_token(text: &str) -> bool {
    let tokenish = |word: &str| {
        let lower = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        word.split_once('.')
            .is_some_and(|(id, secret)| id.len() == 6 && secret.len() == 16 && lower(id) && lower(secret))
    };
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).any(tokenish)
}
