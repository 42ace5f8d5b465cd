//! What no script does by itself, because one place does it right: delete folders, exchange files, and reckon with what a file says.

use std::collections::BTreeSet;

/// Where a new file takes another one's place without `replace` of `durable`, and why that is right.
const MOVES: &[(&str, &str)] = &[
    (
        "os/debian/functions/signing_keys.sh",
        "flushes file and folder itself; functions of another folder are not at hand",
    ),
    ("os/linux/lock.sh", "in memory, where no power cut leaves anything"),
    ("os/linux/restore_etcd.sh", "a folder, which is settled before the mark that decides is written"),
    ("src/unit/wrapper.sh", "in memory, where no power cut leaves anything"),
];

/// What ends a command in a line of bash.
const ENDS: &[&str] = &[";", "&&", "||", "|", "&", "{", "}", "then", "do", "else", "fi", "done"];

/// The broken rules of all scripts, given as path and text, and the exceptions that are not needed.
pub(crate) fn complaints<'a>(scripts: impl Iterator<Item = (String, &'a str)>) -> Vec<String> {
    let (mut complaints, mut excused) = (Vec::new(), BTreeSet::new());
    for (path, text) in scripts {
        for (number, complaint) in text.lines().enumerate().flat_map(|(number, line)| {
            let line = line.trim();
            let broken = if line.starts_with('#') { Vec::new() } else { broken(line) };
            broken.into_iter().map(move |it| (number + 1, it))
        }) {
            if complaint == MOVE && MOVES.iter().any(|(excused, _)| *excused == path) {
                excused.insert(path.clone());
            } else {
                complaints.push(format!("{path}: line {number} {complaint}"));
            }
        }
    }
    complaints.extend(
        MOVES
            .iter()
            .filter(|(path, _)| !excused.contains(*path))
            .map(|(path, _)| format!("{path}: needs no exception")),
    );
    complaints
}

const DELETE: &str = "deletes a folder without --one-file-system: use `empty_folder`, or name the option";
const FIND: &str = "deletes what `find` finds without -xdev";
const MOVE: &str = "moves a new file into place: `replace` and `write_file` of `durable` flush it first";
const RECKON: &str = "reckons with what a file says: read it into a variable and see that it is a number";

fn broken(line: &str) -> Vec<&'static str> {
    let mut broken = Vec::new();
    let words: Vec<&str> = line.split_whitespace().flat_map(apart).collect();
    for command in words.split(|word| ENDS.contains(word)) {
        let place = |name: &str| command.iter().position(|word| program(word) == name);
        let options = |from: usize| command[from..].iter().filter(|word| word.starts_with('-'));
        let deletes = place("rm").is_some() || command.contains(&"-delete");
        if place("find").is_some() && deletes && !command.contains(&"-xdev") {
            broken.push(FIND);
        }
        if let Some(rm) = place("rm") {
            let recursive =
                |word: &&str| *word == "--recursive" || (!word.starts_with("--") && word.contains(['r', 'R']));
            if options(rm).any(recursive) && !options(rm).any(|word| *word == "--one-file-system") {
                broken.push(DELETE);
            }
        }
        if let Some(mv) = place("mv") {
            let operands: Vec<&&str> = command[mv + 1..].iter().filter(|word| !word.starts_with('-')).collect();
            if operands.len() >= 2 && operands[..operands.len() - 1].iter().any(|from| is_new(from)) {
                broken.push(MOVE);
            }
        }
    }
    for reckoning in line.split("((").skip(1).map(|rest| rest.split("))").next().unwrap_or_default()) {
        if ["$(<", "$(cat ", "`"].iter().any(|read| reckoning.contains(read)) {
            broken.push(RECKON);
        }
    }
    broken
}

/// A `;` that clings to a word is a word.
fn apart(word: &str) -> Vec<&str> {
    match word.strip_suffix(';') {
        Some(rest) if !rest.is_empty() && !rest.ends_with(['\\', ';']) => vec![rest, ";"],
        _ => vec![word],
    }
}

/// The program that a word names where a command begins, also in a subshell, a substitution or a trap.
fn program(word: &str) -> &str {
    let bare = word.trim_start_matches(['(', '$', '\'', '"', '`', '\\', '!']);
    bare.rsplit('/').next().unwrap_or(bare)
}

fn is_new(operand: &str) -> bool {
    let path = operand.trim_matches(['"', '\'']).replace(['{', '}'], "");
    path == "$new" || [".new", "-new", "_new", ".tmp"].iter().any(|end| path.ends_with(end))
}

#[test]
fn a_line_that_breaks_a_rule_is_found() {
    for (line, expected) in [
        ("rm -rf \"$x\"", Some(DELETE)),
        ("if [[ $x ]]; then rm --recursive -- \"$x\"; fi", Some(DELETE)),
        ("trap 'rm -fr \"$x\"' EXIT", Some(DELETE)),
        ("(cd /x && /usr/bin/rm \"$x\" -R)", Some(DELETE)),
        ("true; rm -r x", Some(DELETE)),
        ("rm -rf --one-file-system \"$x\"", None),
        ("rm -f -- /etc/x-r", None),
        ("find /x -xdev -exec rm -rf --one-file-system -- {} +", None),
        ("find /x -exec rm -rf --one-file-system -- {} +", Some(FIND)),
        ("find /x -name y -delete", Some(FIND)),
        ("mv \"$x.new\" \"$x\"", Some(MOVE)),
        ("cmp x y || mv -f -- x.new x; echo", Some(MOVE)),
        ("mv --no-target-directory \"${new}\" \"$x\"", Some(MOVE)),
        ("mv \"$x\" \"$x.new\"", None),
        ("mv \"$held/$1.yaml\" \"$manifests/\"", None),
        ("if (($(<\"$x\") < 3)); then", Some(RECKON)),
        ("y=$((1 + $(cat /x)))", Some(RECKON)),
        ("if (($(free \"$folder\") < needed * 2)); then", None),
    ] {
        assert_eq!(broken(line), expected.into_iter().collect::<Vec<_>>(), "{line}");
    }
}
