//! Operating systems: folders of scripts, each with the ones of the system it is based on.

use serde::Deserialize;
use thiserror::Error;

use crate::Script;

/// A folder of `os/`, embedded at build time.
struct Folder {
    id: &'static str,
    manifest: &'static str,
    scripts: &'static [(&'static str, &'static str)],
    /// What its scripts have in common: the folder `functions`.
    functions: &'static [(&'static str, &'static str)],
}

static FOLDERS: &[Folder] = &include!(concat!(env!("OUT_DIR"), "/os_folders.rs"));

/// `os.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The system whose scripts are used where this one has none of its own.
    based_on: Option<String>,
}

/// An operating system we know.
#[derive(Clone)]
pub struct Os {
    /// Itself first, then what it is based on.
    chain: Vec<&'static Folder>,
}

/// An operating system or a script that we do not have.
#[derive(Debug, Error)]
pub enum OsError {
    #[error("the operating system `{id}` is not supported; supported are {}", .supported.join(", "))]
    Unsupported { id: String, supported: Vec<&'static str> },
    #[error("there is no script `{script}` for the operating system `{id}`")]
    NoScript { id: &'static str, script: String },
    #[error("`os/{id}/os.toml` cannot be read")]
    Manifest { id: &'static str, source: Box<toml::de::Error> },
    #[error("`os/{id}/os.toml` is based on `{based_on}`, which does not exist or is based on `{id}` itself")]
    Base { id: &'static str, based_on: String },
}

impl Os {
    /// The system with this `ID` of `/etc/os-release`, or else the first of its `ID_LIKE` that we know.
    pub fn lookup(id: &str, id_like: &str) -> Result<Self, OsError> {
        std::iter::once(id)
            .chain(id_like.split_whitespace())
            .filter(|id| *id != COMMON)
            .find_map(folder)
            .ok_or_else(|| OsError::Unsupported { id: id.to_owned(), supported: Self::supported() })
            .and_then(Self::with_bases)
    }

    /// What all systems share, for work on a host whose system is not known or does not matter.
    pub fn common() -> Self {
        Self { chain: folder(COMMON).into_iter().collect() }
    }

    /// The ids we know.
    pub fn supported() -> Vec<&'static str> {
        FOLDERS.iter().map(|folder| folder.id).filter(|id| *id != COMMON).collect()
    }

    pub fn id(&self) -> &'static str {
        self.chain.first().map_or(COMMON, |folder| folder.id)
    }

    /// The script `<name>.sh` of this system, or of the nearest system it is based on, with the functions it names in its
    /// header. They are looked for in the same way.
    pub fn script(&self, name: &str) -> Result<Script, OsError> {
        let file = format!("{name}.sh");
        let (id, body) = self.nearest(|folder| folder.scripts, &file)?;
        let mut script = Script::new(format!("os/{id}/{file}"), body);
        for name in functions_of(body) {
            let (_, functions) = self.nearest(|folder| folder.functions, &format!("{name}.sh"))?;
            script = script.functions(functions);
        }
        Ok(script)
    }

    /// The folder that has this file, and what is in it.
    fn nearest(
        &self,
        files: impl Fn(&Folder) -> &'static [(&'static str, &'static str)],
        file: &str,
    ) -> Result<(&'static str, &'static str), OsError> {
        let in_folder =
            |folder: &&'static Folder| files(folder).iter().find(|(name, _)| *name == file).map(|it| (folder.id, it.1));
        let found = self.chain.iter().find_map(in_folder);
        found.ok_or_else(|| OsError::NoScript { id: self.id(), script: file.to_owned() })
    }

    fn with_bases(first: &'static Folder) -> Result<Self, OsError> {
        let mut chain = vec![first];
        let mut current = first;
        while let Some(based_on) = manifest(current)?.based_on {
            let base = folder(&based_on).filter(|base| chain.iter().all(|earlier| earlier.id != base.id));
            current = base.ok_or(OsError::Base { id: current.id, based_on })?;
            chain.push(current);
        }
        Ok(Self { chain })
    }
}

/// The names in the line `# Functions: …` of a script's header.
fn functions_of(body: &str) -> impl Iterator<Item = &str> {
    let header = body.lines().take_while(|line| line.starts_with('#'));
    let names = header.filter_map(|line| line.strip_prefix("# Functions: ")).flat_map(|names| names.split(", "));
    names.map(|name| name.trim_end_matches('.'))
}

/// The folder that no host is named after.
const COMMON: &str = "linux";

fn folder(id: &str) -> Option<&'static Folder> {
    FOLDERS.iter().find(|folder| folder.id == id)
}

fn manifest(folder: &'static Folder) -> Result<Manifest, OsError> {
    toml::from_str(folder.manifest).map_err(|source| OsError::Manifest { id: folder.id, source: Box::new(source) })
}

#[cfg(test)]
#[path = "os/observed.rs"]
mod observed;
#[cfg(test)]
#[path = "os/tests.rs"]
mod tests;
