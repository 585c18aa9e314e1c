//! Builds `shim.c` once per process, and runs tests under it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library to preload. Needs a C compiler, as building corepost does.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powercut/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let built = Command::new(&cc)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .status();
        let built =
            built.unwrap_or_else(|error| panic!("{cc}: {error}; install a C compiler, e.g. apt install gcc"));
        assert!(built.success(), "{cc} could not build {}", source.display());
        library
    })
}

/// Runs the test of this name again in a process whose disk the shim can make fail. Returns the flag file there.
#[allow(dead_code, reason = "power cuts fail in another way")]
pub fn with_a_failing_disk(test: &str, dir: &Path) -> Option<PathBuf> {
    if let Ok(flag) = std::env::var("POWERCUT_FAIL") {
        return Some(flag.into());
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env("LD_PRELOAD", library());
    // Whatever the child opens below is watched.
    let status =
        child.env("POWERCUT_DIR", dir.parent().unwrap()).env("POWERCUT_FAIL", dir.with_extension("flag"));
    assert!(status.status().unwrap().success(), "{test} failed on a failing disk");
    None
}
