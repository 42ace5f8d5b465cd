//! How long planning and refreshing take as clusters grow: `cargo xtask bench plan` and `cargo xtask bench refresh`.
#![expect(clippy::print_stdout, reason = "a program for people")]

mod plan;
mod refresh;
mod world;

use std::error::Error;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("plan") => plan::measure(),
        Some("refresh") => refresh::measure().await,
        _ => Err("usage: measure plan|refresh".into()),
    }
}

/// The one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
