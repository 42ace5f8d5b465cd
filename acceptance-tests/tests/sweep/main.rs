//! Disturbs every action of every operation: `cargo xtask sweep [operation]… [fault]…`, as root. With `--turn=N` it takes a
//! small part, another one for each N.
//!
//! Without the feature `lab` it only lists what there is. The provider is taken from `KUBEONE_PROVIDER`, else from the
//! folder of this very build.

use std::process::ExitCode;

use acceptance_tests::scenario::{Programs, clean_up_when_interrupted};
use acceptance_tests::sweep::{self, FAULTS, Fault, OPERATIONS, Operation, Part};
use anyhow::{Context, Result, ensure};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match choose(&arguments).and_then(|chosen| run(&chosen)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One operation disturbed in one way, wholly or in part.
type Chain = (&'static Operation, Fault, Part);

/// Runs the chosen chains one after the other and answers how many did not come to their end.
fn run(chosen: &[Chain]) -> Result<usize> {
    if !cfg!(feature = "lab") {
        eprintln!("the sweep runs with `--features lab`; there are:");
        for (operation, fault, _) in chosen {
            eprintln!("  {} {fault}", operation.name);
        }
        return Ok(0);
    }
    clean_up_when_interrupted()?;
    let programs = Programs::of_this_build(env!("CARGO_BIN_EXE_lab"));
    let mut lines = Vec::new();
    let mut failed = 0;
    for (operation, fault, part) in chosen {
        eprintln!("        {} {fault}, {part}", operation.name);
        let line = match sweep::run(operation, *fault, *part, &programs) {
            Ok(tally) => format!("ok      {} {fault}: {tally}", operation.name),
            Err(error) => {
                failed += 1;
                format!("FAILED  {} {fault}: {error:#}", operation.name)
            }
        };
        eprintln!("{line}");
        lines.push(line);
    }
    eprintln!("\n{}\n{} of {} chains came to their end", lines.join("\n"), lines.len() - failed, lines.len());
    Ok(failed)
}

/// Names of operations and of faults; of which none is named, all are meant. Or a turn.
fn choose(arguments: &[String]) -> Result<Vec<Chain>> {
    if let Some(turn) = arguments.iter().find_map(|argument| argument.strip_prefix("--turn=")) {
        return Ok(vec![sweep::turn(turn.parse().with_context(|| format!("`{turn}` is no number"))?)]);
    }
    let names: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).map(String::as_str).collect();
    let is_operation = |name: &str| OPERATIONS.iter().any(|operation| operation.name == name);
    let is_fault = |name: &str| FAULTS.iter().any(|fault| fault.to_string() == name);
    for name in &names {
        ensure!(is_operation(name) || is_fault(name), "`{name}` is no operation and no fault");
    }
    let some_operation = names.iter().any(|name| is_operation(name));
    let some_fault = names.iter().any(|name| is_fault(name));
    let operations = OPERATIONS.iter().filter(|operation| !some_operation || names.contains(&operation.name));
    let faults = |operation| {
        let faults = FAULTS.into_iter().filter(|fault| !some_fault || names.contains(&fault.to_string().as_str()));
        faults.map(move |fault| (operation, fault, Part::WHOLE))
    };
    Ok(operations.flat_map(faults).collect())
}
