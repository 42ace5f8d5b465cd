//! One test for each file in `tests/plans`: wanted and observed state, and the resulting plan and findings.
//! `UPDATE_EXPECT=1` writes the results into the files.

use std::fmt::Write;
use std::fs;

use kubeone_spec::{Finding, Severity};

use super::notation::{self, Case};
use crate::check::{check, check_removal};
use crate::plan::{plan_removal, plan_with_addons};

include!(concat!(env!("OUT_DIR"), "/plan_cases.rs"));

#[track_caller]
fn check_case(file: &str) {
    let text = fs::read_to_string(file).unwrap();
    let case = notation::read(&text);
    let written = write(&case);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(file, written).unwrap();
    } else {
        assert_eq!(text, written, "{file} is not what follows; if the new plan is right, run with UPDATE_EXPECT=1");
    }
}

fn write(case: &Case) -> String {
    let (wanted, observed) = (&case.world.wanted, &case.world.seen());
    let (plan, findings) = if case.remove {
        (plan_removal(wanted, observed), check_removal(wanted, observed))
    } else {
        let plan = plan_with_addons(wanted, observed, &case.world.addons);
        let findings = check(wanted, &plan, observed);
        (plan, findings)
    };
    let mut text = format!("{}\n\nwanted:\n{}\nfound:\n{}\nplan:\n", case.title, case.wanted, case.found);
    let plan = if plan.is_empty() { "nothing to do\n".to_owned() } else { plan.to_string() };
    plan.lines().for_each(|line| writeln!(text, "  {line}").unwrap());
    text.push_str("\nfindings:\n");
    if findings.is_empty() {
        text.push_str("  none\n");
    }
    for finding in &findings {
        write_finding(&mut text, finding);
    }
    text
}

fn write_finding(text: &mut String, finding: &Finding) {
    let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
    writeln!(text, "  {severity} at {}: {}\n    {}", finding.path, finding.summary, finding.detail).unwrap();
}
