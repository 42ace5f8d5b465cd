//! The shape of a kubeconfig: which fields there may be, and which entries its context chooses.

use serde_json::{Map, Value};

use super::KubeconfigError;

/// kubeadm writes one of each. Whoever works with the file by hand may have a few more.
const MOST_ENTRIES: usize = 16;
const LONGEST_NAME: usize = 300;
/// `users[0].user.FIELD` is four levels deep.
const DEEPEST: usize = 8;

/// Fields that run commands, read files, lead elsewhere or weaken trust. They are named when they are refused; other
/// fields may be anything, even a secret in the wrong place, and are not.
pub(super) const REFUSED: [&str; 19] = [
    "exec",
    "auth-provider",
    "tokenFile",
    "token",
    "certificate-authority",
    "client-certificate",
    "client-key",
    "proxy-url",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "disable-compression",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
    "extensions",
    "preferences",
];

/// An object of the file, and the path to it.
pub(super) struct Entry {
    path: String,
    fields: Map<String, Value>,
}

/// What `current-context` leads to.
pub(super) struct Chosen {
    pub(super) cluster: Entry,
    pub(super) user: Entry,
}

/// Takes the file apart. Entries that are not chosen must be as harmless as those that are.
pub(super) fn read(text: &str) -> Result<Chosen, KubeconfigError> {
    let mut file = Entry::new(String::new(), yaml(text)?)?;
    file.has_only(&["apiVersion", "kind", "clusters", "users", "contexts", "current-context", "preferences"])?;
    for (name, expected) in [("apiVersion", "v1"), ("kind", "Config")] {
        if file.text(name)? != expected {
            return Err(KubeconfigError::wrong(name, "is not that of a kubeconfig"));
        }
    }
    // Of old, an empty object is always written.
    if file.fields.get("preferences").is_some_and(|it| it.as_object().is_none_or(|it| !it.is_empty())) {
        return Err(KubeconfigError::NotAccepted { field: "preferences".to_owned() });
    }
    let current = name(&file, "current-context")?;
    let clusters = file.entries("clusters", "cluster", &["server", "certificate-authority-data"])?;
    let users = file.entries("users", "user", &["client-certificate-data", "client-key-data"])?;
    let contexts = file.entries("contexts", "context", &["cluster", "user", "namespace"])?;
    let context = chosen(contexts, &current, "current-context")?;
    let (cluster, user) = (name(&context, "cluster")?, name(&context, "user")?);
    Ok(Chosen {
        cluster: chosen(clusters, &cluster, &context.field("cluster"))?,
        user: chosen(users, &user, &context.field("user"))?,
    })
}

/// A document without aliases, merged or doubled keys, which would let a small file stand for a large or another one.
fn yaml(text: &str) -> Result<Value, KubeconfigError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST, flow_nesting_limit: DEEPEST, max_aliases: 0, max_anchors: 0, max_documents: 1,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|_| KubeconfigError::NotYaml)
}

impl Entry {
    fn new(path: String, value: Value) -> Result<Self, KubeconfigError> {
        match value {
            Value::Object(fields) => Ok(Self { path, fields }),
            _ => Err(KubeconfigError::wrong(called(&path), "is not an object")),
        }
    }

    /// The path of a field of it.
    pub(super) fn field(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field that must be text.
    pub(super) fn text(&self, name: &str) -> Result<&str, KubeconfigError> {
        match self.fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            None | Some(Value::Null | Value::String(_)) => Err(KubeconfigError::missing(self.field(name))),
            Some(_) => Err(KubeconfigError::wrong(self.field(name), "is not text")),
        }
    }

    fn has_only(&self, known: &[&str]) -> Result<(), KubeconfigError> {
        let unknown = || self.fields.keys().filter(|name| !known.contains(&name.as_str()));
        if let Some(refused) = REFUSED.iter().find(|refused| unknown().any(|name| name == *refused)) {
            return Err(KubeconfigError::NotAccepted { field: self.field(refused) });
        }
        if unknown().next().is_some() {
            return Err(KubeconfigError::UnknownField { place: called(&self.path).to_owned() });
        }
        Ok(())
    }

    /// The entries of a list, by their names. Each has a name and an object with some of these fields.
    fn entries(&mut self, list: &str, kind: &str, known: &[&str]) -> Result<Vec<(String, Entry)>, KubeconfigError> {
        let values = match self.fields.remove(list) {
            Some(Value::Array(values)) => values,
            None | Some(Value::Null) => return Err(KubeconfigError::missing(list)),
            Some(_) => return Err(KubeconfigError::wrong(list, "is not a list")),
        };
        if values.len() > MOST_ENTRIES {
            return Err(KubeconfigError::wrong(list, "has too many entries"));
        }
        let mut entries: Vec<(String, Entry)> = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let mut outer = Entry::new(format!("{list}[{index}]"), value)?;
            outer.has_only(&["name", kind])?;
            let name = name(&outer, "name")?;
            if entries.iter().any(|(other, _)| *other == name) {
                return Err(KubeconfigError::wrong(outer.field("name"), "is the name of an earlier one, too"));
            }
            let path = outer.field(kind);
            let inner = outer.fields.remove(kind).ok_or_else(|| KubeconfigError::missing(&path))?;
            let inner = Entry::new(path, inner)?;
            inner.has_only(known)?;
            entries.push((name, inner));
        }
        Ok(entries)
    }
}

/// What a message calls the object at this path.
fn called(path: &str) -> &str {
    if path.is_empty() { "the file" } else { path }
}

/// A field that names an entry.
fn name(entry: &Entry, field: &str) -> Result<String, KubeconfigError> {
    let name = entry.text(field)?;
    if name.len() > LONGEST_NAME {
        return Err(KubeconfigError::wrong(entry.field(field), "is too long"));
    }
    Ok(name.to_owned())
}

fn chosen(entries: Vec<(String, Entry)>, name: &str, by: &str) -> Result<Entry, KubeconfigError> {
    let entry = entries.into_iter().find(|(its, _)| its == name);
    entry.map(|(_, entry)| entry).ok_or_else(|| KubeconfigError::wrong(by, "names nothing in the file"))
}
