//! The sweep: every action of an operation is disturbed while it runs, and `terraform apply` alone must bring the cluster
//! to its end.
//!
//! One chain disturbs all actions of an operation with one kind of fault on one cluster: apply until an action runs that
//! was not disturbed yet, disturb it, apply again, until an apply goes through. What one fault left behind is what the
//! next apply begins with, so nothing is cleaned up in between by anybody but the provider. In the end all actions that
//! began are counted, also those that ended before anybody could disturb them.

mod chain;
mod fault;
mod operation;
mod progress;
mod tally;
mod turn;

pub use chain::{Part, run};
pub use fault::{FAULTS, Fault};
pub use operation::{OPERATIONS, Operation};
pub use tally::Tally;
pub use turn::turn;
