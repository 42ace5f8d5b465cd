//! The Terraform plugin protocol 6 for providers written in Rust.
//!
#![doc = include_str!("../README.md")]

mod diagnostic;
mod kinds;
mod path;
mod pinned;
pub mod plan;
mod proto;
pub mod schema;
mod server;
#[cfg(all(unix, feature = "simulator"))]
pub mod simulator;
mod types;
mod value;
mod visible;
mod wire;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use kinds::*;
pub use path::{AttributePath, Step};
pub use schema::{Attribute, IdentityAttribute, IdentitySchema, Schema};
pub use server::{Options, serve};
pub use types::{Type, TypeError};
pub use value::{CodecError, CodecReason, DecodeError, Number, Refinements, TypedValue, UnknownValueError, Value};
pub use visible::{visible, visible_json, visible_line};

/// Makes the traits of this crate implementable: `#[tfplugin::async_trait]`.
pub use async_trait::async_trait;
/// Lets a handler watch for Ctrl-C; part of every [`CallContext`].
pub use tokio_util::sync::CancellationToken;
