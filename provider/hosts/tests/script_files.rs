//! Every script says what it needs and does, and bash and shellcheck have no complaint.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "script_files/rules.rs"]
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables that bash or the runner sets.
const ALWAYS_SET: &[&str] = &[
    "BASHPID",
    "BASH_REMATCH",
    "BASH_SOURCE",
    "EUID",
    "HOME",
    "IFS",
    "LC_ALL",
    "LINENO",
    "PATH",
    "PIPESTATUS",
    "RANDOM",
    "SECONDS",
];

#[test]
fn scripts_keep_the_contract() {
    let scripts = scripts();
    assert!(scripts.len() > 4, "{scripts:?}");
    let complaints: Vec<String> = scripts
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap() + &functions_of(path);
            complaints(&text).into_iter().map(|complaint| format!("{}: {complaint}", path.display()))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_one_place_does_right_is_done_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let texts: Vec<_> = scripts().iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
    let complaints = rules::complaints(texts.iter().map(|(path, text)| (path.clone(), text.as_str())));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn bash_can_read_the_scripts() {
    for path in scripts() {
        let done = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn shellcheck_has_no_complaint() {
    // The scripts have no first line that names the shell. The runner sets `-Eeuo pipefail`.
    let Some([shellcheck]) = test_programs::programs(["shellcheck"]) else { return };
    let done = Command::new(shellcheck).args(["--shell=bash", "--severity=warning"]).args(scripts()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn a_script_that_breaks_the_contract_is_found() {
    let good = "# Does it.\n# Variables: NAME (of it), OTHER.\n# Leaves nothing behind. Safe to run twice.\n\n\
                MINE=1\necho \"$NAME ${OTHER:-} $MINE $lower\" # $COMMENT\n";
    assert_eq!(complaints(good), Vec::<String>::new());
    for (bad, complaint) in [
        (good.replace("# Does", "Does"), "it does not begin with a comment"),
        (good.replace("Variables", "Needs"), "its header has no `Variables:`"),
        (good.replace("Leaves nothing", "Nothing is"), "its header does not say what it leaves behind"),
        (good.replace(", OTHER", ""), "it uses `OTHER`, which its header does not name"),
        (good.replace("$NAME", "$lower"), "its header names `NAME`, which it does not use"),
        (good.replace("twice.", "twice.\u{20}"), "line 3 ends in a space"),
    ] {
        assert_eq!(complaints(&bad), [complaint]);
    }
}

/// The functions that a script names in its header, which use its variables.
fn functions_of(script: &Path) -> String {
    let text = fs::read_to_string(script).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("# Functions: ")).flat_map(|names| names.split(", "));
    let folder = script.parent().unwrap().join("functions");
    names.map(|name| fs::read_to_string(folder.join(format!("{}.sh", name.trim_end_matches('.')))).unwrap()).collect()
}

fn scripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("os"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "sh") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let header: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    if header.is_empty() {
        return vec!["it does not begin with a comment".to_owned()];
    }
    let header = header.iter().map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ");
    if !header.contains("Leaves") {
        complaints.push("its header does not say what it leaves behind".to_owned());
    }
    for (index, _) in text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t'])) {
        complaints.push(format!("line {} ends in a space", index + 1));
    }
    let Some(declared) = declared_variables(&header) else {
        complaints.push("its header has no `Variables:`".to_owned());
        return complaints;
    };
    let code = without_comments(text);
    let used = used_variables(&code);
    // Arithmetic reads a variable without a `$`.
    let named: BTreeSet<String> = code.split(|c: char| !is_of_name(c)).map(str::to_owned).collect();
    complaints.extend(
        used.difference(&declared).map(|variable| format!("it uses `{variable}`, which its header does not name")),
    );
    complaints.extend(
        declared.difference(&named).map(|variable| format!("its header names `{variable}`, which it does not use")),
    );
    complaints
}

/// The names in capitals between `Variables:` and the next part of the header, without what is in parentheses.
fn declared_variables(header: &str) -> Option<BTreeSet<String>> {
    let (_, rest) = header.split_once("Variables:")?;
    let end = ["Stdin", "Prints", "Leaves"].iter().filter_map(|part| rest.find(part)).min().unwrap_or(rest.len());
    let mut depth = 0_u32;
    let plain: String = rest[..end]
        .chars()
        .filter(|character| {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        })
        .collect();
    Some(plain.split(|c: char| !is_of_name(c)).filter(|word| is_variable(word)).map(str::to_owned).collect())
}

/// The names in capitals after a `$`, except those the script sets itself.
fn used_variables(code: &str) -> BTreeSet<String> {
    let set_here = |name: &str| {
        let assigned = |position: usize| {
            let before = code[..position].chars().next_back();
            let starts_word = before.is_none_or(|c| !is_of_name(c) && c != '$' && c != '{');
            starts_word && code[position + name.len()..].starts_with(['=', '+'])
        };
        code.match_indices(name).any(|(position, _)| assigned(position))
    };
    code.split('$')
        .skip(1)
        .map(|rest| rest.trim_start_matches(['{', '#', '!']))
        .map(|rest| rest.split(|c: char| !is_of_name(c)).next().unwrap_or_default())
        .filter(|name| is_variable(name) && !ALWAYS_SET.contains(name) && !set_here(name))
        .map(str::to_owned)
        .collect()
}

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    code.map(|line| line.split(" # ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn is_variable(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && !word.contains(|c: char| c.is_ascii_lowercase())
}
