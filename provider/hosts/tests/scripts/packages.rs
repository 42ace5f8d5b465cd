//! What is removed with its packages on a Debian host, and what is put back.

use kubeone_hosts::Script;

use crate::sandbox::{Sandbox, script};

fn remove(packages: &[&str]) -> Script {
    script("remove_packages").lines("PACKAGES", packages).var("LOCK_SECONDS", 30)
}

/// Installed are kubelet, which brought conntrack, and a package that was to be removed before us.
fn debian() -> Sandbox {
    let host = Sandbox::new();
    host.fake("apt-mark", "").fake("dpkg", "");
    host.fake("dpkg-query", "[[ ${*: -1} == kubelet ]] && printf installed");
    host.fake(
        "apt-get",
        r#"
        case $* in
          '--simulate purge --auto-remove kubelet') printf 'Remv old [1]\nPurg kubelet [1.35.4]\nRemv conntrack [1]\n' ;;
          '--simulate autoremove') echo 'Remv old [1]' ;;
          *' purge conntrack kubelet') ;;
          *) unexpected ;;
        esac"#,
    );
    host
}

#[test]
fn only_what_came_with_us_goes() {
    let host = debian();
    host.run(&remove(&["kubelet", "kubeadm"])).ok();
    assert_eq!(host.calls_of("apt-mark"), ["unhold kubelet"]);
    let purge = host.calls_of("apt-get").into_iter().find(|call| call.ends_with(" purge conntrack kubelet")).unwrap();
    assert!(purge.starts_with("--quiet --quiet --assume-yes "), "{purge}");
    // On a host without these packages nothing is asked of apt.
    host.forget_calls();
    host.run(&remove(&["containerd.io"])).ok();
    assert_eq!(host.calls_of("apt-get"), Vec::<String>::new());
    host.run(&remove(&[])).ok();
}

#[test]
fn what_was_set_aside_comes_back() {
    let host = debian();
    host.file("/etc/apt/sources.list", "deb a\n#kubeone# deb b\n")
        .file("/etc/apt/sources.list.d/x.list", "#kubeone# deb c\n");
    host.file("/etc/apt/sources.list.d/docker.sources.kubeone-aside", "URIs: d")
        .file("/etc/apt/sources.list.d/y.list", "#deb\n");
    host.run(&remove(&[])).ok();
    assert_eq!(host.read("/etc/apt/sources.list").as_deref(), Some("deb a\ndeb b\n"));
    assert_eq!(
        host.tree("/etc/apt"),
        [
            "sources.list",
            "sources.list.d/",
            "sources.list.d/docker.sources",
            "sources.list.d/x.list",
            "sources.list.d/y.list"
        ]
    );
    assert_eq!(host.read("/etc/apt/sources.list.d/x.list").as_deref(), Some("deb c\n"));
}

#[test]
fn apts_lock_is_awaited_and_an_interrupted_dpkg_finished() {
    let host = debian();
    host.fake("dpkg", "case $1 in --audit) echo 'half-configured: kubelet' ;; --configure) ;; *) unexpected ;; esac");
    host.fake("apt-mark", "echo x >>/fakes/tries; (($(wc -l </fakes/tries) > 2)) || { echo 'E: Could not get lock /x. It is held by process 7 (apt)' >&2; exit 100; }");
    host.run(&remove(&["kubelet"])).ok();
    assert_eq!(host.calls_of("apt-mark").len(), 3);
    assert!(
        host.calls_of("dpkg")
            .contains(&"--configure --pending --force-confdef --force-confold --refuse-unsafe-io".to_owned())
    );
    assert_eq!(host.tree("/tmp"), Vec::<String>::new());

    let host = debian();
    host.fast_clock().fake("apt-mark", "echo 'E: Could not get lock /x. It is held by process 7 (apt)' >&2; exit 100");
    let complaint = host.run(&remove(&["kubelet"])).fails();
    assert!(complaint.contains("held by process 7 (apt)"), "{complaint}");
    assert!((3..6).contains(&host.calls_of("apt-mark").len()));
    // Any other failure is none to wait for.
    host.forget_calls().fake("apt-mark", "echo 'E: broken' >&2; exit 100");
    host.run(&remove(&["kubelet"])).fails();
    assert_eq!(host.calls_of("apt-mark").len(), 1);
}

/// The images of a host: each that is pulled has the content of its name, or that of its digest.
fn containerd(host: &Sandbox) {
    host.file("/fakes/images", "k/pause:3.10 t sha256:pause\n");
    host.fake(
        "ctr",
        r#"
        case $* in
          *'images list') echo 'REF TYPE DIGEST SIZE'; cat /fakes/images ;;
          *' pull '*bad*) exit 1 ;;
          *' pull '*) echo "${*: -1} t sha256:${*: -1} 1" >>/fakes/images ;;
          *' images tag --force '*@*) printf '%s t %s 1\n' "${*: -1}" "${6#*@}" >>/fakes/images ;;
          *) unexpected ;;
        esac"#,
    );
}

fn pull(await_all: bool, config: &str, role: &str) -> Script {
    let pull = script("pull_images").var("KUBERNETES_VERSION", "1.35.4").var("ROLE", role).var("AWAIT", await_all);
    pull.lines("IMAGES", ["docker.io/flannel/flannel:v1"]).var("CONFIG", config).var("DIGESTS", "")
}

#[test]
fn missing_images_are_pulled_in_the_background_or_awaited() {
    let host = Sandbox::new();
    host.fake(
        "kubeadm",
        "cat >/fakes/config; printf 'k/kube-apiserver:v1.35.4\\nk/kube-proxy:v1.35.4\\nk/pause:3.10\\n'",
    );
    containerd(&host);
    host.fake("systemctl", "exit 3").fake("systemd-run", "");
    host.run(&pull(false, "", "worker")).ok();
    let started = host.calls_of("systemd-run").remove(0);
    assert!(started.ends_with(" pull k/kube-proxy:v1.35.4 docker.io/flannel/flannel:v1"), "{started}");
    assert!(started.starts_with("--quiet --collect --unit kubeone-images -- bash -c"), "{started}");
    assert_eq!(host.calls_of("kubeadm"), ["config images list --kubernetes-version v1.35.4"]);

    host.forget_calls();
    host.run(&pull(true, "imageRepository: k", "control_plane")).ok();
    assert_eq!(host.read("/fakes/config").as_deref(), Some("imageRepository: k\n"));
    let mut pulled: Vec<_> =
        host.calls_of("ctr").iter().filter_map(|call| Some(call.rsplit_once("certs.d ")?.1.to_owned())).collect();
    pulled.sort();
    assert_eq!(pulled, ["docker.io/flannel/flannel:v1", "k/kube-apiserver:v1.35.4", "k/kube-proxy:v1.35.4"]);

    let bad = pull(true, "", "worker").lines("IMAGES", ["bad:v1"]);
    host.run(&bad).fails();
    // What is locked comes by its digest, and is awaited; what cannot come so is refused.
    host.forget_calls();
    host.run(&pull(false, "", "worker").var("DIGESTS", "k/kube-proxy:v1.35.4 sha256:good\nk/pause:3.10 sha256:pause"))
        .ok();
    let pulls: Vec<_> = host.calls_of("ctr").into_iter().filter(|call| call.contains(" pull ")).collect();
    assert!(pulls.len() == 1 && pulls[0].ends_with(" k/kube-proxy@sha256:good"), "{pulls:#?}");
    assert!(host.read("/fakes/images").unwrap().contains("k/kube-proxy:v1.35.4 t sha256:good"));
    let complaint = host.run(&pull(true, "", "worker").var("DIGESTS", "k/pause:3.10 sha256:bad")).fails();
    assert!(
        complaint.contains("the image k/pause:3.10 cannot be pulled with the content that is locked"),
        "{complaint}"
    );
    // Who only begins does not do it twice.
    host.forget_calls().fake("systemctl", "");
    host.run(&pull(false, "", "worker")).ok();
    assert_eq!(host.calls(), ["systemctl --quiet is-active kubeone-images"]);
}

#[test]
fn a_kubeconfig_is_minted_without_a_file() {
    let host = Sandbox::new();
    let mint = |groups: &[&str]| {
        let mint = script("mint_kubeconfig").var("CONFIG", "kind: ClusterConfiguration").var("CLIENT_NAME", "ann");
        mint.lines("GROUPS_OF_CLIENT", groups).var("VALIDITY", "1h0m0s")
    };
    let complaint = host.run(&mint(&[])).fails();
    assert!(complaint.contains("/etc/kubernetes/pki/ca.key) is not on this host"), "{complaint}");
    host.file("/etc/kubernetes/pki/ca.key", "key");
    host.fake(
        "kubeadm",
        "if [[ $1 == version ]]; then echo v1.35.4; else cat \"$4\" >/fakes/config; echo kubeconfig; fi",
    );
    assert_eq!(host.run(&mint(&["dev", "ops"])).ok(), "kubeconfig\n");
    assert_eq!(host.read("/fakes/config").as_deref(), Some("kind: ClusterConfiguration\nkubernetesVersion: v1.35.4\n"));
    let call = &host.calls_of("kubeadm")[1];
    assert!(call.ends_with("--client-name ann --validity-period 1h0m0s --org dev --org ops"), "{call}");
}
