//! The world of this provider: a folder with one JSON file per box.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tfplugin::{Diagnostic, Diagnostics, Value};

#[derive(Default)]
pub(crate) struct Store {
    folder: Mutex<Option<PathBuf>>,
}

impl Store {
    pub(crate) fn open(&self, folder: Option<PathBuf>) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = folder;
    }

    fn path(&self, name: &str) -> Result<PathBuf, Diagnostics> {
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unknown = || Diagnostic::error("the folder is not known yet", "Boxes cannot be reached without it.");
        Ok(folder.ok_or_else(unknown)?.join(name))
    }

    pub(crate) fn write(&self, name: &str, content: &Value) -> Result<(), Diagnostics> {
        let path = self.path(&format!("{name}.json"))?;
        let json = content.to_json().map_err(|error| Diagnostic::bug("cannot store a box", error))?;
        fs::write(&path, json.to_string()).map_err(|error| failure("write", &error))
    }

    pub(crate) fn read(&self, name: &str) -> Result<Option<Value>, Diagnostics> {
        match fs::read(self.path(&format!("{name}.json"))?) {
            Ok(bytes) => {
                let json: serde_json::Value =
                    serde_json::from_slice(&bytes).map_err(|error| failure("read", &error.into()))?;
                Ok(Some(json.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure("read", &error)),
        }
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Diagnostics> {
        match fs::remove_file(self.path(&format!("{name}.json"))?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure("remove", &error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, Diagnostics> {
        let entries = fs::read_dir(self.path("")?).map_err(|error| failure("list", &error))?;
        let names =
            entries.flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    /// Leaves a line behind, so that a test can see what happened.
    pub(crate) fn note(&self, line: &str) {
        use io::Write;
        if let Ok(path) = self.path("notes")
            && let Ok(mut notes) = fs::File::options().create(true).append(true).open(path)
        {
            writeln!(notes, "{line}").ok();
        }
    }
}

fn failure(what: &str, error: &io::Error) -> Diagnostics {
    Diagnostic::error(format!("could not {what} a box"), error.to_string()).into()
}
