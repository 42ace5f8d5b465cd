//! A control plane for scripts: a component runs as long as its manifest is where the kubelet looks.

use crate::sandbox::Sandbox;

pub(crate) const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// containerd and the kubelet together, and the mounting of images, of which there is one: etcd's.
const CTR: &str = r#"
shift 2
case $* in
  'containers list --quiet '*)
    name=${4#*==}
    name=${name%%,*}
    if [[ -e /etc/kubernetes/manifests/$name.yaml || -e /fakes/stays/$name ]]; then echo "c-$name"; fi
    if [[ -e /fakes/dead/$name ]]; then echo "c-$name-earlier"; fi
    ;;
  'tasks list')
    echo 'TASK PID STATUS'
    for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
      if [[ ! -e /fakes/created/$name ]]; then echo "c-$name 7 RUNNING"; fi
      if [[ -e /fakes/dead/$name ]]; then echo "c-$name-earlier 0 STOPPED"; fi
    done
    ;;
  'containers info c-'*) printf '{"Labels": {"io.kubernetes.pod.uid": "uid-%s"}}\n' "${3#c-}" ;;
  'tasks kill '*) rm -f "/fakes/stays/${5#c-}" ;;
  'images mount '*) mount --bind /fakes/image "$4" ;;
  'images list --quiet') echo registry.k8s.io/etcd:3.6.6-0 ;;
  'images pull '*) ;;
  'snapshots remove '*) ;;
  *) unexpected ;;
esac
"#;

const CURL: &str = r#"
url=${*: -1}
case $url in
  https://127.0.0.1:2379/health) if [[ -e /etc/kubernetes/manifests/etcd.yaml ]]; then echo '{"health":"true","reason":""}'; else exit 7; fi ;;
  https://kubernetes:6443/readyz) [[ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]] || exit 7 ;;
  https://127.0.0.1:6443/*z) [[ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]] || exit 7 ;;
  https://127.0.0.1:10257/healthz | https://127.0.0.1:10259/healthz) ;;
  *) unexpected ;;
esac
"#;

/// etcd's own programs: the database of a member is a text, and a restored one says of what.
const ETCDUTL: &str = r#"
case $* in
  'snapshot restore '*)
    if [[ -e $5 ]]; then echo "data-dir $5 not empty" >&2; exit 1; fi
    mkdir -p "$5/member/snap" "$5/member/wal"
    sed 's/^/restored from /' "$3" >"$5/member/snap/db"
    ;;
  'snapshot status '*) printf '{"hash":1,"revision":%d,"totalKey":3}\n' "$(cat /fakes/revision)" ;;
  *) unexpected ;;
esac
"#;

const ETCDCTL: &str = r#"
case $* in
  *'endpoint health') [[ -e member ]] ;;
  *'snapshot save '*) sed 's/^/saved /' member/snap/db >"${*: -1}" ;;
  *' del --prefix '*) ;;
  *) unexpected ;;
esac
"#;

impl Sandbox {
    /// A control plane of one member that runs, with the stand-ins of what its scripts ask.
    pub(crate) fn control_plane() -> Self {
        let sandbox = Self::new();
        for name in COMPONENTS {
            sandbox.file(&format!("/etc/kubernetes/manifests/{name}.yaml"), &manifest(name));
        }
        sandbox
            .file("/var/lib/etcd/member/snap/db", "first\n")
            .file("/etc/kubeone/recorded/files.sha256", "x\n")
            .file("/fakes/revision", "41")
            .fake("ctr", CTR)
            .fake("curl", CURL)
            .fake("systemctl", "");
        for (name, lines) in [("etcd", "exec sleep 60"), ("etcdctl", ETCDCTL), ("etcdutl", ETCDUTL)] {
            sandbox.fake(name, lines);
            let image = sandbox.path("/fakes/image/usr/local/bin");
            std::fs::create_dir_all(&image).unwrap();
            std::fs::rename(sandbox.path("/fakes/bin").join(name), image.join(name)).unwrap();
        }
        sandbox
    }

    /// The same, with the stand-ins of what a reset asks beyond that; none of them finds anything.
    pub(crate) fn leaving() -> Self {
        let sandbox = Self::control_plane();
        sandbox.fake("ctr", "").fake("ip", "").fake("ipset", "").fake("pkill", "");
        for family in ["iptables", "ip6tables"] {
            for backend in ["", "-nft", "-legacy"] {
                for verb in ["save", "restore"] {
                    sandbox.fake(&format!("{family}{backend}-{verb}"), "");
                }
            }
        }
        sandbox
    }

    /// The components whose manifests the kubelet sees.
    pub(crate) fn running(&self) -> Vec<String> {
        let names = self.tree("/etc/kubernetes/manifests");
        names.into_iter().filter_map(|name| Some(name.strip_suffix(".yaml")?.to_owned())).collect()
    }
}

fn manifest(name: &str) -> String {
    let image = if name == "etcd" { "etcd:3.6.6-0".to_owned() } else { format!("{name}:v1.35.4") };
    let arguments = if name == "etcd" {
        "    - --initial-advertise-peer-urls=https://10.0.0.1:2380\n    - --name=cp-1\n"
    } else {
        ""
    };
    format!("spec:\n  containers:\n  - command:\n    - {name}\n{arguments}    image: registry.k8s.io/{image}\n")
}
