//! What all tests of the test provider share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The test provider, built when it is not there or not fresh. `cargo test` with a filter does not build examples.
pub(crate) fn provider() -> &'static Path {
    static PROVIDER: OnceLock<PathBuf> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "tfplugin", "--example", "every_kind", "--message-format=json"])
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).expect("cargo prints text");
        let built = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut built = built.filter(|message| message["target"]["name"] == "every_kind");
        let executable = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
        executable.expect("cargo names what it built")
    })
}
