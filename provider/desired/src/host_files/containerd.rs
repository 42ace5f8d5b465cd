//! containerd's configuration.

use toml::{Table, Value};

pub const CONFIG: &str = "/etc/containerd/config.toml";

/// Only what differs from containerd's defaults: systemd owns the cgroups, as it does for the kubelet, and the pause
/// image is kubeadm's, so that it is pulled once and never collected.
pub(super) fn config(pause_image: &str) -> String {
    let options = table([("SystemdCgroup", true.into())]);
    let runc = table([("runtime_type", "io.containerd.runc.v2".into()), ("options", options)]);
    let runtime = table([("containerd", table([("runtimes", table([("runc", runc)]))]))]);
    let images = table([
        ("pinned_images", table([("sandbox", pause_image.into())])),
        ("registry", table([("config_path", "/etc/containerd/certs.d".into())])),
    ]);
    let plugins = table([("io.containerd.cri.v1.images", images), ("io.containerd.cri.v1.runtime", runtime)]);
    document([("version", 3.into()), ("plugins", plugins)]).to_string()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(document(entries))
}

fn document<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
