//! A host for tests that does only what it was prepared for, and says what it was asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kubeone_spec::Secret;
use tokio::time::timeout;

use crate::{AnswerProblem, Host, HostError, Output, RemoteFile, Script, ScriptFailure, Stream};

/// What a test sees of a call.
#[derive(Clone, Debug)]
pub enum Call {
    Run(Script),
    RunUnit { unit: String, script: Script },
    AttachUnit(String),
    Write(RemoteFile),
    Read(PathBuf),
    ReadPart { path: PathBuf, offset: u64 },
    Tunnel { address: String, port: u16 },
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(script) => write!(f, "run {}", script.name()),
            Self::RunUnit { unit, script } => write!(f, "run {} as {unit}", script.name()),
            Self::AttachUnit(unit) => write!(f, "attach {unit}"),
            Self::Write(file) => write!(f, "write {} {:o}", file.path.display(), file.mode),
            Self::Read(path) => write!(f, "read {}", path.display()),
            Self::ReadPart { path, offset } => write!(f, "read {} from {offset}", path.display()),
            Self::Tunnel { address, port } => write!(f, "tunnel {address}:{port}"),
        }
    }
}

type MakeStream = Box<dyn Fn() -> Box<dyn Stream> + Send + Sync>;
type Answer = Result<Output, HostError>;

/// A strict fake: a script it was not prepared for is an error, so a test cannot pass by accident.
pub struct FakeHost {
    name: String,
    tunnels: BTreeMap<(String, u16), MakeStream>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Answers by name of script; each is given once, in order.
    scripts: BTreeMap<String, Vec<Answer>>,
    /// Results of units that an earlier program left.
    units: BTreeMap<String, Answer>,
    files: BTreeMap<PathBuf, RemoteFile>,
    calls: Vec<Call>,
    unreachable: bool,
    /// Scripts that never come to their end.
    hanging: Vec<String>,
}

impl FakeHost {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), tunnels: BTreeMap::new(), state: Mutex::default() }
    }

    /// The next run of `script`, in a unit or not, prints `stdout`.
    #[must_use]
    pub fn answers(self, script: &str, stdout: impl Into<String>) -> Self {
        self.prepare(script, Ok(Output { stdout: stdout.into(), stderr: String::new() }))
    }

    /// The next run of `script` fails.
    #[must_use]
    pub fn fails(self, script: &str, exit_code: u32, last_line: &str) -> Self {
        let failure = self.failure(script, exit_code, last_line);
        self.prepare(script, Err(failure))
    }

    /// The connection is lost during the next run of `script`.
    #[must_use]
    pub fn loses_connection(self, script: &str) -> Self {
        let lost = HostError::ConnectionLost { host: self.name.clone(), during: script.to_owned() };
        self.prepare(script, Err(lost))
    }

    /// No run of `script` ends by itself: its deadline passes.
    #[must_use]
    pub fn hangs(self, script: &str) -> Self {
        self.lock().hanging.push(script.to_owned());
        self
    }

    /// A unit of an earlier program that printed `log`; it is there for one `attach`.
    #[must_use]
    pub fn has_unit(self, unit: &str, log: &str) -> Self {
        let output = Output { stdout: log.to_owned(), stderr: String::new() };
        self.lock().units.insert(unit.to_owned(), Ok(output));
        self
    }

    /// A unit of an earlier program that failed.
    #[must_use]
    pub fn has_failed_unit(self, unit: &str, script: &str, exit_code: u32, last_line: &str) -> Self {
        let failure = self.failure(script, exit_code, last_line);
        self.lock().units.insert(unit.to_owned(), Err(failure));
        self
    }

    #[must_use]
    pub fn has_file(self, file: RemoteFile) -> Self {
        self.lock().files.insert(file.path.clone(), file);
        self
    }

    /// Tunnels to `address:port` end in a stream that `make` makes.
    #[must_use]
    pub fn tunnels_to(
        mut self,
        address: &str,
        port: u16,
        make: impl Fn() -> Box<dyn Stream> + Send + Sync + 'static,
    ) -> Self {
        self.tunnels.insert((address.to_owned(), port), Box::new(make));
        self
    }

    /// Every call fails as if the machine were off.
    #[must_use]
    pub fn unreachable(self) -> Self {
        self.lock().unreachable = true;
        self
    }

    /// What was asked, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// What was asked, one line each.
    pub fn log(&self) -> Vec<String> {
        self.lock().calls.iter().map(ToString::to_string).collect()
    }

    /// The file at `path`, whether prepared or written.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<RemoteFile> {
        self.lock().files.get(path.as_ref()).cloned()
    }

    /// Scripts that were prepared and not run. A test that is done asserts that this is empty.
    pub fn unused(&self) -> Vec<String> {
        let state = self.lock();
        state.scripts.iter().flat_map(|(name, answers)| answers.iter().map(|_| name.clone())).collect()
    }

    fn prepare(self, script: &str, answer: Answer) -> Self {
        self.lock().scripts.entry(script.to_owned()).or_default().push(answer);
        self
    }

    fn failure(&self, script: &str, exit_code: u32, last_line: &str) -> HostError {
        HostError::Script(Box::new(ScriptFailure {
            host: self.name.clone(),
            script: script.to_owned(),
            line: Some(1),
            exit_code: Some(exit_code),
            signal: None,
            last_lines: vec![last_line.to_owned()],
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the call and gives the state to answer it from.
    fn called(&self, call: Call) -> Result<MutexGuard<'_, State>, HostError> {
        let mut state = self.lock();
        if state.unreachable {
            return Err(HostError::ConnectionLost { host: self.name.clone(), during: call.to_string() });
        }
        state.calls.push(call);
        Ok(state)
    }

    fn unprepared(&self, call: &Call) -> HostError {
        HostError::Unprepared { host: self.name.clone(), call: call.to_string() }
    }

    fn next_answer(&self, name: &str, call: &Call) -> Answer {
        let mut state = self.called(call.clone())?;
        match state.scripts.get_mut(name) {
            Some(answers) if !answers.is_empty() => answers.remove(0),
            _ => Err(self.unprepared(call)),
        }
    }
}

#[async_trait]
impl Host for FakeHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn host_key(&self) -> Option<String> {
        (!self.lock().calls.is_empty()).then(|| format!("ssh-ed25519 key-of-{}", self.name))
    }

    async fn connect(&self) -> Result<(), HostError> {
        if self.lock().unreachable {
            return Err(HostError::ConnectionLost { host: self.name.clone(), during: "connect".to_owned() });
        }
        Ok(())
    }

    async fn run(&self, script: &Script) -> Result<Output, HostError> {
        let hangs = self.lock().hanging.iter().any(|name| name == script.name());
        if hangs {
            let _ = timeout(script.deadline(), std::future::pending::<()>()).await;
            return Err(HostError::late(&self.name, script.name(), script.deadline()));
        }
        let output = self.next_answer(script.name(), &Call::Run(script.clone()))?;
        if output.stdout.len() > script.most_printed() {
            let problem = AnswerProblem::TooLong { stream: "stdout", limit: script.most_printed() };
            return Err(HostError::Answer { host: self.name.clone(), script: script.name().to_owned(), problem });
        }
        Ok(output)
    }

    async fn run_unit(&self, unit: &str, script: &Script) -> Result<Output, HostError> {
        self.next_answer(script.name(), &Call::RunUnit { unit: unit.to_owned(), script: script.clone() })
    }

    async fn attach_unit(&self, unit: &str) -> Result<Option<Output>, HostError> {
        self.called(Call::AttachUnit(unit.to_owned()))?.units.remove(unit).transpose()
    }

    async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError> {
        let call = Call::Tunnel { address: address.to_owned(), port };
        drop(self.called(call.clone())?);
        let make = self.tunnels.get(&(address.to_owned(), port)).ok_or_else(|| self.unprepared(&call))?;
        Ok(make())
    }

    async fn write_all(&self, files: &[RemoteFile]) -> Result<Vec<bool>, HostError> {
        files
            .iter()
            .map(|file| {
                let before = self.called(Call::Write(file.clone()))?.files.insert(file.path.clone(), file.clone());
                Ok(before.as_ref() != Some(file))
            })
            .collect()
    }

    async fn read_all(&self, paths: &[&Path]) -> Result<Vec<Option<Secret<Vec<u8>>>>, HostError> {
        paths
            .iter()
            .map(|path| {
                let state = self.called(Call::Read(path.to_path_buf()))?;
                Ok(state.files.get(*path).map(|file| file.content.clone()))
            })
            .collect()
    }

    async fn read_part(&self, path: &Path, offset: u64, length: u64) -> Result<Secret<Vec<u8>>, HostError> {
        let call = Call::ReadPart { path: path.to_owned(), offset };
        let state = self.called(call.clone())?;
        let Some(file) = state.files.get(path) else { return Err(self.unprepared(&call)) };
        let (offset, length) = (usize::try_from(offset), usize::try_from(length));
        let rest = file.content.expose().iter().skip(offset.unwrap_or(usize::MAX));
        Ok(Secret::new(rest.take(length.unwrap_or(usize::MAX)).copied().collect()))
    }
}

#[cfg(test)]
#[path = "fake/tests.rs"]
mod tests;
