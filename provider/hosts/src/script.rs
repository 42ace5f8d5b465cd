//! A shell script with its variables, and the text that bash reads on the host.

mod capture;
mod limits;
mod outcome;
mod quote;

use std::fmt;

pub(crate) use capture::{Capture, Overflow};
use kubeone_spec::Secret;
use limits::Limits;
pub use outcome::Output;
pub(crate) use outcome::{Exit, failure, judge, redact};
use quote::quoted;
use zeroize::Zeroizing;

use crate::HostError;

/// Everything before this line, on stdout and stderr, was printed by login and sudo and is not the script's.
pub(crate) const STARTED: &str = "kubeone: script started";

/// A bash script that is run as root, sent over stdin, with values as quoted variables.
///
/// Variables are not exported: a child process cannot see them unless the script passes them on.
#[derive(Clone, Debug)]
pub struct Script {
    name: String,
    /// Definitions that stand before the body.
    functions: String,
    body: String,
    variables: Vec<(&'static str, ScriptValue)>,
    input: Option<Secret<Vec<u8>>>,
    limits: Limits,
}

/// The value of a variable. A secret prints as `***` and is taken out of everything the script prints.
#[derive(Clone, PartialEq, Eq)]
pub enum ScriptValue {
    Plain(String),
    Secret(Secret<String>),
}

impl fmt::Debug for ScriptValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Secret(secret) => write!(f, "{secret}"),
        }
    }
}

impl ScriptValue {
    fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl Script {
    /// A script under the name that errors show, such as `os/debian/prepare.sh`.
    pub fn new(name: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            functions: String::new(),
            body: body.into(),
            variables: Vec::new(),
            input: None,
            limits: Limits::default(),
        }
    }

    #[must_use]
    pub fn var(mut self, variable: &'static str, value: impl fmt::Display) -> Self {
        self.variables.push((variable, ScriptValue::Plain(value.to_string())));
        self
    }

    #[must_use]
    pub fn secret(mut self, variable: &'static str, value: impl Into<Secret<String>>) -> Self {
        self.variables.push((variable, ScriptValue::Secret(value.into())));
        self
    }

    /// A list: one value per line.
    #[must_use]
    pub fn lines<T: fmt::Display>(self, variable: &'static str, values: impl IntoIterator<Item = T>) -> Self {
        let lines: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        self.var(variable, lines.join("\n"))
    }

    /// Definitions of functions that the body uses. An error in one of them is reported at the line that called it.
    #[must_use]
    pub fn functions(mut self, definitions: &str) -> Self {
        self.functions.push_str(definitions.trim_end());
        self.functions.push('\n');
        self
    }

    /// What the script reads from stdin; without it stdin is empty.
    #[must_use]
    pub(crate) fn input(mut self, input: Secret<Vec<u8>>) -> Self {
        self.input = Some(input);
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn body(&self) -> &str {
        &self.body
    }

    pub fn variables(&self) -> &[(&'static str, ScriptValue)] {
        &self.variables
    }

    /// The value of a plain variable; a secret one stays hidden.
    pub fn value(&self, variable: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(name, _)| *name == variable).and_then(|(_, value)| match value {
            ScriptValue::Plain(text) => Some(text.as_str()),
            ScriptValue::Secret(_) => None,
        })
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter_map(|(_, value)| match value {
            ScriptValue::Secret(secret) => Some(secret.expose().as_str()),
            ScriptValue::Plain(_) => None,
        })
    }

    /// The bytes for bash's stdin.
    ///
    /// The body stands in braces, so bash reads it to its end before it runs a line of it: a connection that is cut
    /// while the script is still on its way runs nothing. It ends in `exit`, so bash never takes what follows as commands.
    pub fn render(&self) -> Result<Secret<Vec<u8>>, HostError> {
        let mut head = vec![
            "export LC_ALL=C HOME=/root".to_owned(),
            "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ];
        for (variable, value) in &self.variables {
            let value = quoted(value.expose()).ok_or_else(|| HostError::NulInVariable {
                script: self.name.clone(),
                variable: (*variable).to_owned(),
            })?;
            head.push(format!("{variable}={value}"));
        }
        head.push(format!("printf '%s\\n' '{STARTED}'; printf '%s\\n' '{STARTED}' >&2"));
        head.push("set -Eeuo pipefail".to_owned());
        if !self.functions.is_empty() {
            head.push(self.functions.trim_end().to_owned());
        }
        let lines = Zeroizing::new(head);
        let head = Zeroizing::new(lines.join("\n"));
        // The end of `head`, the trap and the opening brace.
        let lines_before_body = head.matches('\n').count() + 3;
        let name = &self.name;
        let trap = format!(
            "trap 'printf \"{name}:%d: exit code %d\\n\" \"$((LINENO - {lines_before_body}))\" \"$?\" >&2' ERR"
        );
        let stdin = if self.input.is_some() { "" } else { " </dev/null" };
        let body = self.body.trim_end();
        let parts = [head.as_str(), "\n", &trap, "\n{\n", body, "\nexit 0\n}", stdin, "\n"];
        let input = self.input.as_ref().map_or(&[][..], |input| input.expose());
        // All of it at once: a text that grows leaves its secrets where it lay before.
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + input.len());
        for part in parts {
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(input);
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
#[path = "script/tests.rs"]
mod tests;
