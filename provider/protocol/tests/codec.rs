//! Values survive the wire, and damaged bytes are refused without harm.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tfplugin::{Number, Refinements, Type, TypedValue, Value};

fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![Just(Type::Bool), Just(Type::Number), Just(Type::String), Just(Type::Dynamic)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_map(Type::set),
            inner.clone().prop_map(Type::map),
            vec(inner.clone(), 0..4).prop_map(Type::Tuple),
            btree_map("[a-z]{1,6}", inner, 0..4).prop_map(Type::Object),
        ]
    })
}

fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("NaN is no number", Number::from_f64),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?".prop_filter_map("a number", |text| Number::parse(&text)),
    ]
}

fn any_unknown() -> impl Strategy<Value = Value> {
    let refinements =
        (any::<Option<bool>>(), any::<Option<String>>(), any::<Option<u64>>(), any_number(), any::<bool>());
    refinements.prop_map(|(null, prefix, min_length, bound, inclusive)| {
        let lower_bound = inclusive.then_some((bound, inclusive));
        let known = Refinements { null, prefix, min_length, lower_bound, ..Refinements::default() };
        Value::Unknown(Some(known).filter(|known| *known != Refinements::default()).map(Box::new))
    })
}

/// A value of the type, parts of it null or unknown.
fn value_of(ty: &Type) -> BoxedStrategy<Value> {
    let known = match ty {
        Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Type::Number => any_number().prop_map(Value::Number).boxed(),
        Type::String => any::<String>().prop_map(Value::from).boxed(),
        Type::List(element) | Type::Set(element) => vec(value_of(element), 0..4).prop_map(Value::List).boxed(),
        Type::Map(element) => btree_map(any::<String>(), value_of(element), 0..4).prop_map(Value::Map).boxed(),
        Type::Tuple(types) => types.iter().map(value_of).collect::<Vec<_>>().prop_map(Value::List).boxed(),
        Type::Object(attributes) => {
            let names: Vec<String> = attributes.keys().cloned().collect();
            let values: Vec<_> = attributes.values().map(value_of).collect();
            values.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
        }
        Type::Dynamic => any_number()
            .prop_map(|number| Value::Dynamic(Box::new(TypedValue { ty: Type::Number, value: Value::Number(number) })))
            .boxed(),
    };
    prop_oneof![8 => known, 1 => Just(Value::Null), 1 => any_unknown()].boxed()
}

fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(|ty| value_of(&ty).prop_map(move |value| (ty.clone(), value)))
}

mod properties {
    use super::*;

    proptest! {
        #[test]
        fn any_value_survives_the_wire((ty, value) in typed_value()) {
            let bytes = value.to_msgpack(&ty).unwrap();
            prop_assert_eq!(Value::from_msgpack(&bytes, &ty).unwrap(), value);
        }

        #[test]
        fn any_type_survives_json(ty in any_type()) {
            prop_assert_eq!(Type::from_json(&ty.to_json()).unwrap(), ty);
        }

        #[test]
        fn any_bytes_are_harmless(bytes in vec(any::<u8>(), 0..4096), ty in any_type()) {
            if let Ok(value) = Value::from_msgpack(&bytes, &ty) {
                prop_assert!(value.to_msgpack(&ty).is_ok());
            }
            Value::from_json_slice(&bytes, &ty).ok();
            Type::from_slice(&bytes).ok();
        }

        /// Closer to the truth than random bytes: one byte of a good message is wrong.
        #[test]
        fn any_damaged_message_is_harmless((ty, value) in typed_value(), position in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = value.to_msgpack(&ty).unwrap();
            let position = position.index(bytes.len());
            bytes[position] = byte;
            Value::from_msgpack(&bytes, &ty).ok();
        }

        #[test]
        fn any_number_keeps_its_text(text in "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{0,60}[1-9])?") {
            let number = Number::parse(&text).unwrap();
            let expected = if text == "-0" { "0" } else { &text };
            // Floats print their shortest text; only what a float holds exactly becomes one.
            prop_assert_eq!(Number::parse(&number.to_string()).unwrap(), number.clone());
            if number.as_f64().to_string() != expected {
                prop_assert_eq!(number.to_string(), expected);
            }
        }
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let huge_array = [0xdd, 0xff, 0xff, 0xff, 0xff];
    let huge_map = [0xdf, 0xff, 0xff, 0xff, 0xff];
    let huge_text = [0xdb, 0xff, 0xff, 0xff, 0xff];
    let huge_extension = [0xc9, 0xff, 0xff, 0xff, 0xff, 0x0c];
    for (bytes, ty) in [
        (&huge_array[..], Type::list(Type::String)),
        (&huge_map, Type::map(Type::String)),
        (&huge_text, Type::String),
        (&huge_extension, Type::String),
    ] {
        Value::from_msgpack(bytes, &ty).unwrap_err();
    }
}

#[test]
fn short_texts_cannot_become_huge_values() {
    let attributes = (0..1000).map(|number| (format!("a{number}"), Type::String));
    let ty = Type::list(Type::object(attributes));
    let json = format!("[{}{{}}]", "{},".repeat(100_000));
    Value::from_json_slice(json.as_bytes(), &ty).unwrap_err();
    let msgpack = [vec![0xdc, 0xff, 0xff], vec![0x80; 0xffff]].concat();
    Value::from_msgpack(&msgpack, &ty).unwrap_err();
}

#[test]
fn depth_is_bounded() {
    // Each level says: any type, which is any type, which is …
    let level = [&[0x92, 0xc4, 9][..], br#""dynamic""#].concat();
    let bytes = level.repeat(1_000_000);
    Value::from_msgpack(&bytes, &Type::Dynamic).unwrap_err();
    let json = "[".repeat(1_000_000);
    Type::from_slice(json.as_bytes()).unwrap_err();
}

/// The bytes that Terraform really sends and expects.
#[test]
fn golden_bytes() {
    let check = |value: Value, ty: Type, bytes: &[u8]| {
        assert_eq!(value.to_msgpack(&ty).unwrap(), bytes, "{value:?}");
        assert_eq!(Value::from_msgpack(bytes, &ty).unwrap(), value);
    };
    check(Value::Null, Type::String, &[0xc0]);
    check(Value::unknown(), Type::String, &[0xd4, 0x00, 0x00]);
    check(Value::unknown_not_null(), Type::String, &[0xc7, 0x03, 0x0c, 0x81, 0x01, 0xc2]);
    check(Value::from(true), Type::Bool, &[0xc3]);
    check(Value::from(5_i64), Type::Number, &[0x05]);
    check(Value::from(-1_i64), Type::Number, &[0xff]);
    check(Value::from(0.5), Type::Number, &[0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
    check(Value::from(0.1), Type::Number, &[0xa3, b'0', b'.', b'1']);
    let object = Type::object([("a", Type::String), ("b", Type::list(Type::Bool))]);
    let value = Value::object([("a", "x".into()), ("b", Value::list([false]))]);
    check(value, object.clone(), &[0x82, 0xa1, b'a', 0xa1, b'x', 0xa1, b'b', 0x91, 0xc2]);
    let missing = Value::object([("a", Value::from("x"))]).to_msgpack(&object).unwrap();
    assert_eq!(missing, [0x82, 0xa1, b'a', 0xa1, b'x', 0xa1, b'b', 0xc0], "a missing attribute is null");
    let dynamic = Value::Dynamic(Box::new(TypedValue { ty: Type::Bool, value: true.into() }));
    check(dynamic, Type::Dynamic, &[0x92, 0xc4, 6, b'"', b'b', b'o', b'o', b'l', b'"', 0xc3]);
    // A refinement on two bytes, as some versions send it.
    assert_eq!(Value::from_msgpack(&[0xd5, 0x0c, 0x81, 0x01], &Type::Bool).unwrap(), Value::unknown());
}

#[test]
fn errors_name_the_place() {
    let ty = Type::object([("hosts", Type::map(Type::object([("port", Type::Number)])))]);
    let value = Value::from(serde_json::json!({ "hosts": { "cp-1": { "port": "ssh" } } }));
    let error = value.to_msgpack(&ty).unwrap_err();
    assert_eq!(error.to_string(), r#"invalid value at `hosts["cp-1"].port`"#);
    assert_eq!(error.reason.to_string(), "expected number, found string");
}

#[test]
fn stored_states_of_other_versions_are_read() {
    let ty = Type::object([("name", Type::String), ("new", Type::list(Type::Number)), ("any", Type::Dynamic)]);
    let json = br#"{ "name": "a", "gone": { "x": 1 }, "any": { "type": "number", "value": 123456789012345678901.5 } }"#;
    let value = Value::from_json_slice(json, &ty).unwrap();
    assert!(value.attribute("new").is_null());
    assert_eq!(value.attribute("any").as_number().unwrap().to_string(), "123456789012345678901.5");
}
