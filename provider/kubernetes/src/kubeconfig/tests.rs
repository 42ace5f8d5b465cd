//! What is taken from a kubeconfig, and what is refused by name.

use super::{
    samples::{Authority, kubeconfig},
    *,
};

fn refusal(text: &str) -> String {
    Kubeconfig::parse(text.as_bytes()).unwrap_err().to_string()
}

fn sample() -> String {
    Authority::shared().kubeconfig()
}

#[test]
fn what_kubeadm_writes_is_taken() {
    let authority = Authority::shared();
    let parsed = Kubeconfig::parse(sample().as_bytes()).unwrap();
    assert_eq!(parsed.server(), "https://api.invalid:6443");
    assert_eq!(parsed.ca_certificate(), authority.pem());
    assert_eq!(parsed.client_certificate(), authority.client);
    assert_eq!(*parsed.client_key().expose(), authority.key);
    assert_eq!(format!("{parsed:?}"), r#"Kubeconfig { server: "https://api.invalid:6443", .. }"#);
}

#[test]
fn all_that_runs_opens_or_leads_elsewhere_is_refused_by_name() {
    let cluster = "    server: https://api.invalid:6443\n";
    let user = "  user:\n";
    let context = "    user: kubernetes-admin\n";
    let top = "kind: Config\n";
    let cases = [
        (user, "exec: { apiVersion: client.authentication.k8s.io/v1, command: touch }", "users[0].user.exec"),
        (user, "auth-provider: { name: gcp, config: { cmd-path: touch } }", "users[0].user.auth-provider"),
        (user, "tokenFile: /etc/passwd", "users[0].user.tokenFile"),
        (user, "token: abc", "users[0].user.token"),
        (user, "client-certificate: /etc/passwd", "users[0].user.client-certificate"),
        (user, "client-key: /etc/passwd", "users[0].user.client-key"),
        (user, "username: admin", "users[0].user.username"),
        (user, "password: abc", "users[0].user.password"),
        (user, "as: somebody", "users[0].user.as"),
        (user, "as-uid: '0'", "users[0].user.as-uid"),
        (user, "as-groups: [system:masters]", "users[0].user.as-groups"),
        (user, "as-user-extra: {}", "users[0].user.as-user-extra"),
        (user, "extensions: []", "users[0].user.extensions"),
        (user, "exec: null", "users[0].user.exec"),
        (cluster, "certificate-authority: /etc/passwd", "clusters[0].cluster.certificate-authority"),
        (cluster, "proxy-url: socks5://192.0.2.1:1080", "clusters[0].cluster.proxy-url"),
        (cluster, "insecure-skip-tls-verify: true", "clusters[0].cluster.insecure-skip-tls-verify"),
        (cluster, "tls-server-name: evil.example.com", "clusters[0].cluster.tls-server-name"),
        (cluster, "disable-compression: true", "clusters[0].cluster.disable-compression"),
        (cluster, "extensions: []", "clusters[0].cluster.extensions"),
        (context, "extensions: []", "contexts[0].context.extensions"),
        (top, "extensions: []", "extensions"),
    ];
    for (after, field, name) in cases {
        let indent = if after == top { "" } else { "    " };
        let text = sample().replace(after, &format!("{after}{indent}{field}\n"));
        assert_ne!(text, sample());
        assert_eq!(refusal(&text), format!("`{name}` is not accepted"), "{field}");
    }
    let preferences = sample().replace("preferences: {}", "preferences: { colors: true }");
    assert_eq!(refusal(&preferences), "`preferences` is not accepted");
}

#[test]
fn entries_that_nobody_chooses_are_as_harmless() {
    let text = sample() + "- name: other\n  user: { exec: { command: touch } }\n";
    assert_eq!(refusal(&text), "`users[1].user.exec` is not accepted");
    let text = sample() + "- name: other\n  user: {}\n";
    assert!(Kubeconfig::parse(text.as_bytes()).is_ok());
}

#[test]
fn other_fields_are_refused_and_not_quoted() {
    let text = sample().replace("  user:\n", "  user:\n    hunter2: x\n");
    assert_eq!(refusal(&text), "`users[0].user` has a field that kubeadm does not write");
    assert_eq!(refusal(&(sample() + "hunter2: x\n")), "`the file` has a field that kubeadm does not write");
}

#[test]
fn the_current_context_decides() {
    let mine = Authority::shared();
    let other = Authority::new();
    let data = |pem: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pem);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: b\n\
         contexts: [{{name: a, context: {{cluster: one, user: x}}}}, {{name: b, context: {{cluster: two, user: y, namespace: z}}}}]\n\
         clusters:\n\
         - {{name: one, cluster: {{server: 'https://192.0.2.1:6443', certificate-authority-data: {}}}}}\n\
         - {{name: two, cluster: {{server: 'https://192.0.2.2:6443', certificate-authority-data: {}}}}}\n\
         users:\n\
         - {{name: x, user: {{client-certificate-data: {}, client-key-data: {}}}}}\n\
         - {{name: y, user: {{client-certificate-data: {}, client-key-data: {}}}}}\n",
        data(&mine.pem()),
        data(&other.pem()),
        data(&mine.client),
        data(&mine.key),
        data(&other.client),
        data(&other.key),
    );
    let parsed = Kubeconfig::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.server(), "https://192.0.2.2:6443");
    assert_eq!((parsed.ca_certificate(), parsed.client_certificate()), (other.pem(), other.client.clone()));
    let lost = text.replace("current-context: b", "current-context: c");
    assert_eq!(refusal(&lost), "`current-context` names nothing in the file");
    let lost = text.replace("user: y,", "user: q,");
    assert_eq!(refusal(&lost), "`contexts[1].context.user` names nothing in the file");
    let twice = text.replace("name: y,", "name: x,");
    assert_eq!(refusal(&twice), "`users[1].name` is the name of an earlier one, too");
}

#[test]
fn yaml_that_stands_for_something_else_is_refused() {
    let sample = sample();
    let nested = "[".repeat(10_000);
    for text in [
        "users: hunter2: x",
        "- a",
        "",
        &format!("{sample}---\n{sample}"),
        &sample.replace("preferences: {}", "preferences: &a {}"),
        &sample.replace("preferences: {}", "<<: { kind: Config }"),
        &sample.replace("preferences: {}", "kind: Config"),
        &sample.replace("preferences: {}", "preferences: !include /etc/passwd"),
        &sample.replace("preferences: {}", &format!("preferences: {nested}")),
        &sample.replace("server: https", "server: &x https").replace("cluster: kubernetes\n", "cluster: *x\n"),
    ] {
        let error = refusal(text);
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert_eq!(
        refusal(&(sample + &" ".repeat(LARGEST))).split(',').next_back(),
        Some(" more than the 65536 that any needs")
    );
    assert_eq!(Kubeconfig::parse(&[0xff, 0xfe]).unwrap_err(), KubeconfigError::NotYaml);
}

#[test]
fn certificates_and_keys_are_read_strictly() {
    let Authority { client, key, .. } = Authority::shared();
    let authority = Authority::shared().pem();
    let other = Authority::new();
    let with = |authority: &str, client: &str, key: &str| kubeconfig("https://10.0.0.1:6443", authority, client, key);
    let (trust, certificate) =
        ("clusters[0].cluster.certificate-authority-data", "users[0].user.client-certificate-data");
    let private = "users[0].user.client-key-data";
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let stranger = "-----BEGIN STRANGE THING-----\naGVsbG8=\n-----END STRANGE THING-----\n";
    for (text, expected) in [
        (with("/etc/kubernetes/pki/ca.crt", client, key), format!("`{trust}` is not PEM")),
        (with(&(authority.clone() + stranger), client, key), format!("`{trust}` is not PEM")),
        (with(&(authority.clone() + key), client, key), format!("`{trust}` holds something that is not a certificate")),
        (with(garbage, client, key), format!("`{trust}` holds something that is not a certificate")),
        (with(&authority.repeat(9), client, key), format!("`{trust}` holds too many certificates")),
        (with(&authority, key, key), format!("`{certificate}` holds something that is not a certificate")),
        (with(&authority, client, client), format!("`{private}` holds something that is not a key")),
        (with(&authority, client, &key.repeat(2)), format!("`{private}` holds more than one key")),
        (with(&authority, client, &other.key), format!("`{private}` is no key for the client certificate")),
        (sample().replace("client-key-data: ", "client-key-data: ?"), format!("`{private}` is not base64")),
    ] {
        assert_eq!(refusal(&text), expected);
    }
    // Two authorities side by side, with a remark between them.
    let both = format!("{authority}# the new one\n{}", other.pem());
    let parsed = Kubeconfig::parse(with(&both, client, key).as_bytes()).unwrap();
    assert_eq!(parsed.authorities().count(), 2);
    assert_eq!(parsed.ca_certificate(), authority + &other.pem());
}

#[test]
fn a_server_is_a_plain_url() {
    let authority = Authority::shared();
    let with = |server: &str| kubeconfig(server, &authority.pem(), &authority.client, &authority.key);
    for server in ["https://10.0.0.1:6443", "https://[fd00::1]:6443", "https://api.example.com", "https://api:6443/"] {
        assert_eq!(Kubeconfig::parse(with(server).as_bytes()).unwrap().server(), server);
    }
    for server in [
        "http://10.0.0.1:6443",
        "file:///etc/passwd",
        "https://user:password@10.0.0.1:6443",
        "https://10.0.0.1:6443/path",
        "https://10.0.0.1:6443?x=y",
        "10.0.0.1:6443",
        "\"https://10.0.0.1:6443\\e[2J\"",
        &format!("https://{}", "a".repeat(LONGEST_SERVER)),
    ] {
        assert!(refusal(&with(server)).starts_with("`clusters[0].cluster.server` is not a URL"), "{server}");
    }
}
