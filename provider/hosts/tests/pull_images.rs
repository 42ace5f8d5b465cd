//! `pull_images.sh` runs for real with a containerd that is a folder: one file for each image, which holds its digest.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/os/linux/pull_images.sh");

/// `registry/<name>` is what a registry has under a name, with `%` for `/`; `images/<name>` is what is there.
const CTR: &str = r#"#!/bin/bash
set -euo pipefail
[[ "$1 $2 $3" == '--namespace k8s.io images' ]] || exit 90
shift 3
case $1 in
  list)
    echo 'REF TYPE DIGEST SIZE PLATFORMS LABELS'
    for file in "$ROOT"/images/*; do
      if [[ -e $file ]]; then name=${file##*/}; echo "${name//%//} application/vnd.oci.image.index.v1+json $(<"$file") 1.0 MiB linux/amd64 -"; fi
    done
    ;;
  pull)
    [[ "$2 $3" == '--hosts-dir /etc/containerd/certs.d' ]] || exit 91
    echo "pull $4" >>"$ROOT/log"
    case $4 in
      *@*) digest=${4#*@}; grep --quiet --line-regexp --fixed-strings "$digest" "$ROOT"/registry/* ;;
      *) digest=$(<"$ROOT/registry/${4//\//%}") ;;
    esac || { echo 'ctr: not found' >&2; exit 1; }
    echo "$digest" >"$ROOT/images/${4//\//%}"
    ;;
  tag)
    [[ $2 == --force ]] || exit 92
    echo "tag $3 $4" >>"$ROOT/log"
    if [[ ! -e $ROOT/tags-nothing ]]; then cp "$ROOT/images/${3//\//%}" "$ROOT/images/${4//\//%}"; fi
    ;;
  *) exit 93 ;;
esac
"#;

const KUBEADM: &str = "#!/bin/bash\n[[ \"$*\" == 'config images list --kubernetes-version v1.36.3' ]] || exit 94\n\
                       printf '%s\\n' r.io/kube-apiserver:v1.36.3 r.io/kube-proxy:v1.36.3 r.io/pause:3.10\n";

const API_SERVER: &str = "r.io/kube-apiserver:v1.36.3";
const PROXY: &str = "r.io/kube-proxy:v1.36.3";
const PAUSE: &str = "r.io/pause:3.10";

struct Bench {
    root: TempDir,
}

impl Bench {
    /// A registry with these images.
    fn new(images: &[(&str, &str)]) -> Self {
        let bench = Self { root: tempfile::tempdir().unwrap() };
        for folder in ["bin", "registry", "images"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        let programs = [
            ("ctr", CTR),
            ("kubeadm", KUBEADM),
            ("systemctl", "#!/bin/bash\nexit 3\n"),
            ("systemd-run", "#!/bin/bash\necho \"unit ${*: -3}\" >>\"$ROOT/log\"\n"),
        ];
        for (name, text) in programs {
            let path = bench.path("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (image, digest) in images {
            bench.offer(image, digest);
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn offer(&self, image: &str, digest: &str) {
        fs::write(self.path("registry").join(image.replace('/', "%")), format!("{digest}\n")).unwrap();
    }

    fn has(&self, image: &str, digest: &str) {
        fs::write(self.path("images").join(image.replace('/', "%")), format!("{digest}\n")).unwrap();
    }

    fn there(&self) -> BTreeMap<String, String> {
        let read = |entry: fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().replace('%', "/");
            (name, fs::read_to_string(entry.path()).unwrap().trim().to_owned())
        };
        fs::read_dir(self.path("images")).unwrap().map(|entry| read(entry.unwrap())).collect()
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn run(&self, role: &str, digests: &[(&str, &str)], wait: bool) -> Result<(), String> {
        fs::remove_file(self.path("log")).ok();
        let lines: Vec<_> = digests.iter().map(|(image, digest)| format!("{image} {digest}")).collect();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var_os("PATH").unwrap().display());
        let variables = [
            ("PATH", path),
            ("KUBERNETES_VERSION", "1.36.3".to_owned()),
            ("ROLE", role.to_owned()),
            ("IMAGES", String::new()),
            ("DIGESTS", lines.join("\n")),
            ("AWAIT", wait.to_string()),
            ("CONFIG", String::new()),
        ];
        let mut bash = Command::new("bash");
        bash.args(["-c", "set -Eeuo pipefail; source \"$0\"", SCRIPT]).envs(variables).env("ROOT", self.root.path());
        let done = bash.output().unwrap();
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
    }
}

fn registry() -> Bench {
    Bench::new(&[(API_SERVER, "sha256:aa"), (PROXY, "sha256:bb"), (PAUSE, "sha256:cc")])
}

#[test]
fn what_is_missing_is_pulled() {
    let bench = registry();
    bench.has(PAUSE, "sha256:cc");
    bench.run("control_plane", &[], true).unwrap();
    assert_eq!(bench.log(), [format!("pull {API_SERVER}"), format!("pull {PROXY}")]);
    bench.run("worker", &[], true).unwrap();
    assert_eq!(bench.log(), [""; 0], "it is all there");
}

#[test]
fn nobody_waits_for_images_whose_content_is_not_known() {
    let bench = registry();
    bench.run("worker", &[], false).unwrap();
    assert_eq!(bench.log(), [format!("unit pull {PROXY} {PAUSE}")]);
}

#[test]
fn an_image_is_pulled_by_its_digest_where_that_is_known() {
    let bench = registry();
    // Whether or not others wait.
    bench.run("worker", &[(PROXY, "sha256:bb"), (API_SERVER, "sha256:00")], false).unwrap();
    assert_eq!(
        bench.log(),
        [
            "pull r.io/kube-proxy@sha256:bb".to_owned(),
            format!("pull {PAUSE}"),
            format!("tag r.io/kube-proxy@sha256:bb {PROXY}")
        ]
    );
    assert_eq!((bench.there()[PROXY].as_str(), bench.there()[PAUSE].as_str()), ("sha256:bb", "sha256:cc"));
}

#[test]
fn other_content_under_the_name_is_refused() {
    let bench = registry();
    let error = bench.run("worker", &[(PROXY, "sha256:00")], true).unwrap_err();
    assert!(
        error.contains("kube-proxy:v1.36.3 cannot be pulled with the content that is locked, sha256:00"),
        "{error}"
    );
    assert!(!bench.there().contains_key(PROXY), "it would be run");
}

/// An image that was there before, from a registry that has since been corrected, or from whoever put it there.
#[test]
fn other_content_on_the_host_is_replaced() {
    let bench = registry();
    bench.has(PROXY, "sha256:ee");
    bench.run("worker", &[(PROXY, "sha256:bb")], true).unwrap();
    assert_eq!(bench.there()[PROXY], "sha256:bb");
}

#[test]
fn what_was_pulled_is_looked_at_again() {
    let bench = registry();
    bench.has(PROXY, "sha256:ee");
    fs::write(bench.path("tags-nothing"), "").unwrap();
    let error = bench.run("worker", &[(PROXY, "sha256:bb")], true).unwrap_err();
    assert!(error.contains("kube-proxy:v1.36.3 has the content sha256:ee, and sha256:bb is locked"), "{error}");
}
