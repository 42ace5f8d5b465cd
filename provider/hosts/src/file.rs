//! Files on a host: many in one round trip, replaced in one move.

use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubeone_spec::Secret;
use sha2::{Digest as _, Sha256};

use crate::{HostError, Output, Script};

const READ_PART: &str = "file/read_part.sh";

/// A file as it must be on the host. It belongs to root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub path: PathBuf,
    pub content: Secret<Vec<u8>>,
    pub mode: u32,
}

impl RemoteFile {
    /// A file that everybody may read.
    pub fn public(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: Secret::new(content.into()), mode: 0o644 }
    }

    /// A file that only root may read.
    pub fn private(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self { mode: 0o600, ..Self::public(path, content) }
    }

    /// In the form in which `sha256sum` prints it.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.content.expose()))
    }
}

/// The script that writes `files`, with their content on its stdin.
pub(crate) fn write_script(files: &[RemoteFile]) -> Result<Script, HostError> {
    let mut input = Vec::new();
    for file in files {
        let (path, sha256, size) = (remote_path(&file.path)?, file.sha256(), file.content.expose().len());
        input.extend_from_slice(format!("{path}\n{:o} {sha256} {size}\n", file.mode).as_bytes());
        input.extend_from_slice(file.content.expose());
    }
    Ok(Script::new("file/write.sh", include_str!("file/write.sh")).input(Secret::new(input)))
}

/// For each file, whether it was changed.
pub(crate) fn parse_written(host: &str, files: &[RemoteFile], output: &Output) -> Result<Vec<bool>, HostError> {
    let answers: Option<Vec<bool>> = output
        .stdout
        .lines()
        .map(|line| match line {
            "changed" => Some(true),
            "same" => Some(false),
            _ => None,
        })
        .collect();
    answers.filter(|answers| answers.len() == files.len()).ok_or_else(|| HostError::Answer {
        host: host.to_owned(),
        script: "file/write.sh".to_owned(),
        problem: format!("expected {} times `changed` or `same`, got `{}`", files.len(), output.stdout.trim()),
    })
}

/// The script that reads the files at `paths`.
pub(crate) fn read_script(paths: &[&Path]) -> Result<Script, HostError> {
    let paths: Vec<String> = paths.iter().map(|path| remote_path(path)).collect::<Result<_, _>>()?;
    Ok(Script::new("file/read.sh", include_str!("file/read.sh")).lines("PATHS", paths))
}

/// For each path, the content, or `None` when there is no file.
pub(crate) fn parse_read(
    host: &str,
    paths: &[&Path],
    output: &Output,
) -> Result<Vec<Option<Secret<Vec<u8>>>>, HostError> {
    let unreadable =
        |problem: String| HostError::Answer { host: host.to_owned(), script: "file/read.sh".to_owned(), problem };
    let contents: Vec<Option<Secret<Vec<u8>>>> = output
        .stdout
        .lines()
        .map(|line| match line.strip_prefix("content ") {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map(|bytes| Some(Secret::new(bytes)))
                .map_err(|error| unreadable(error.to_string())),
            None => Ok(None),
        })
        .collect::<Result<_, _>>()?;
    if contents.len() == paths.len() {
        Ok(contents)
    } else {
        Err(unreadable(format!("expected {} files, got {}", paths.len(), contents.len())))
    }
}

/// The script that reads a part of the file at `path`.
pub(crate) fn read_part_script(path: &Path, offset: u64, length: u64) -> Result<Script, HostError> {
    let script = Script::new(READ_PART, include_str!("file/read_part.sh"));
    Ok(script.var("FILE", remote_path(path)?).var("OFFSET", offset).var("LENGTH", length))
}

pub(crate) fn parse_part(host: &str, output: &Output) -> Result<Secret<Vec<u8>>, HostError> {
    STANDARD.decode(output.stdout.trim()).map(Secret::new).map_err(|error| HostError::Answer {
        host: host.to_owned(),
        script: READ_PART.to_owned(),
        problem: error.to_string(),
    })
}

/// An absolute path in the host's own form, whatever system this program runs on.
fn remote_path(path: &Path) -> Result<String, HostError> {
    let mut text = String::new();
    for component in path.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => {
                text.push('/');
                text.push_str(name.to_str().filter(|name| !name.contains('\n')).ok_or_else(|| not_a_path(path))?);
            }
            _ => return Err(not_a_path(path)),
        }
    }
    if path.has_root() && !text.is_empty() { Ok(text) } else { Err(not_a_path(path)) }
}

fn not_a_path(path: &Path) -> HostError {
    HostError::Path { path: path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_must_be_absolute_and_plain() {
        assert_eq!(remote_path(&Path::new("/etc").join("kubeone")).unwrap(), "/etc/kubeone");
        for bad in ["etc/x", "/", "/etc/../x", "/etc/a\nb"] {
            assert!(remote_path(Path::new(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_of_another_length_is_refused() {
        let output = Output { stdout: "changed\nsame\n".to_owned(), ..Output::default() };
        let file = RemoteFile::public("/etc/x", "x");
        assert_eq!(parse_written("h", &[file.clone(), file.clone()], &output).unwrap(), [true, false]);
        assert!(parse_written("h", &[file], &output).is_err());
        assert!(parse_read("h", &[Path::new("/etc/x")], &output).is_err());
    }
}
