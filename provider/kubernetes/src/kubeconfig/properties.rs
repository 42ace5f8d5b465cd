//! Whatever a host writes into a kubeconfig, nothing but the accepted shape gets through.

use proptest::prelude::*;

use super::{samples::Authority, shape::REFUSED, *};

/// What a host can hide a way out in. `preferences` are there already, and may be empty.
fn dangerous() -> impl Strategy<Value = &'static str> {
    let names = REFUSED.into_iter().filter(|name| *name != "preferences");
    prop::sample::select(names.collect::<Vec<_>>())
}

/// Values of all kinds, as flow YAML.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|it| it.to_string()),
        "[a-z/]{1,12}".prop_map(|it| format!("'{it}'")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|it| format!("[{}]", it.join(", "))),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..3).prop_map(|it| {
                let fields: Vec<_> = it.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    })
}

/// The objects of a kubeconfig, by a line after which a field can be put, and that field's indentation.
fn places() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("kind: Config\n", ""),
        ("    server: https://api.invalid:6443\n", "    "),
        ("  user:\n", "    "),
        ("    user: kubernetes-admin\n", "    "),
        ("  name: kubernetes\n", "  "),
        ("- name: kubernetes-admin\n", "  "),
        ("  name: kubernetes-admin@kubernetes\n", "  "),
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Kubeconfig::parse(&bytes).is_err());
    }

    #[test]
    fn any_text_that_looks_like_yaml_is_read_or_refused(text in "[-a-z:{}\\[\\],&*!<'\"| \n#?%@]{0,200}") {
        prop_assert!(Kubeconfig::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn any_dangerous_field_is_refused_anywhere(
        name in dangerous(),
        (after, indent) in places(),
        value in value(),
        quoted in any::<bool>(),
    ) {
        let name = if quoted { format!("\"{name}\"") } else { name.to_owned() };
        let sample = Authority::shared().kubeconfig();
        let text = sample.replacen(after, &format!("{after}{indent}{name}: {value}\n"), 1);
        prop_assert_ne!(&text, &sample);
        let error = Kubeconfig::parse(text.as_bytes()).unwrap_err().to_string();
        prop_assert!(error.contains("is not accepted"), "{}", error);
    }

    #[test]
    fn any_damage_is_read_or_refused_and_never_quoted(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let mut file = Authority::shared().kubeconfig().into_bytes();
        let at = at.index(file.len());
        let end = file.len().min(at + bytes.len());
        file.splice(at..end, bytes);
        if let Err(error) = Kubeconfig::parse(&file) {
            let text = error.to_string();
            prop_assert!(text.len() < 200 && text.is_ascii() && !text.contains("LS0t"), "{}", text);
        }
    }

    #[test]
    fn any_accepted_file_is_the_same_when_it_is_written_anew(
        cluster in "[a-z][a-z0-9-]{0,20}",
        user in "[a-zA-Z:@][a-zA-Z0-9:@ '\"#-]{0,20}",
        port in any::<u16>(),
    ) {
        let server = format!("https://10.0.0.1:{port}");
        let read = Kubeconfig::parse(Authority::shared().kubeconfig().as_bytes()).unwrap();
        let written = read.to_yaml(&cluster, &user, &server).unwrap();
        let again = Kubeconfig::parse(written.expose().as_bytes()).unwrap();
        prop_assert_eq!(again.server(), server.as_str());
        prop_assert_eq!(again.ca_certificate(), read.ca_certificate());
        prop_assert_eq!(again.client_certificate(), read.client_certificate());
        let keys = (again.client_key(), read.client_key());
        prop_assert_eq!(keys.0.expose(), keys.1.expose());
    }
}
