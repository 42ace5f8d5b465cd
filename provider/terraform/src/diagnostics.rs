//! Messages for the user, made of findings and errors.

use std::error::Error;
use std::fmt::Write;

use kubeone_spec::{Finding, Severity};
use tfplugin::{Diagnostic, Diagnostics};

use crate::path::to_attribute_path;

pub(crate) fn from_findings(findings: impl IntoIterator<Item = Finding>) -> Diagnostics {
    findings.into_iter().map(from_finding).collect()
}

fn from_finding(finding: Finding) -> Diagnostic {
    let mut detail = finding.detail;
    // Terraform shows the line of what stands in the block itself; of all that lies deeper only that of the block.
    if finding.path.0.len() > 1 {
        let _ = write!(detail, "\n\nThis is about `{}`.", finding.path);
    }
    let diagnostic = match finding.severity {
        Severity::Error => Diagnostic::error(finding.summary, detail),
        Severity::Warning => Diagnostic::warning(finding.summary, detail),
    };
    if finding.path.0.is_empty() { diagnostic } else { diagnostic.at(to_attribute_path(&finding.path)) }
}

/// An error and its causes, from the outermost to the innermost, one per line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n  caused by: {error}");
        cause = error.source();
    }
    text
}
