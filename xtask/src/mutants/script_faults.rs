//! The list of faults in scripts: one line of a script, and what stands there instead.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};

/// A line of a script, and another one in its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// Path in the crate of hosts.
    pub(super) script: String,
    before: String,
    after: String,
    /// Why no test can notice it.
    pub(super) excuse: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  - {}\n  + {}", self.script, self.before, self.after)
    }
}

impl Fault {
    /// The script with the fault. Where the line stands several times, the fault is in the first of them.
    pub(super) fn apply(&self, script: &str) -> Result<String> {
        let mut found = false;
        let lines = script.lines().map(|line| {
            if found || line.trim() != self.before {
                return line.to_owned();
            }
            found = true;
            let indent = &line[..line.len() - line.trim_start().len()];
            format!("{indent}{}", self.after)
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        ensure!(found, "there is no such line any more:\n{self}");
        Ok(text)
    }
}

/// Reads the list. A line that begins with a word names the script of what follows; `-` is the line as it is, `+` what takes its
/// place, and `=` says why no test can notice that. Comments begin with `#`.
pub(super) fn parse(text: &str) -> Result<Vec<Fault>> {
    let mut faults: Vec<Fault> = Vec::new();
    let (mut script, mut before) = (None, None);
    for (number, line) in text.lines().enumerate() {
        let place = || format!("line {} of the list of faults", number + 1);
        let rest = line.get(1..).unwrap_or_default().trim().to_owned();
        match line.chars().next() {
            None | Some('#') => {}
            Some('-') => ensure!(before.replace(rest).is_none(), "{}: the `-` before it has no `+`", place()),
            Some('+') => {
                let script = script.clone().with_context(|| format!("{}: no script is named before it", place()))?;
                let before = before.take().with_context(|| format!("{}: there is no `-` before it", place()))?;
                ensure!(before != rest, "{}: it changes nothing", place());
                faults.push(Fault { script, before, after: rest, excuse: None });
            }
            Some('=') => match faults.last_mut() {
                Some(fault) if !rest.is_empty() && before.is_none() => fault.excuse = Some(rest),
                _ => bail!("{}: it excuses no fault", place()),
            },
            Some(_) => script = Some(line.trim().to_owned()),
        }
    }
    ensure!(before.is_none(), "the last `-` of the list of faults has no `+`");
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_applied() {
        let list = "# why\nos/x.sh\n- a b\n+ a c\n= nobody sees c\n-   d\n+\n\nos/y.sh\n- e\n+ f\n";
        let faults = parse(list).unwrap();
        assert_eq!(faults.len(), 3);
        assert_eq!(faults[0].apply("x\n  a b\na b\n").unwrap(), "x\n  a c\na b\n");
        assert_eq!(faults[0].excuse.as_deref(), Some("nobody sees c"));
        assert_eq!(faults[1].apply("d\n").unwrap(), "\n");
        assert_eq!((faults[2].script.as_str(), faults[2].excuse.as_ref()), ("os/y.sh", None));
        assert!(faults[2].apply("ee\n").is_err());
    }

    #[test]
    fn a_list_that_is_wrong_is_refused() {
        for wrong in ["- a\n+ b\n", "x\n- a\n- b\n", "x\n+ a\n", "x\n- a\n", "x\n= y\n", "x\n- a\n+ a\n"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_fault_fits_its_script() {
        let root = crate::project::root().join("provider/hosts");
        let faults = parse(&std::fs::read_to_string(root.join("tests/scripts/mutants.txt")).unwrap()).unwrap();
        let scripts: std::collections::BTreeSet<_> = faults.iter().map(|fault| &fault.script).collect();
        assert!(faults.len() > 60 && scripts.len() > 15, "{} in {}", faults.len(), scripts.len());
        for fault in &faults {
            fault.apply(&std::fs::read_to_string(root.join(&fault.script)).unwrap()).unwrap();
        }
    }
}
