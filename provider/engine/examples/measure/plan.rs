//! The planner and its check.

use std::hint::black_box;
use std::time::{Duration, Instant};

use kubeone_facts::Observed;
use kubeone_plan::{Wanted, check, plan_create_or_update};
use serde_json::json;

use crate::{Result, median, milliseconds, world};

const SIZES: [usize; 4] = [10, 100, 300, 1000];
const ROUNDS: usize = 15;

pub(crate) fn measure() -> Result<()> {
    println!("{:>6}  {:>14}  {:>24}  {:>12}", "hosts", "a new cluster", "each host needs a step", "steps of it");
    for hosts in SIZES {
        let wanted = Wanted::new(world::spec(hosts, |_| json!({}))?);
        let (new, _) = time(&wanted, &Observed::default());
        let (changed, steps) = time(&wanted, &world::observed(hosts)?);
        if steps < hosts {
            return Err(format!("the plan for {hosts} hosts has only {steps} steps").into());
        }
        println!("{hosts:>6}  {:>14}  {:>24}  {steps:>12}", milliseconds(new), milliseconds(changed));
    }
    Ok(())
}

/// How long a plan and its check take, and how many steps it has.
fn time(wanted: &Wanted, observed: &Observed) -> (Duration, usize) {
    let mut steps = 0;
    let round = |_| {
        let began = Instant::now();
        let plan = plan_create_or_update(wanted, observed);
        black_box(check(wanted, &plan, observed));
        steps = plan.actions().count();
        began.elapsed()
    };
    (median((0..ROUNDS).map(round).collect()), steps)
}
