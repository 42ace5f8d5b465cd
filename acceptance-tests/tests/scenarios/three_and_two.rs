//! Three control planes and two workers: every pod reaches every other, policies hold, no secret is left anywhere.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Context, Result, ensure};

use crate::kubernetes;

const NODES: [&str; 5] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1", "worker-2"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("three-and-two", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "2");
    let run = scenario.apply()?;
    eprintln!("        apply of 3 + 2, hosts included: {:.1} s", run.duration.as_secs_f64());
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    kubernetes::pods_reach_each_other(&scenario, NODES.len())?;
    kubernetes::policies_are_enforced(&scenario)?;
    let members = kubernetes::etcd_members(&scenario)?;
    ensure!(members == NODES[..3], "the voting members of etcd are {members:?}");
    no_secret_is_left(&scenario, &run.trace()?)?;
    scenario.destroy()?;
    Ok(())
}

/// Looks for the SSH key, for bootstrap tokens and for the cluster's own keys where they must not be.
fn no_secret_is_left(scenario: &Scenario, log: &str) -> Result<()> {
    let key = std::fs::read_to_string(scenario.ssh_key()).context("could not read the SSH key")?;
    // The first lines are the format and the public key, which all keys of this kind have in part.
    let ssh_key = key.lines().nth(3).context("an OpenSSH key has lines")?.to_owned();
    let ca_key = scenario.machine("control-plane-1").run("sed -n 2p /etc/kubernetes/pki/ca.key")?.trim().to_owned();
    let sa_key = scenario.machine("control-plane-1").run("sed -n 2p /etc/kubernetes/pki/sa.key")?.trim().to_owned();
    ensure!(ca_key.len() > 40 && sa_key.len() > 40, "the keys to look for were not found");
    let state = scenario.terraform.state_text()?;
    for (name, secret) in [("the SSH key", &ssh_key), ("the CA's key", &ca_key), ("the service accounts' key", &sa_key)]
    {
        ensure!(!state.contains(secret), "{name} is in the state");
        ensure!(!log.contains(secret), "{name} is in the log");
    }
    ensure!(!contains_token(&state), "a bootstrap token is in the state");
    ensure!(!contains_token(log), "a bootstrap token is in the log");
    let tokens = kubernetes::kubectl(scenario, "--namespace kube-system get secrets --output name")?;
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
