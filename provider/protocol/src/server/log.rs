//! Log lines in the form that Terraform sorts by level: one JSON object per line on stderr.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::start::Mode;

/// Logs nothing unless asked to with `TF_LOG` or `TF_LOG_PROVIDER`. Keeps a subscriber that the program installed itself.
pub(super) fn install(level: Option<&str>, mode: Mode) {
    let silent = if mode == Mode::Debug { LevelFilter::INFO } else { LevelFilter::OFF };
    let level = match level.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE" | "JSON") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("INFO") => LevelFilter::INFO,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR") => LevelFilter::ERROR,
        _ => silent,
    };
    tracing_subscriber::registry().with(TerraformLog.with_filter(level)).try_init().ok();
}

struct TerraformLog;

impl<S: Subscriber> Layer<S> for TerraformLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let line = line(*event.metadata().level(), event.metadata().target(), SystemTime::now(), fields.0);
        // Nobody is left to tell when stderr is closed.
        writeln!(std::io::stderr().lock(), "{line}").ok();
    }
}

fn line(level: Level, target: &str, time: SystemTime, mut fields: Map<String, Json>) -> Json {
    let message = fields.remove("message").unwrap_or_default();
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    fields.insert("@level".to_owned(), level.as_str().to_ascii_lowercase().into());
    fields.insert("@message".to_owned(), message);
    fields.insert("@module".to_owned(), target.replace("::", ".").into());
    fields.insert("@timestamp".to_owned(), timestamp(since_epoch).into());
    Json::Object(fields)
}

/// Exactly six digits after the second: Terraform takes the line for plain text otherwise.
fn timestamp(since_epoch: Duration) -> String {
    let seconds =
        prost_types::Timestamp { seconds: i64::try_from(since_epoch.as_secs()).unwrap_or_default(), nanos: 0 };
    let seconds = seconds.to_string();
    format!("{}.{:06}Z", seconds.trim_end_matches('Z'), since_epoch.subsec_micros())
}

struct Fields(Map<String, Json>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string fails only when the value's own code does.
        write!(text, "{value:?}").ok();
        self.0.insert(field.name().to_owned(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_terraform_parses() {
        let fields = Map::from_iter([("message".to_owned(), "hello".into()), ("host".to_owned(), "cp-1".into())]);
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 1_234_567);
        let line = line(Level::WARN, "tfplugin::server", time, fields);
        expect_test::expect![[r#"{"host":"cp-1","@level":"warn","@message":"hello","@module":"tfplugin.server","@timestamp":"2023-11-14T22:13:20.001234Z"}"#]]
            .assert_eq(&line.to_string());
    }
}
