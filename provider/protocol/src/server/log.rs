//! Log lines in the form that Terraform sorts by level: one JSON object per line on stderr.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::start::Mode;
use crate::visible_line;

/// Logs nothing unless asked to with `TF_LOG` or `TF_LOG_PROVIDER`. Keeps a subscriber that the program installed itself.
///
/// The level is for the provider's own crates, which have its name in theirs. Libraries are heard from warnings up: on lower
/// levels they quote what they carry, and that may be secret.
pub(super) fn install(level: Option<&str>, mode: Mode, address: &str) {
    let silent = if mode == Mode::Debug { LevelFilter::INFO } else { LevelFilter::OFF };
    let level = match level.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE" | "JSON") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("INFO") => LevelFilter::INFO,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR") => LevelFilter::ERROR,
        _ => silent,
    };
    let name = squash(address.rsplit('/').next().unwrap_or(address));
    let filter = filter_fn(move |metadata| {
        let allowed = if is_own(metadata.target(), &name) { level } else { level.min(LevelFilter::WARN) };
        *metadata.level() <= allowed
    });
    let log = TerraformLog.with_filter(filter.with_max_level_hint(level));
    tracing_subscriber::registry().with(log).try_init().ok();
}

fn is_own(target: &str, name: &str) -> bool {
    let crate_name = target.split("::").next().unwrap_or(target);
    crate_name == env!("CARGO_CRATE_NAME") || squash(crate_name).contains(name)
}

/// `every-kind`, `every_kind` and `everykind` are the same name.
fn squash(name: &str) -> String {
    name.replace(['-', '_'], "")
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
    // Terraform crashes over a message that is not a string.
    let message = fields.remove("message").unwrap_or_else(|| "".into());
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
        self.record_str(field, &text);
    }

    /// Terraform prints the values as they are: a newline in one would begin a line of its own.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), visible_line(value).into());
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
    fn own_crates_have_the_name_of_the_provider() {
        for own in ["tfplugin::server", "kubeone_hosts::ssh", "terraform_provider_kubeone"] {
            assert!(is_own(own, "kubeone"), "{own}");
        }
        for foreign in ["h2::codec", "log", "russh::session::kubeone", "tfplugin_other"] {
            assert!(!is_own(foreign, "kubeone"), "{foreign}");
        }
    }

    #[test]
    fn lines_are_what_terraform_parses() {
        let fields = Map::from_iter([("message".to_owned(), "hello".into()), ("host".to_owned(), "cp-1".into())]);
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 1_234_567);
        let line = line(Level::WARN, "tfplugin::server", time, fields);
        expect_test::expect![[r#"{"host":"cp-1","@level":"warn","@message":"hello","@module":"tfplugin.server","@timestamp":"2023-11-14T22:13:20.001234Z"}"#]]
            .assert_eq(&line.to_string());
    }

    /// Hears what the layer would write.
    struct Heard(std::sync::Mutex<Vec<String>>);

    impl<S: Subscriber> Layer<S> for &'static Heard {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut fields = Fields(Map::new());
            event.record(&mut fields);
            let line = line(*event.metadata().level(), "test", UNIX_EPOCH, fields.0);
            self.0.lock().unwrap().push(line["@message"].to_string() + &line["error"].to_string());
        }
    }

    #[test]
    fn a_value_cannot_begin_a_line_or_move_the_cursor() {
        let heard: &'static Heard = Box::leak(Box::new(Heard(std::sync::Mutex::default())));
        let banner = "welcome\n[ERROR] all is lost \u{1b}[2J\u{9b}2J";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(heard), || {
            tracing::warn!(error = %banner, "{banner}");
            tracing::warn!(error = banner, "{banner}");
        });
        let shown = serde_json::to_string(r"welcome\u{a}[ERROR] all is lost \u{1b}[2J\u{9b}2J").unwrap();
        assert_eq!(*heard.0.lock().unwrap(), [format!("{shown}{shown}"), format!("{shown}{shown}")]);
    }

    #[test]
    fn an_event_without_a_message_has_an_empty_one() {
        let line = line(Level::INFO, "tfplugin", UNIX_EPOCH, Map::new());
        assert_eq!(line["@message"], "");
    }
}
