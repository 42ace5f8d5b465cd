//! Scripts with a fault in them: `cargo xtask mutants --scripts` names a folder of scripts that run in the place of ours.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Names the folder. It has the layout of this crate and holds only what differs.
const FOLDER: &str = "KUBEONE_SCRIPT_MUTANT";

/// Names a file that learns which test runs which script: one line for each.
const USES: &str = "KUBEONE_SCRIPT_USES";

/// Notes which scripts are in what the test of this thread runs.
pub(crate) fn note_use(text: &[u8]) {
    let Some(uses) = std::env::var_os(USES) else { return };
    let (text, root) = (String::from_utf8_lossy(text), Path::new(env!("CARGO_MANIFEST_DIR")));
    let thread = std::thread::current();
    let mut lines = String::new();
    for path in [root.join("os"), root.join("src")].iter().flat_map(|folder| scripts(folder)) {
        let script = fs::read_to_string(&path).unwrap_or_default();
        let is_script = path.extension().is_some_and(|kind| kind == "sh");
        if is_script && (text.contains(script.trim_end()) || text.contains(&quoted(script.trim_end()))) {
            let path = path.strip_prefix(root).unwrap().display();
            lines.extend([path.to_string().as_str(), "\t", thread.name().unwrap(), "\n"]);
        }
    }
    let mut uses = fs::OpenOptions::new().append(true).open(uses).unwrap();
    uses.write_all(lines.as_bytes()).unwrap();
}

/// The text with each script that has a mutant exchanged for it.
pub(crate) fn mutated(text: Vec<u8>) -> Vec<u8> {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return text };
    let mut text = String::from_utf8(text).expect("a script with a mutant is text");
    for path in scripts(&folder) {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join(path.strip_prefix(&folder).unwrap());
        let (original, mutant) = (fs::read_to_string(original).unwrap(), fs::read_to_string(&path).unwrap());
        let (original, mutant) = (original.trim_end(), mutant.trim_end());
        text = text.replace(original, mutant);
        // A script that travels as the value of a variable.
        text = text.replace(&quoted(original), &quoted(mutant));
    }
    text.into_bytes()
}

fn quoted(text: &str) -> String {
    text.replace('\'', r"'\''")
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { scripts(&path) } else { vec![path] }).collect()
}
