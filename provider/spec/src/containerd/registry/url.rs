//! URLs of registries.

use crate::validate::is_host;
use crate::{FieldPath, Finding};

pub(super) fn findings(url: &str, path: &FieldPath) -> Option<Finding> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_url = rest.is_some_and(|rest| {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        is_authority(authority) && is_path(path)
    });
    if !is_url {
        return Some(Finding::error(
            path.clone(),
            format!("`{url}` is not the URL of a registry"),
            "Write scheme and host, perhaps with port and path, such as `https://registry.example.com:5000/proxy`. \
             Credentials do not belong in it.",
        ));
    }
    url.starts_with("http://").then(|| {
        Finding::warning(
            path.clone(),
            format!("images are pulled from `{url}` without encryption"),
            "Anyone on the network path can replace them. Use `https://`.",
        )
    })
}

/// `host` or `host:port`, in lower case.
pub(super) fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0);
    is_host(host) && host.bytes().all(|byte| !byte.is_ascii_uppercase()) && port.is_none_or(is_port)
}

/// What may follow the slash after the host.
fn is_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%+".contains(&byte);
    path.bytes().all(is_plain) && path.split('/').all(|part| part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;

    #[test]
    fn only_urls_of_registries_are_accepted() {
        let of = |url: &str| findings(url, &FieldPath::root("url")).map(|finding| finding.severity);
        for good in [
            "https://mirror.example.com",
            "https://mirror.example.com/",
            "https://mirror:5000/v2/proxy-1/",
            "https://10.0.0.1:65535",
        ] {
            assert_eq!(of(good), None, "{good}");
        }
        assert_eq!(of("http://mirror.example.com"), Some(Severity::Warning));
        for bad in [
            "",
            "https://",
            "mirror.example.com",
            "ftp://mirror.example.com",
            "HTTPS://mirror.example.com",
            "https://Mirror.example.com",
            "https://user:secret@mirror.example.com",
            "https://mirror.example.com:0",
            "https://mirror.example.com:65536",
            "https://mirror.example.com:+1",
            "https://mirror.example.com:",
            "https://[::1]:5000",
            "https://mirror.example.com?x=y",
            "https://mirror.example.com/#x",
            "https://mirror.example.com/a b",
            "https://mirror.example.com/\"]\n[x",
            "https://mirror.example.com/../x",
            "https:///v2",
        ] {
            assert_eq!(of(bad), Some(Severity::Error), "{bad}");
        }
    }
}
