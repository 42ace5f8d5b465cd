//! A finding of validation: which field, what is wrong, and what would be right.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// One step of a path to a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Field(String),
    Key(String),
    Index(usize),
}

/// The path to a field, such as `control_plane["cp-1"].address`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    pub fn root(field: &str) -> Self {
        Self(vec![Step::Field(field.to_owned())])
    }

    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.0.push(Step::Field(field.to_owned()));
        self
    }

    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// Whether one path is a prefix of the other: a finding about a map concerns each of its elements.
    pub fn touches(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if position == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A problem with the user's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub path: FieldPath,
    pub summary: String,
    /// What would be right.
    pub detail: String,
    /// Other fields that the finding depends on. If one of them is unknown, the finding is dropped.
    pub also: Vec<FieldPath>,
    /// It concerns only the keys of a map: the values under them may be unknown.
    pub of_keys: bool,
}

impl Finding {
    pub fn error(path: FieldPath, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        let (summary, detail) = (summary.into(), detail.into());
        Self { severity: Severity::Error, path, summary, detail, also: Vec::new(), of_keys: false }
    }

    pub fn warning(path: FieldPath, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, summary, detail) }
    }

    #[must_use]
    pub fn derived_from(mut self, path: FieldPath) -> Self {
        self.also.push(path);
        self
    }

    #[must_use]
    pub fn of_keys(mut self) -> Self {
        self.of_keys = true;
        self
    }

    /// Whether it may depend on the value at this path.
    pub fn touches(&self, path: &FieldPath) -> bool {
        let is_deeper = path.0.len() > self.path.0.len();
        (self.path.touches(path) && !(self.of_keys && is_deeper)) || self.also.iter().any(|other| other.touches(path))
    }
}
