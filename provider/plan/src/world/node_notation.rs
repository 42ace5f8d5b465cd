//! The part of the notation for single nodes: `labels  w-1 pool=general`, `earlier taints  w-1 none`, and what happened
//! to such settings.

use kubeone_desired::kubelet;
use serde_json::{Map, Value, json};

use super::World;

/// The settings of one host for its node.
pub(super) struct NodeLine {
    /// It belongs to the earlier settings.
    earlier: bool,
    field: &'static str,
    host: String,
    value: Value,
}

const FIELDS: [&str; 4] = ["labels", "annotations", "taints", "kubelet"];

/// A line of the settings that concerns a node.
pub(super) fn read(key: &str, text: &str) -> Option<NodeLine> {
    let (earlier, key) = key.strip_prefix("earlier ").map_or((false, key), |key| (true, key));
    let field = FIELDS.into_iter().find(|field| *field == key)?;
    let mut words = text.split_whitespace().filter(|word| *word != "none").map(str::to_owned);
    let host = words.next().unwrap();
    let value = match field {
        "taints" => words.map(|word| taint(&word)).collect(),
        "kubelet" => kubelet_settings(words),
        _ => words.map(|word| pair(&word)).map(|(key, value)| (key, value.into())).collect::<Map<_, _>>().into(),
    };
    Some(NodeLine { earlier, field, host, value })
}

/// Adds the settings of these lines to a map of hosts: the earlier ones or the current ones.
pub(super) fn write(lines: &[NodeLine], hosts: &mut Value, with_earlier: bool) {
    for line in lines {
        let is_told_earlier =
            |line: &NodeLine| lines.iter().any(|it| it.earlier && it.host == line.host && it.field == line.field);
        let counts = if line.earlier { with_earlier } else { !(with_earlier && is_told_earlier(line)) };
        if counts && let Some(host) = hosts.get_mut(&line.host) {
            host[line.field] = line.value.clone();
        }
    }
}

fn pair(word: &str) -> (String, String) {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    (key.to_owned(), value.to_owned())
}

fn taint(word: &str) -> Value {
    json!(word.parse::<kubeone_spec::Taint>().unwrap())
}

/// `max_pods=200 system_reserved.memory=1Gi`.
fn kubelet_settings(words: impl Iterator<Item = String>) -> Value {
    let mut settings = json!({});
    for word in words {
        let (name, value) = pair(&word);
        match name.split_once('.') {
            Some((map, key)) => settings[map][key] = value.into(),
            None => settings[name] = value.parse::<u32>().map_or_else(|_| value.into(), Value::from),
        }
    }
    settings
}

/// Something that happened to a node's settings.
pub(super) fn then_happened(world: &mut World, name: &str, event: &str, value: &str) -> bool {
    match event {
        "label taken away" => _ = world.settings(name).labels.remove(value),
        "annotation taken away" => _ = world.settings(name).annotations.remove(value),
        "taint taken away" => world.settings(name).taints.retain(|taint| taint.to_string() != value),
        "taint of others" => world.settings(name).taints.push(value.parse().unwrap()),
        "kubelet settings edited" => "registerNode: false".clone_into(&mut world.facts(name).kubelet_settings),
        "kubelet settings not known to be good" => {
            world.facts(name).files.insert(kubelet::BEFORE.to_owned(), "before".to_owned());
        }
        _ => return false,
    }
    true
}
