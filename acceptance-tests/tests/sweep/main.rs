//! Disturbs every action of every operation: `cargo xtask sweep [operation]… [fault]…`, as root.
//!
//! Without the feature `lab` it only lists what there is. The provider is taken from `KUBEONE_PROVIDER`, else from the
//! folder of this very build.

use std::process::ExitCode;

use acceptance_tests::scenario::{Programs, clean_up_when_interrupted};
use acceptance_tests::sweep::{self, FAULTS, Fault, OPERATIONS, Operation};
use anyhow::{Result, ensure};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the chosen chains one after the other and answers how many did not come to their end.
fn run(arguments: &[String]) -> Result<usize> {
    let chosen = choose(arguments)?;
    if !cfg!(feature = "lab") {
        eprintln!("the sweep runs with `--features lab`; there are:");
        for (operation, fault) in chosen {
            eprintln!("  {} {fault}", operation.name);
        }
        return Ok(0);
    }
    clean_up_when_interrupted()?;
    let programs = Programs::of_this_build(env!("CARGO_BIN_EXE_lab"));
    let mut lines = Vec::new();
    let mut failed = 0;
    for (operation, fault) in chosen {
        let line = match sweep::run(operation, fault, &programs) {
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

/// Names of operations and of faults; of which none is named, all are meant.
fn choose(arguments: &[String]) -> Result<Vec<(&'static Operation, Fault)>> {
    let is_operation = |name: &str| OPERATIONS.iter().any(|operation| operation.name == name);
    let is_fault = |name: &str| FAULTS.iter().any(|fault| fault.to_string() == name);
    for argument in arguments {
        ensure!(is_operation(argument) || is_fault(argument), "`{argument}` is no operation and no fault");
    }
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let some_operation = arguments.iter().any(|argument| is_operation(argument));
    let some_fault = arguments.iter().any(|argument| is_fault(argument));
    let operations = OPERATIONS.iter().filter(|operation| !some_operation || named(operation.name));
    let faults = |operation| {
        let faults = FAULTS.into_iter().filter(|fault| !some_fault || named(&fault.to_string()));
        faults.map(move |fault| (operation, fault))
    };
    Ok(operations.flat_map(faults).collect())
}
