//! What the program that started us says about how it wants to talk.

/// Proves that Terraform, or a program that knows as much, started the process.
const MAGIC_COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const MAGIC_COOKIE_VALUE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The handshake consists of environment variables; they are read here and nowhere else.
pub(super) struct Environment {
    pub(super) has_magic_cookie: bool,
    pub(super) protocol_versions: Vec<String>,
    /// PEM. Absent when the user turned TLS off.
    pub(super) client_certificate: Option<String>,
    /// Only where there are no unix sockets.
    pub(super) ports: std::ops::RangeInclusive<u16>,
    /// Set by programs that expect one more field in the handshake.
    pub(super) wants_multiplex_field: bool,
    pub(super) log_level: Option<String>,
}

impl Environment {
    pub(super) fn read() -> Self {
        let number = |name, default| variable(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        Self {
            has_magic_cookie: variable(MAGIC_COOKIE_NAME).is_some_and(|value| value == MAGIC_COOKIE_VALUE),
            protocol_versions: variable("PLUGIN_PROTOCOL_VERSIONS")
                .map(|list| list.split(',').map(|version| version.trim().to_owned()).collect())
                .unwrap_or_default(),
            client_certificate: variable("PLUGIN_CLIENT_CERT"),
            ports: number("PLUGIN_MIN_PORT", 10_000)..=number("PLUGIN_MAX_PORT", 25_000),
            wants_multiplex_field: variable("PLUGIN_MULTIPLEX_GRPC").is_some(),
            log_level: variable("TF_LOG_PROVIDER").or_else(|| variable("TF_LOG")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment of the handshake")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
