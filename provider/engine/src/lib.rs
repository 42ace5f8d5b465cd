//! What acts on a cluster: `observe` reads every host and the API once, `execute` carries out a plan that `kubeone-plan`
//! made. Its `match` is the table of contents of everything that can be done to a cluster.
//!
//! **Architecture invariant:** nothing is remembered between runs or between steps. The truth is on the hosts.

mod bundle;
mod configured;
mod cx;
mod error;
mod etcd;
mod execute;
mod failure;
mod health;
mod import;
mod kubeconfig;
mod local;
mod lock;
mod machines;
mod marker_file;
mod observe;
mod report;
mod shared_path;
mod steps;

pub use bundle::{Bundle, BundleError, Identity, IdentityError, open as open_bundle};
pub use cx::Cx;
pub use error::StepError;
pub use execute::execute;
pub use failure::{ActionFailure, ExecuteError};
pub use health::look_after;
pub use import::{Entrance, ImportError, Imported, import};
pub use kubeconfig::{is_due as kubeconfig_is_due, mint_kubeconfig};
pub use local::{LocalError, LocalMachine};
pub use lock::{Held, Holder, Lock, LockError};
pub use machines::Hosts;
pub use observe::observe;
pub use report::{ActionReport, Event, Outcome, Report, Result as ActionResult};
