//! The log of one change: a file of JSON lines, each written as soon as its event happens.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tfplugin::visible_json;

use super::private::{create_new, make_folder};
use super::record::Line;

/// Two changes of one cluster do not begin in the same second; if they do, the second one's files get a number.
const MOST_IN_ONE_SECOND: u32 = 100;

pub(super) struct Log {
    file: Mutex<File>,
    path: PathBuf,
}

impl Log {
    /// A new file `<cluster>-<time>-<operation>.jsonl`; sorted by name, the files of a cluster are sorted by time.
    pub(super) fn create(folder: &Path, cluster: &str, operation: &str) -> io::Result<Self> {
        make_folder(folder)?;
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let mut number = 1;
        loop {
            let more = if number == 1 { String::new() } else { format!("-{number}") };
            let path = folder.join(format!("{cluster}-{time}-{operation}{more}.jsonl"));
            match create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST_IN_ONE_SECOND => {
                    number += 1;
                }
                opened => return Ok(Self { file: Mutex::new(opened?), path }),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One write for each line, so that nobody who follows the file reads half of one.
    pub(super) fn write(&self, line: &Line) -> io::Result<()> {
        // Programs read the very text; on a terminal it does nothing.
        let mut text = visible_json(&serde_json::to_string(line)?).into_owned();
        text.push('\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    }
}
