//! What all tests of the test provider share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The test provider, built when it is not there or not fresh. `cargo test` with a filter does not build examples.
pub(crate) fn provider() -> &'static Path {
    static PROVIDER: OnceLock<PathBuf> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "tfplugin", "--example", "every_kind"])
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let test = std::env::current_exe().expect("a test is a file");
        let profile = test.ancestors().nth(2).expect("tests live in target/<profile>/deps");
        profile.join("examples").join(format!("every_kind{}", std::env::consts::EXE_SUFFIX))
    })
}
