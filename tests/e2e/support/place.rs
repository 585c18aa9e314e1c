//! Where a story's server lives: a folder of its own, which goes with the value, and the flags of its starts.

use super::server::{Kept, Server};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What opens the HTTP API of a [`Place::keyed`] server.
pub const API_KEY: &str = "an-api-key-of-the-stories";
/// What signs tokens for it.
const SECRET: &[u8; 32] = b"a secret of thirty-two bytes....";

/// A folder, and how the real program is started in it.
pub struct Place {
    dir: PathBuf,
    flags: Vec<(String, String)>,
}

impl Place {
    /// In development mode, on any free ports, with two cores, on a log of its own.
    pub fn new(name: &str) -> Self {
        let dir = super::data(name);
        std::fs::create_dir_all(&dir).unwrap();
        let data = dir.join("data").display().to_string();
        let place = Self { dir, flags: Vec::new() };
        place.with("listen", "127.0.0.1:0").with("admin", "127.0.0.1:0").with("data", data).with("cores", 2)
    }

    /// The same with keys: tokens by [`token`], the HTTP API by [`API_KEY`].
    pub fn keyed(name: &str) -> Self {
        let place = Self::new(name);
        let jwt_key = place.write("jwt.key", SECRET);
        let api_keys = place.write("api.keys", format!("# of the stories\n{API_KEY}\n"));
        place.with("jwt-key", jwt_key.display()).with("api-keys", api_keys.display())
    }

    /// With this flag, instead of what it was before.
    pub fn with(mut self, flag: &str, value: impl ToString) -> Self {
        self.flags.retain(|(known, _)| known != flag);
        self.flags.push((flag.to_owned(), value.to_string()));
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `corepost serve` with the flags, not yet run.
    pub fn serve(&self) -> Command {
        let mut command = corepost();
        command.arg("serve");
        for (flag, value) in &self.flags {
            command.arg(format!("--{flag}")).arg(value);
        }
        // What CI wants everything to be run on, but for a story of one driver.
        let ours = self.flags.iter().any(|(flag, _)| flag == "driver");
        if let Some(driver) = std::env::var_os("COREPOST_DRIVER").filter(|_| !ours) {
            command.arg("--driver").arg(driver);
        }
        command
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Server {
        self.run(self.serve())
    }

    /// Starts this one, which is [`Place::serve`] and more.
    pub fn run(&self, command: Command) -> Server {
        Server::start(command, &self.dir).expect("no ready line came")
    }

    /// Starts it, unless it ends by itself.
    pub fn try_start(&self) -> Option<Server> {
        Server::start(self.serve(), &self.dir)
    }

    /// Starts it, and does not wait until it is ready; what it logs is in this file.
    pub fn begin(&self) -> (Kept, PathBuf) {
        let log = self.path("log");
        let mut command = self.serve();
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        (Kept(command.spawn().unwrap()), log)
    }

    /// Starts it in the expectation that it ends by itself.
    pub fn fail(&self) -> Output {
        super::server::finish(self.serve().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.dir
    }
}

/// The real program with nothing of ours in its environment. `TEST_PROGRAM=target/release/corepost` tells the same
/// stories to another one.
pub fn corepost() -> Command {
    let program = std::env::var_os("TEST_PROGRAM");
    let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_corepost").into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COREPOST_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Whether the program is unoptimised.
pub fn is_slow() -> bool {
    cfg!(debug_assertions) && std::env::var_os("TEST_PROGRAM").is_none()
}

/// Now, in Unix seconds.
pub fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A token for `sub`, for an hour.
pub fn token(sub: &str) -> String {
    claims(&json!({"sub": sub, "iat": now_s(), "exp": now_s() + 3_600}))
}

/// A token with these claims.
pub fn claims(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}
