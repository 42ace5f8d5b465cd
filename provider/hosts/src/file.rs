//! Files on a host: many in one round trip, replaced in one move.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubeone_spec::Secret;
use sha2::{Digest as _, Sha256};

use crate::{HostError, Output, Script};

const READ: &str = "file/read.sh";
const READ_PART: &str = "file/read_part.sh";

/// Whoever reads a file as a whole reads settings, certificates or keys.
const LARGEST_FILE: usize = 1 << 20;

/// What stands around the contents in an answer, for each of them.
const FRAME: usize = 64;

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
    // Room for all of it, with its head: a text that grows leaves its secrets where it lay before.
    let head = |file: &RemoteFile| file.path.as_os_str().len() + 128;
    let mut input = Vec::with_capacity(files.iter().map(|file| head(file) + file.content.expose().len()).sum());
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
    answers.filter(|answers| answers.len() == files.len()).ok_or_else(|| {
        let problem = format!("expected {} times `changed` or `same`, got `{}`", files.len(), output.stdout.trim());
        HostError::unreadable(host, "file/write.sh", problem)
    })
}

/// The script that reads the files at `paths`.
pub(crate) fn read_script(paths: &[&Path]) -> Result<Script, HostError> {
    let paths: Vec<String> = paths.iter().map(|path| remote_path(path)).collect::<Result<_, _>>()?;
    let script = Script::new(READ, include_str!("file/read.sh")).prints_at_most(paths.len() * in_base64(LARGEST_FILE));
    Ok(script.lines("PATHS", paths).var("LARGEST", LARGEST_FILE))
}

/// For each path, the content, or `None` when there is no file.
pub(crate) fn parse_read(
    host: &str,
    paths: &[&Path],
    output: &Output,
) -> Result<Vec<Option<Secret<Vec<u8>>>>, HostError> {
    let lines: Vec<&str> = output.stdout.lines().collect();
    if lines.len() != paths.len() {
        let problem = format!("expected {} files, got {}", paths.len(), lines.len());
        return Err(HostError::unreadable(host, READ, problem));
    }
    let content = |(path, line): (&&Path, &str)| {
        let unreadable =
            |problem: &dyn fmt::Display| HostError::unreadable(host, READ, format!("`{}`: {problem}", path.display()));
        match line.split_once(' ').unwrap_or((line, "")) {
            ("absent", "") => Ok(None),
            ("content", encoded) => match STANDARD.decode(encoded) {
                Ok(bytes) if bytes.len() <= LARGEST_FILE => Ok(Some(Secret::new(bytes))),
                Ok(bytes) => Err(unreadable(&too_large(bytes.len()))),
                Err(error) => Err(unreadable(&error)),
            },
            ("large", size) => Err(unreadable(&too_large(size))),
            ("other", "") => Err(unreadable(&"it is there, and no file")),
            _ => Err(unreadable(&format!("the answer is `{line}`"))),
        }
    };
    paths.iter().zip(lines).map(content).collect()
}

fn too_large(size: impl fmt::Display) -> String {
    format!("it has {size} bytes, at most {LARGEST_FILE} are read")
}

/// How many characters so many bytes are in base64, and what stands around them.
fn in_base64(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4).saturating_add(FRAME)
}

/// The script that reads a part of the file at `path`.
pub(crate) fn read_part_script(path: &Path, offset: u64, length: u64) -> Result<Script, HostError> {
    let most = in_base64(usize::try_from(length).unwrap_or(usize::MAX));
    let script = Script::new(READ_PART, include_str!("file/read_part.sh")).prints_at_most(most);
    Ok(script.var("FILE", remote_path(path)?).var("OFFSET", offset).var("LENGTH", length))
}

pub(crate) fn parse_part(host: &str, length: u64, output: &Output) -> Result<Secret<Vec<u8>>, HostError> {
    match STANDARD.decode(output.stdout.trim()) {
        Ok(part) if part.len() as u64 <= length => Ok(Secret::new(part)),
        Ok(part) => Err(HostError::unreadable(host, READ_PART, format!("{} bytes instead of {length}", part.len()))),
        Err(error) => Err(HostError::unreadable(host, READ_PART, error)),
    }
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

    #[test]
    fn a_file_is_absent_only_where_the_host_says_so() {
        let read = |stdout: &str| {
            let output = Output { stdout: stdout.to_owned(), ..Output::default() };
            parse_read("h", &[Path::new("/etc/x")], &output)
        };
        assert!(read("absent\n").unwrap()[0].is_none());
        assert_eq!(read("content eA==\n").unwrap()[0].as_ref().map(|it| it.expose().clone()), Some(b"x".to_vec()));
        let large = format!("content {}\n", STANDARD.encode(vec![0; LARGEST_FILE + 1]));
        for bad in ["other\n", "gone\n", "absent x\n", "content e\n", "large 1048577\n", "\n", &large] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with("[h] unusable answer of `file/read.sh`: `/etc/x`: "), "{error}");
            assert!(error.len() < 700, "{error}");
        }
    }

    #[test]
    fn a_part_is_never_longer_than_it_was_asked_for() {
        let output = Output { stdout: STANDARD.encode("12345"), ..Output::default() };
        assert_eq!(parse_part("h", 5, &output).unwrap().expose(), b"12345");
        assert!(parse_part("h", 4, &output).is_err());
    }
}
