//! Writes the copy of a snapshot: each file under another name first, and under its own when it lies safely on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use age::Encryptor;
use age::x25519::Recipient;
use kubeone_facts::Snapshot;
use kubeone_facts::snapshot::is_plain;
use kubeone_hosts::RemoteFile;
use tar::{Builder, EntryType, Header};

use super::content::Weighed;

/// A copy that is to be made.
pub(crate) struct NewCopy {
    pub(crate) folder: PathBuf,
    pub(crate) snapshot: Snapshot,
    /// Without it the copy is not encrypted.
    pub(crate) seal: Option<Seal>,
}

/// For whom a copy is encrypted, and what it holds beside the snapshot.
pub(crate) struct Seal {
    recipients: Vec<Recipient>,
    pub(crate) files: Vec<RemoteFile>,
}

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("`{}` could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{recipient}` is not a public key of age: {reason}")]
    Recipient { recipient: String, reason: String },
    #[error("the snapshot could not be encrypted")]
    Encrypt(#[from] age::EncryptError),
    #[error("`{name}` is not the name of a snapshot")]
    Name { name: String },
    #[error("what the host has under this name is not the snapshot that was taken: its checksum is another one")]
    Damaged,
}

impl Seal {
    pub(crate) fn new(recipients: &[String], files: Vec<RemoteFile>) -> Result<Self, CopyError> {
        let parse = |text: &String| {
            let refused = |reason: &str| CopyError::Recipient { recipient: text.clone(), reason: reason.to_owned() };
            Recipient::from_str(text).map_err(refused)
        };
        Ok(Self { recipients: recipients.iter().map(parse).collect::<Result<_, _>>()?, files })
    }

    /// The archive with all of it, from its first byte to its last.
    fn write(&self, snapshot: &Snapshot, database: impl Read, file: &File) -> Result<(), Problem> {
        let recipients = self.recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let mut archive = Builder::new(Encryptor::with_recipients(recipients)?.wrap_output(file)?);
        let description = description(snapshot)?;
        add(&mut archive, &format!("{}.json", snapshot.name), 0o600, description.len() as u64, &*description)?;
        for file in &self.files {
            let (path, content) = (file.path.to_string_lossy(), file.content.expose());
            add(&mut archive, path.trim_start_matches('/'), file.mode, content.len() as u64, &**content)?;
        }
        let mut weighed = Weighed::new(database);
        add(&mut archive, &format!("{}.db", snapshot.name), 0o600, snapshot.content.size, &mut weighed)?;
        if !weighed.is(&snapshot.content) {
            return Err(Problem::Damaged);
        }
        archive.into_inner()?.finish()?;
        Ok(())
    }
}

/// A [`CopyError`] that does not know its file yet.
enum Problem {
    Write(io::Error),
    Encrypt(age::EncryptError),
    Damaged,
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<age::EncryptError> for Problem {
    fn from(error: age::EncryptError) -> Self {
        Self::Encrypt(error)
    }
}

fn copy_plain(snapshot: &Snapshot, database: impl Read, mut file: &File) -> Result<(), Problem> {
    let mut weighed = Weighed::new(database);
    io::copy(&mut weighed, &mut file)?;
    if weighed.is(&snapshot.content) { Ok(()) } else { Err(Problem::Damaged) }
}

fn add(archive: &mut Builder<impl Write>, name: &str, mode: u32, size: u64, data: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_size(size);
    archive.append_data(&mut header, name, data)
}

fn description(snapshot: &Snapshot) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(snapshot)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes the copy and answers its path. `database` is the snapshot as the host has it; if that is not what was taken,
/// there will be no copy.
pub(crate) fn write(copy: &NewCopy, database: impl Read) -> Result<PathBuf, CopyError> {
    let NewCopy { folder, snapshot, seal } = copy;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CopyError::Write { path, source }
    };
    // It becomes the name of a file here, whoever made it.
    if !is_plain(&snapshot.name) {
        return Err(CopyError::Name { name: snapshot.name.clone() });
    }
    make_folder(folder).map_err(failed(folder))?;
    let kind = if seal.is_some() { "age" } else { "db" };
    let draft = Draft::begin(folder, &format!("{}.{kind}", snapshot.name))?;
    let target = draft.target.clone();
    let written = match seal {
        Some(seal) => seal.write(snapshot, database, &draft.file),
        None => copy_plain(snapshot, database, &draft.file),
    };
    written.map_err(|error| match error {
        Problem::Write(source) => CopyError::Write { path: target.clone(), source },
        Problem::Encrypt(error) => CopyError::Encrypt(error),
        Problem::Damaged => CopyError::Damaged,
    })?;
    draft.keep().map_err(failed(&target))?;
    if seal.is_none() {
        let draft = Draft::begin(folder, &format!("{}.json", snapshot.name))?;
        let path = draft.target.clone();
        let written = description(snapshot).and_then(|text| (&draft.file).write_all(&text));
        written.and_then(|()| draft.keep()).map_err(failed(&path))?;
    }
    Ok(target)
}

/// A file that is being written. Dropped before it is kept, it is removed.
struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    fn begin(folder: &Path, name: &str) -> Result<Self, CopyError> {
        let path = folder.join(format!(".{name}.new"));
        let failed = |source| CopyError::Write { path: path.clone(), source };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // It must be new: a file that somebody else has put there could be read by others.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        Ok(Self { file, target: folder.join(name), path })
    }

    fn keep(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        // On other systems a folder cannot be opened, and need not.
        #[cfg(unix)]
        if let Some(folder) = self.target.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the renaming there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Folders that are not there yet are made for their owner alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
