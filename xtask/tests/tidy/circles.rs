//! No circles between the modules of a crate: what uses each other belongs into one module, or one of them at another place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{read, report, rust_files};

/// Crates whose top-level modules are looked at.
const CRATES: [&str; 7] = [
    "provider/spec",
    "provider/facts",
    "provider/desired",
    "provider/plan",
    "provider/hosts",
    "provider/kubernetes",
    "provider/engine",
];

/// One judgment in several files: each fact about a host follows from those before it, and all are put together in
/// `situation`. To others they are one module.
const SITUATION: [&str; 10] = [
    "component_changes",
    "departing",
    "evidence",
    "lost_quorum",
    "quorum",
    "renewal",
    "repair",
    "restore",
    "standing",
    "versions",
];

/// The module that stands for the one of this name.
fn whole(folder: &str, module: String) -> String {
    if folder == "provider/plan" && SITUATION.contains(&module.as_str()) { "situation".to_owned() } else { module }
}

/// The top-level modules that a crate's modules name, without tests: those may look at everything.
fn uses(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(folder).join("src");
    let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
    for file in rust_files() {
        let Ok(inside) = file.strip_prefix(&src) else { continue };
        let Some(module) = inside.components().next().and_then(|part| Path::new(part.as_os_str()).file_stem()) else {
            continue;
        };
        let module = whole(folder, module.to_string_lossy().into_owned());
        let is_test = inside.to_string_lossy().contains("tests")
            || ["lib", "main", "world", "fake_api"].contains(&module.as_str());
        if !is_test {
            let named = named(&read(&file)).into_iter().map(|name| whole(folder, name));
            uses.entry(module).or_default().extend(named);
        }
    }
    let known: BTreeSet<_> = uses.keys().cloned().collect();
    for (module, named) in &mut uses {
        named.retain(|other| known.contains(other) && other != module);
    }
    uses
}

/// What follows `crate::` before the tests of a file, in braces or not.
fn named(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').and_then(|list| list.split_once("};")).map_or(rest, |(list, _)| list);
        let single = !rest.starts_with('{');
        for item in list.split(',') {
            let name: String = item.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            names.push(name);
            if single {
                break;
            }
        }
    }
    names
}

/// The first circle found, as its modules in order.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        module: &str,
        uses: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = path.iter().position(|it| it == module) {
            return Some(path[begin..].to_vec());
        }
        if !done.insert(module.to_owned()) {
            return None;
        }
        path.push(module.to_owned());
        let found = uses.get(module).into_iter().flatten().find_map(|next| visit(next, uses, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|module| visit(module, uses, &mut Vec::new(), &mut done))
}

#[test]
fn modules_do_not_use_each_other_in_circles() {
    let mut violations = Vec::new();
    for folder in CRATES {
        let uses = uses(folder);
        assert!(uses.len() > 2, "{folder} has no modules");
        if let Some(circle) = circle(&uses) {
            violations.push(format!("{folder}: {} → {}", circle.join(" → "), circle[0]));
        }
    }
    report("break the circle: move what both need into a module of its own", &violations);
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        pairs.iter().map(|(name, used)| ((*name).to_owned(), used.iter().map(ToString::to_string).collect())).collect()
    };
    assert_eq!(circle(&uses(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), None);
    let found = circle(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])).unwrap();
    assert_eq!(found, ["b", "c"]);
    assert_eq!(named("use crate::{x::Y, z};\nfn f() { crate::w::g() }"), ["x", "z", "w"]);
}
