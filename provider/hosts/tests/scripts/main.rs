//! The scripts run for real: each in a root of its own, with stand-ins for the programs of a node.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::needless_raw_string_hashes, reason = "lines of bash are full of quotes, and get more of them")]

mod configure_control_plane;
mod control_plane;
mod etcd;
mod install;
mod lock;
mod mutant;
mod node;
mod packages;
mod power_cut;
mod removal;
mod restore;
mod sandbox;
mod snapshots;
mod staged_files;
mod unit;
mod upgrade;
