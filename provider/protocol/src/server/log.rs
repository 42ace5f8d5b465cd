//! Log lines in the form that Terraform sorts by level: one JSON object per line on stderr.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::start::Mode;
use crate::visible::{LONGEST, visible_line};

/// Logs nothing unless asked to with `TF_LOG` or `TF_LOG_PROVIDER`. Keeps a subscriber that the program installed itself.
///
/// The level is for the provider's own crates, which have its name in theirs. Libraries are heard when they report errors: on
/// lower levels they quote what they carry, and that may be secret. A client of Kubernetes warns of an answer that it cannot
/// parse by writing all of it.
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
    let log = TerraformLog.with_filter(filter_fn(move |it| is_heard(it, level, &name)).with_max_level_hint(level));
    tracing_subscriber::registry().with(log).try_init().ok();
}

fn is_heard(metadata: &Metadata<'_>, level: LevelFilter, name: &str) -> bool {
    let allowed = if is_own(metadata.target(), name) { level } else { level.min(LevelFilter::ERROR) };
    *metadata.level() <= allowed
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

impl Fields {
    /// Terraform prints the values as they are: a newline in one would begin a line of its own.
    fn insert(&mut self, field: &Field, begin: &Beginning) {
        let end = if begin.is_cut { "…" } else { "" };
        self.0.insert(field.name().to_owned(), format!("{}{end}", visible_line(&begin.text)).into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut begin = Beginning::default();
        // Fails when the value's own code does, or when there is no more room: then the rest is not even formatted.
        write!(begin, "{value:?}").ok();
        self.insert(field, &begin);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut begin = Beginning::default();
        begin.write_str(value).ok();
        self.insert(field, &begin);
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

/// As much of a text as one value of a line may have.
#[derive(Default)]
struct Beginning {
    text: String,
    is_cut: bool,
}

impl std::fmt::Write for Beginning {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        let room = LONGEST - self.text.len();
        self.is_cut |= more.len() > room;
        self.text.push_str(&more[..more.floor_char_boundary(room)]);
        if self.is_cut { Err(std::fmt::Error) } else { Ok(()) }
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
    fn what_libraries_carry_is_not_logged() {
        let heard: &'static Heard = Box::leak(Box::new(Heard(std::sync::Mutex::default())));
        for level in [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::TRACE] {
            let filtered = heard.with_filter(filter_fn(move |it| is_heard(it, level, "kubeone")));
            tracing::subscriber::with_default(tracing_subscriber::registry().with(filtered), || {
                let answer = r#"{"kind":"Secret","data":{"password":"aHVudGVyMg=="}"#;
                tracing::warn!(target: "kube_client::client", "{answer}, expected `,`");
                tracing::info!(target: "hyper::proto", "{answer}");
                tracing::error!(target: "russh::client", "no channel");
                tracing::warn!(target: "kubeone_hosts::ssh", "slow");
            });
        }
        let heard = heard.0.lock().unwrap();
        let (failed, slow) = ("\"no channel\"null", "\"slow\"null");
        assert_eq!(*heard, [failed, failed, slow, failed, slow]);
    }

    #[test]
    fn a_value_has_an_end() {
        let heard: &'static Heard = Box::leak(Box::new(Heard(std::sync::Mutex::default())));
        let long = "é".repeat(LONGEST);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(heard), || {
            tracing::warn!(error = long, "{long}");
            tracing::warn!(error = "é", "{}", &long[..LONGEST]);
        });
        let heard = heard.0.lock().unwrap();
        assert_eq!(heard[0].len(), 2 * (LONGEST + "\"…\"".len()));
        assert_eq!(heard[0].matches("é…\"").count(), 2);
        assert_eq!(heard[1].len(), LONGEST + "\"\"\"é\"".len());
    }

    #[test]
    fn an_event_without_a_message_has_an_empty_one() {
        let line = line(Level::INFO, "tfplugin", UNIX_EPOCH, Map::new());
        assert_eq!(line["@message"], "");
    }
}
