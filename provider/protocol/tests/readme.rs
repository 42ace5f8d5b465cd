//! The front page shows what really compiles.

#[test]
fn the_example_of_the_front_page_is_the_tiny_example() {
    let example = include_str!("../examples/tiny.rs");
    let code = &example[example.find("use std::").expect("the example has code")..];
    assert!(include_str!("../README.md").contains(code), "copy examples/tiny.rs into README.md again");
}
