//! The report of a change: one HTML page that needs nothing beside itself. It is written anew after each event, in one
//! move, so that whatever kills the provider leaves a page that tells everything up to then.

mod timeline;
mod view;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, escape_formatter};
use tfplugin::visible;
use view::View;

use super::course::Course;
use super::private::create_anew;

/// Writes the page of a change as it stands at this time.
pub(super) fn write(course: &Course, now: Timestamp, path: &Path) -> io::Result<()> {
    let page = render(course, now).map_err(io::Error::other)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = create_anew(Path::new(&new))?;
    file.write_all(page.as_bytes())?;
    drop(file);
    std::fs::rename(&new, path)
}

fn render(course: &Course, now: Timestamp) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Whatever hosts and the API said is shown and not obeyed: neither by whoever prints the page on a terminal, …
    environment.set_formatter(|out, state, value| match value.as_str().map(visible) {
        Some(Cow::Owned(text)) if value.is_safe() => escape_formatter(out, state, &Value::from_safe_string(text)),
        Some(Cow::Owned(text)) => escape_formatter(out, state, &text.into()),
        Some(Cow::Borrowed(_)) | None => escape_formatter(out, state, value),
    });
    // … nor by a browser: everything is escaped, because the name ends in `html`.
    environment.render_named_str("report.html", include_str!("report/report.html"), Serde(View::of(course, now)))
}

#[cfg(test)]
mod tests;
