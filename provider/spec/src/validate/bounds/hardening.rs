//! Bounds of the hardening of components.

use serde_json::json;

use super::{bound, found, texts, unreadable};

#[test]
fn numbers_of_components() {
    let path = "hardening.terminated_pod_gc_threshold";
    let pointer = "/hardening/terminated_pod_gc_threshold";
    bound(pointer, path, &[json!(0), json!(i32::MAX)], &[json!(i32::MAX.unsigned_abs() + 1)]);
    unreadable("/hardening/request_timeout", &texts(&["0s", "60"]));
}

#[test]
fn choices() {
    bound("/hardening/anonymous_access", "", &texts(&["health_checks", "all"]), &[]);
    bound("/hardening/tls_min_version", "", &texts(&["1.2", "1.3"]), &[]);
    unreadable("/hardening/anonymous_access", &texts(&["", "none"]));
    unreadable("/hardening/tls_min_version", &texts(&["1.1", "TLS13"]));
}

#[test]
fn cipher_suites() {
    let (rsa, ecdsa) = ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    let strong = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    let of = |suites: &[&str]| found("/hardening/tls_cipher_suites", json!(suites));
    for good in [&[ecdsa][..], &[strong, ecdsa], &[rsa, ecdsa]] {
        assert_eq!(of(good), [""; 0], "{good:?}");
    }
    for without_http2 in [&[][..], &[strong], &[rsa]] {
        assert_eq!(of(without_http2), ["hardening.tls_cipher_suites"], "{without_http2:?}");
    }
    for bad in ["", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"] {
        assert_eq!(of(&[ecdsa, bad]), ["hardening.tls_cipher_suites[1]"], "{bad}");
    }
    let with_13 = |suite: &str| found("/hardening", json!({ "tls_min_version": "1.3", "tls_cipher_suites": [suite] }));
    assert_eq!(with_13(strong), ["(hardening.tls_cipher_suites)"]);
}
