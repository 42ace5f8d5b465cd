//! Snapshots of etcd are taken when they are asked for, kept as long as was said, and copied to this machine, where only
//! the owner of the right key can read them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use age::x25519::Identity;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const CLUSTER: &str = "kubeone_cluster.this";
const HOSTS: [&str; 3] = ["control-plane-1", "control-plane-2", "control-plane-3"];
/// Something that is in etcd, and must be in no file here.
const TOLD_TO_ETCD: &str = "what-only-the-cluster-knows";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("backup", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "0");
    let key = Identity::generate();
    let copies = scenario.terraform.folder().join("copies");
    let wanted = |trigger: &str, folder: &Path| {
        let (folder, recipient) = (folder.display(), key.to_public());
        format!(
            "resource \"kubeone_cluster\" \"this\" {{\n  backup = {{\n    trigger = \"{trigger}\"\n    keep = 2\n    \
             copy_to = \"{folder}\"\n    recipients = [\"{recipient}\"]\n  }}\n}}\n"
        )
    };
    scenario.apply()?;
    scenario.kubectl(&format!("create secret generic told --from-literal=word={TOLD_TO_ETCD}"))?;

    // A new value of the trigger takes a snapshot and copies it, once: the plan after it is empty.
    scenario.terraform.write("backup_override.tf", &wanted("first", &copies))?;
    steps_must_say(&mut scenario, &["take etcd snapshot (trigger `first`)", "copy the snapshot to"])?;
    let run = scenario.apply()?;
    eprintln!("        first snapshot with its copy: {:.1} s", run.duration.as_secs_f64());
    on_hosts(&scenario, 1, 1)?;
    let files = files(&copies)?;
    let [copy] = files.as_slice() else { anyhow::bail!("there is not one copy but {files:?}") };
    is_of_the_cluster(&scenario, copy, &key)?;

    // A folder that cannot be made is a warning, the snapshot is taken all the same, and its copy remains to be made.
    let nowhere = scenario.terraform.folder().join("main.tf").join("copies");
    scenario.terraform.write("backup_override.tf", &wanted("second", &nowhere))?;
    let run = scenario.terraform.apply(&[])?;
    run.must_succeed()?;
    let warned = run.diagnostics.iter().any(|it| it.severity == "warning" && it.detail.contains("was not copied"));
    ensure!(warned, "nobody was warned: {:#?}", run.diagnostics);
    scenario.terraform.write("backup_override.tf", &wanted("second", &copies))?;
    steps_must_say(&mut scenario, &["(not copied yet)"])?;
    scenario.apply()?;
    ensure!(self::files(&copies)?.len() == 2, "{:?}", self::files(&copies)?);

    // Two are kept on the hosts; of copies, all.
    scenario.terraform.write("backup_override.tf", &wanted("third", &copies))?;
    scenario.apply()?;
    on_hosts(&scenario, 2, 2)?;
    let files = self::files(&copies)?;
    ensure!(files.len() == 3, "{files:?}");
    for copy in &files {
        let mode = fs::metadata(copy)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{} has mode {mode:o}", copy.display());
    }
    nothing_is_plain(&scenario, &copies)
}

fn steps_must_say(scenario: &mut Scenario, words: &[&str]) -> Result<()> {
    let Attribute::Known(steps) = scenario.plan()?.attribute(CLUSTER, "/planned_steps")? else {
        anyhow::bail!("the plan does not show its steps");
    };
    let lines: Vec<_> = steps.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(lines.len() == words.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(words) {
        ensure!(line.contains(words), "`{line}` does not say `{words}`");
    }
    Ok(())
}

/// Passes when all hosts together hold so many snapshots, and each of them knows of so many.
fn on_hosts(scenario: &Scenario, held: usize, known: usize) -> Result<()> {
    let mut found = 0;
    for host in HOSTS {
        let list =
            |kind: &str| scenario.machine(host).run(&format!("ls /var/backups/kubeone | grep '[.]{kind}$' || true"));
        found += list("db")?.lines().count();
        let descriptions = list("json")?;
        ensure!(descriptions.lines().count() == known, "{host} knows of\n{descriptions}");
    }
    ensure!(found == held, "the hosts hold {found} snapshots instead of {held}");
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}

/// The copy holds the snapshot that the host has, and the keys that all control planes have.
fn is_of_the_cluster(scenario: &Scenario, copy: &Path, key: &Identity) -> Result<()> {
    let raw = fs::read(copy)?;
    let stranger = age::decrypt(&Identity::generate(), &raw);
    ensure!(stranger.is_err(), "anybody can open {}", copy.display());
    let archive = age::decrypt(key, &raw).context("its recipient cannot open the copy")?;
    let mut content = BTreeMap::new();
    for entry in tar::Archive::new(&*archive).entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        content.insert(entry.path()?.display().to_string(), bytes);
    }
    let name = copy.file_stem().and_then(|name| name.to_str()).context("a copy has a name")?;
    let description: Value = serde_json::from_slice(&content[&format!("{name}.json")])?;
    let (holder, database) = (description["host"].as_str().context("a host took it")?, &content[&format!("{name}.db")]);
    let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let on_host = scenario.machine(holder).run(&format!("sha256sum </var/backups/kubeone/{name}.db"))?;
    ensure!(on_host.starts_with(&sha256(database)), "the copy is not what {holder} has");
    let told = database.windows(TOLD_TO_ETCD.len()).any(|window| window == TOLD_TO_ETCD.as_bytes());
    ensure!(told, "the snapshot has not what etcd was told");
    let keys = [
        "ca.crt",
        "ca.key",
        "sa.pub",
        "sa.key",
        "front-proxy-ca.crt",
        "front-proxy-ca.key",
        "etcd/ca.crt",
        "etcd/ca.key",
    ];
    for key in keys {
        let path = format!("etc/kubernetes/pki/{key}");
        let bytes = content.get(&path).with_context(|| format!("the copy lacks {path}"))?;
        let on_host = scenario.machine("control-plane-2").run(&format!("sha256sum </{path}"))?;
        ensure!(on_host.starts_with(&sha256(bytes)), "{path} is not what control-plane-2 has");
    }
    ensure!(content.len() == keys.len() + 2, "the copy holds {:?}", content.keys());
    Ok(())
}

/// No file of the copies, of Terraform's state and of its logs has a secret of the cluster in it.
fn nothing_is_plain(scenario: &Scenario, copies: &Path) -> Result<()> {
    let mut logs = files(&scenario.terraform.folder().join("logs"))?;
    logs.extend(files(copies)?);
    logs.extend(["terraform.tfstate", "terraform.tfstate.backup"].map(|name| scenario.terraform.folder().join(name)));
    for file in logs {
        let bytes = fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        for secret in [TOLD_TO_ETCD, "PRIVATE KEY-----", "AGE-SECRET-KEY"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            ensure!(!found, "`{secret}` is in {}", file.display());
        }
    }
    Ok(())
}
