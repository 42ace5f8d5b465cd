//! The report of a change: one HTML page that needs nothing beside itself. It is written anew after each event, in one
//! move, so that whatever kills the provider leaves a page that tells everything up to then.

mod timeline;
mod view;

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use view::View;

use super::course::Course;

/// Writes the page of a change as it stands at this time.
pub(super) fn write(course: &Course, now: Timestamp, path: &Path) -> io::Result<()> {
    let page = render(course, now).map_err(io::Error::other)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(page.as_bytes())?;
    drop(file);
    std::fs::rename(&new, path)
}

fn render(course: &Course, now: Timestamp) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Everything is escaped, because the name ends in `html`.
    environment.render_named_str("report.html", include_str!("report/report.html"), Serde(View::of(course, now)))
}

#[cfg(test)]
mod tests;
