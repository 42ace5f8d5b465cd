//! A restore of etcd: from which data, and whether it was done already.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterSpec, FieldPath, Finding, KubernetesVersion};

/// Which data etcd is restored from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// Name of a snapshot in `/var/backups/kubeone` on a control plane, or path of a snapshot on the machine that runs
    /// Terraform. A path contains a `/` and ends in `.db`, or in `.age` if the snapshot is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Name of the control plane whose data the cluster continues with after most etcd members were lost for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survivor: Option<String>,
    /// Any new value runs the same restore again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
}

/// Separates the source from the trigger in a key.
const TRIGGER: &str = " (trigger `";

/// The source of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreSource<'a> {
    /// A snapshot on a control plane, by name.
    OnHost(&'a str),
    /// A file on the machine that runs Terraform.
    Local(&'a Path),
    /// The data of this control plane.
    Survivor(&'a str),
}

impl Restore {
    /// `None` unless exactly one source is set, which validation requires.
    pub fn source(&self) -> Option<RestoreSource<'_>> {
        match (&self.snapshot, &self.survivor) {
            (Some(path), None) if path.contains('/') => Some(RestoreSource::Local(Path::new(path))),
            (Some(name), None) => Some(RestoreSource::OnHost(name)),
            (None, Some(host)) => Some(RestoreSource::Survivor(host)),
            _ => None,
        }
    }

    /// Identifies this restore. The same snapshot has the same key wherever it is stored.
    pub fn key(&self) -> Option<String> {
        let what = self.source()?.to_string();
        Some(match &self.trigger {
            Some(trigger) => format!("{what}{TRIGGER}{trigger}`)"),
            None => what,
        })
    }

    /// Whether a restore with this key already did what these settings ask for. Removing the trigger asks for nothing
    /// new.
    pub fn is_done_by(&self, key: &str) -> bool {
        let Some(wanted) = self.key() else { return false };
        let without_trigger = || key.split_once(TRIGGER).map_or(key, |(what, _)| what);
        key == wanted || self.trigger.is_none() && without_trigger() == wanted
    }
}

impl<'a> RestoreSource<'a> {
    /// The name that `backup` gave the snapshot; `None` if the source is not a snapshot.
    pub fn snapshot(&self) -> Option<&'a str> {
        match self {
            Self::OnHost(name) => Some(name),
            Self::Local(path) => path.file_stem()?.to_str(),
            Self::Survivor(_) => None,
        }
    }

    /// The Kubernetes version in the name of the snapshot.
    pub fn kubernetes_version(&self) -> Option<KubernetesVersion> {
        self.snapshot()?.rsplit_once("-v")?.1.parse().ok()
    }

    /// Whether it is an encrypted file, which also contains the keys of the cluster.
    pub fn is_bundle(&self) -> bool {
        matches!(self, Self::Local(path) if path.extension().is_some_and(|kind| kind == "age"))
    }
}

impl fmt::Display for RestoreSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.snapshot()) {
            (Self::Survivor(host), _) => write!(f, "the data of {host}"),
            (_, Some(name)) => write!(f, "snapshot {name}"),
            (_, None) => f.write_str("a snapshot"),
        }
    }
}

/// Errors in the settings of a restore.
pub(crate) fn findings(spec: &ClusterSpec) -> Vec<Finding> {
    let Some(restore) = &spec.restore else { return Vec::new() };
    let path = FieldPath::root("restore");
    let Some(source) = restore.source() else {
        return vec![
            Finding::error(
                path.clone(),
                "a restore needs either `snapshot` or `survivor`",
                "`snapshot` is the snapshot to restore from. `survivor` is the control plane whose data is left after the others \
                 were lost.",
            )
            .derived_from(path.clone().field("snapshot"))
            .derived_from(path.field("survivor")),
        ];
    };
    let mut findings = Vec::new();
    match source {
        RestoreSource::Survivor(host) if !spec.control_plane.contains_key(host) => findings.push(
            Finding::error(
                path.clone().field("survivor"),
                format!("`{host}` is not a control plane"),
                "Write a key of `control_plane`.",
            )
            .derived_from(FieldPath::root("control_plane")),
        ),
        RestoreSource::Local(file) if !file.extension().is_some_and(|kind| kind == "db" || kind == "age") => {
            findings.push(Finding::error(
                path.clone().field("snapshot"),
                format!("`{}` is not a snapshot file", file.display()),
                "The name of a snapshot file ends in `.db`, or in `.age` if it is encrypted.",
            ));
        }
        RestoreSource::Local(_) | RestoreSource::OnHost(_) if source.kubernetes_version().is_none() => {
            findings.push(Finding::error(
                path.clone().field("snapshot"),
                format!("`{}` is not the name of a snapshot", source.snapshot().unwrap_or_default()),
                "It ends in the Kubernetes version of the cluster, such as `prod-20260102T030405Z-r7-v1.36.3`. If the file was \
                 renamed, give it its original name.",
            ));
        }
        _ => {}
    }
    if restore.trigger.as_deref() == Some("") {
        findings.push(Finding::error(
            path.field("trigger"),
            "the trigger is empty",
            "Any other new value restores again. Remove the attribute to restore only once.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: &str = "prod-20260102T030405Z-r7-v1.36.3";

    fn restore(snapshot: &str) -> Restore {
        Restore { snapshot: Some(snapshot.to_owned()), ..Restore::default() }
    }

    #[test]
    fn a_snapshot_is_the_same_wherever_it_is_stored() {
        let file = format!("/backups/{NAME}.age");
        assert_eq!(restore(NAME).key(), restore(&file).key());
        assert_eq!(restore(&file).source().unwrap().kubernetes_version(), Some(KubernetesVersion::new(1, 36, 3)));
        assert!(restore(&file).source().unwrap().is_bundle() && !restore(NAME).source().unwrap().is_bundle());
        let again = Restore { trigger: Some("again".to_owned()), ..restore(NAME) };
        assert_eq!(again.key().unwrap(), format!("snapshot {NAME} (trigger `again`)"));
    }

    #[test]
    fn only_a_new_trigger_repeats_a_restore() {
        let with = |trigger: &str| Restore { trigger: Some(trigger.to_owned()), ..restore(NAME) };
        let other = Restore { survivor: Some("cp-1".to_owned()), ..Restore::default() };
        for (wanted, done, expected) in [
            (restore(NAME), restore(NAME), true),
            (restore(NAME), with("a"), true),
            (with("a"), with("a"), true),
            (with("b"), with("a"), false),
            (with("a"), restore(NAME), false),
            (other, with("a"), false),
        ] {
            assert_eq!(wanted.is_done_by(&done.key().unwrap()), expected, "{wanted:?} after {done:?}");
        }
    }

    #[test]
    fn each_mistake_is_named_with_its_path() {
        let found = |restore: serde_json::Value| {
            let spec = serde_json::from_value(json!({
                "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
                "control_plane": { "cp-1": { "address": "10.0.0.1" } }, "restore": restore,
            }));
            let texts = findings(&spec.unwrap()).into_iter().map(|it| format!("{}: {}", it.path, it.summary));
            texts.collect::<Vec<_>>().join("; ")
        };
        let both = json!({ "snapshot": NAME, "survivor": "cp-1" });
        for (restore, expected) in [
            (json!({ "snapshot": NAME, "trigger": "x" }), ""),
            (json!({ "snapshot": format!("./{NAME}.db") }), ""),
            (json!({ "survivor": "cp-1" }), ""),
            (json!({}), "restore: a restore needs either `snapshot` or `survivor`"),
            (both, "restore: a restore needs either `snapshot` or `survivor`"),
            (json!({ "survivor": "w-1" }), "restore.survivor: `w-1` is not a control plane"),
            (json!({ "snapshot": "x" }), "restore.snapshot: `x` is not the name of a snapshot"),
            (json!({ "snapshot": "./x.zip" }), "restore.snapshot: `./x.zip` is not a snapshot file"),
            (json!({ "survivor": "cp-1", "trigger": "" }), "restore.trigger: the trigger is empty"),
        ] {
            assert_eq!(found(restore), expected);
        }
    }
}
