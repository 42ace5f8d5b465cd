//! The root file system all hosts start from: a small Debian, built once and found again by the hash of its definition.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::command::{command, run};
use super::paths;

/// Debian 13's systemd refuses to boot on a machine with cgroup v1; this one boots on both.
const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";

/// About how often building reports a stage.
pub const STAGES: usize = 10;

/// Answers the folder of the base image and builds it first where needed (about a minute). `report` hears each stage.
pub fn ensure(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let definition = paths::definitions().join("base");
    let kernel = run("uname", ["-r"])?.trim().to_owned();
    let images = paths::cache()?.join("base");
    let image = images.join(key(&definition, &kernel)?);
    if image.exists() {
        return Ok(image);
    }
    fs::create_dir_all(&images).with_context(|| format!("could not create {}", images.display()))?;
    let unfinished = image.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("could not remove {}", unfinished.display()))?;
    }
    build(&definition, &kernel, &unfinished, report)?;
    fs::rename(&unfinished, &image).with_context(|| format!("could not name the base image {}", image.display()))?;
    Ok(image)
}

fn build(definition: &Path, kernel: &str, target: &Path, report: &mut dyn FnMut(&str)) -> Result<()> {
    let packages = packages(&definition.join("packages.txt"))?;
    let mut bootstrap =
        command("mmdebstrap", ["--variant=minbase", "--format=directory", &format!("--include={packages}"), SUITE]);
    bootstrap
        .arg(format!("--customize-hook={} \"$1\"", definition.join("setup.sh").display()))
        .arg(target)
        .arg(MIRROR)
        .env("LAB_BASE", definition)
        .env("KERNEL_RELEASE", kernel)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = bootstrap.spawn().context("could not start mmdebstrap")?;
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().context("mmdebstrap has no output")?).lines() {
        let line = line.context("could not read the output of mmdebstrap")?;
        match line.strip_prefix("I: ") {
            Some(stage) => report(stage),
            None => said.push(line),
        }
    }
    let status = child.wait().context("could not wait for mmdebstrap")?;
    if !status.success() {
        bail!("mmdebstrap failed with {status}: {}", said[said.len().saturating_sub(15)..].join("\n"));
    }
    Ok(())
}

fn packages(list: &Path) -> Result<String> {
    let text = fs::read_to_string(list).with_context(|| format!("could not read {}", list.display()))?;
    let names: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    Ok(names.join(","))
}

fn key(definition: &Path, kernel: &str) -> Result<String> {
    let mut files = Vec::new();
    collect_files(definition, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for part in [SUITE, MIRROR, kernel] {
        hash.update(part);
        hash.update([0]);
    }
    for file in files {
        hash.update(file.strip_prefix(definition).unwrap_or(&file).as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(fs::read(&file).with_context(|| format!("could not read {}", file.display()))?);
        hash.update([0]);
    }
    let mut key = hex::encode(hash.finalize());
    key.truncate(16);
    Ok(key)
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
