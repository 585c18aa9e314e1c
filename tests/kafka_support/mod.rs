//! Real Kafka for tests, by `kafka/up.sh`, and the program beside it.
//!
//! Only with `COREPOST_TEST=all`, for it needs a JRE and Maven; what is missing fails the test with the line that
//! installs it. The brokers end with the test's process, however that ends.
#![allow(dead_code, reason = "each test uses a part")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Whether tests against real Kafka are asked for.
pub fn is_asked_for() -> bool {
    let asked = std::env::var("COREPOST_TEST").as_deref() == Ok("all");
    if !asked {
        eprintln!("not run: set COREPOST_TEST=all to let it meet real Kafka");
    }
    asked
}

/// A cluster in a folder of its own.
pub struct Cluster {
    dir: PathBuf,
    /// As `--kafka` takes it.
    pub brokers: String,
}

impl Cluster {
    /// Starts 1 or 3 brokers with these further properties; they end when `owner` does.
    pub fn start_for(owner: u32, name: &str, brokers: u8, properties: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kafka-{name}"));
        let mut cluster = Self { dir, brokers: String::new() };
        // What a test before this one left behind, if it was killed.
        cluster.up(&["wipe"]);
        let mut command = cluster.command();
        command.args(["--owner", &owner.to_string(), &brokers.to_string()]).env("KAFKA_EXTRA", properties);
        let told = text(&finish(command.env("KAFKA_HEAP", "384m")));
        let line = told.lines().last().and_then(|line| line.strip_prefix("bootstrap="));
        cluster.brokers = line.unwrap_or_else(|| panic!("no bootstrap line: {told}")).to_owned();
        cluster
    }

    /// The same, for this process.
    pub fn start(name: &str, brokers: u8, properties: &str) -> Self {
        Self::start_for(std::process::id(), name, brokers, properties)
    }

    /// A command of `up.sh`, and its standard output.
    pub fn up(&self, arguments: &[&str]) -> String {
        text(&finish(self.command().args(arguments)))
    }

    /// One of Kafka's own tools, with lines for its standard input.
    pub fn tool(&self, arguments: &[&str], lines: &str) -> String {
        use std::io::Write;
        let mut command = self.command();
        command.arg("tool").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output), errors(&output));
        text(&output)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/up.sh"));
        command.arg("--dir").arg(&self.dir);
        // Brokers live for a minute here, of which a JVM would compile for a good part.
        command.env("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command().arg("wipe").output();
    }
}

fn finish(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output), errors(&output));
    output
}

/// The real program with nothing of ours in its environment.
pub fn corepost(arguments: &[&str]) -> Output {
    without_ours(Command::new(program()).args(arguments)).output().unwrap()
}

/// The same, with a command line as somebody types it.
pub fn corepost_by_a_shell(line: &str) -> Output {
    let line = format!("corepost() {{ \"$PROGRAM\" \"$@\"; }}; {line}");
    without_ours(Command::new("sh").arg("-c").arg(line).env("PROGRAM", program())).output().unwrap()
}

/// The real program.
pub fn program() -> OsString {
    std::env::var_os("TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_corepost").into())
}

/// With nothing of ours in its environment.
pub fn without_ours(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COREPOST_")) {
        command.env_remove(name);
    }
    command
}

/// Its exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Its standard output.
pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Its standard error.
pub fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
