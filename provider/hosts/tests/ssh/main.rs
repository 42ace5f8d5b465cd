//! Hosts over SSH against a real OpenSSH server on loopback, in namespaces of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod files;
mod host_keys;
mod hostile;
mod known_hosts;
mod limits;
mod lock;
mod login;
mod scripts;
mod server;
mod tunnels;
mod units;
