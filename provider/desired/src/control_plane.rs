//! How the components of the control plane run: arguments, mounts and the files behind them. kubeadm's configuration, new
//! manifests and the comparison with what runs all come from this value.

use std::collections::BTreeMap;

use kubeone_spec::Secret;
use sha2::{Digest, Sha256};

/// Where the files of components lie. Each control plane gets its own, rendered from the settings.
pub const FOLDER: &str = "/etc/kubernetes/kubeone-files/";

/// The four static pods that kubeadm makes. They are exchanged in the order of [`Component::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
}

impl Component {
    pub const ALL: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// The name of its manifest and of its container.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }
}

/// What the settings want of the control plane, on each of its hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlPlane {
    pub(crate) arguments: BTreeMap<Component, BTreeMap<&'static str, String>>,
    mounts: BTreeMap<Component, Vec<Mount>>,
    files: BTreeMap<&'static str, File>,
}

/// A folder or a file of the host that a component sees under the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount {
    pub name: &'static str,
    pub path: &'static str,
    pub read_only: bool,
    pub kind: MountKind,
}

/// What has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    File,
    /// It is made where it is missing.
    Directory,
}

impl MountKind {
    /// In the words of Kubernetes' `hostPath.type`.
    pub fn path_type(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Directory => "DirectoryOrCreate",
        }
    }
}

/// A file of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub content: Content,
    /// Who reads it at its start only.
    pub component: Component,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Public(String),
    /// For root only; compared by a salted hash.
    Secret(Secret<String>),
    /// A secret whose value is not known now.
    Unknown,
}

impl ControlPlane {
    /// Sets an argument.
    pub(crate) fn argument(&mut self, component: Component, name: &'static str, value: impl Into<String>) {
        self.arguments.entry(component).or_default().insert(name, value.into());
    }

    /// Mounts a path of the host.
    pub(crate) fn mount(&mut self, component: Component, mount: Mount) {
        self.mounts.entry(component).or_default().push(mount);
    }

    /// Adds a file that a component reads at its start, and mounts it.
    pub(crate) fn file(&mut self, component: Component, name: &'static str, path: &'static str, content: Content) {
        self.mount(component, Mount { name, path, read_only: true, kind: MountKind::File });
        self.files.insert(path, File { content, component });
    }

    /// The same of a secret. Where it is not known, as in a refresh, the file is wanted and what is in it is not judged.
    pub(crate) fn secret_file(
        &mut self,
        component: Component,
        name: &'static str,
        path: &'static str,
        content: Option<Secret<String>>,
    ) {
        self.file(component, name, path, content.map_or(Content::Unknown, Content::Secret));
    }

    pub fn arguments(&self, component: Component) -> impl Iterator<Item = (&'static str, &str)> {
        self.arguments.get(&component).into_iter().flatten().map(|(name, value)| (*name, value.as_str()))
    }

    pub fn mounts(&self, component: Component) -> &[Mount] {
        self.mounts.get(&component).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn files(&self) -> impl Iterator<Item = (&'static str, &File)> {
        self.files.iter().map(|(path, file)| (*path, file))
    }
}

/// SHA-256 as hexadecimal digits.
pub fn sha256(content: &str) -> String {
    hex::encode(Sha256::digest(content))
}

/// The fingerprint of a secret on a host with this salt.
pub fn fingerprint(salt: &str, content: &Secret<String>) -> String {
    sha256(&format!("{salt}{}", content.expose()))
}
