//! The lab (real hosts on this machine) and scenarios against the real terraform binary.

pub mod lab;
pub mod scenario;
pub mod sweep;
pub mod terraform;
