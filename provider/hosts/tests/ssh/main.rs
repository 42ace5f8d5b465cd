//! Hosts over SSH against a real OpenSSH server on loopback, in namespaces of its own.

mod files;
mod host_keys;
mod login;
mod scripts;
mod server;
mod tunnels;
mod units;
