//! Where a value was written, and what is wrong with one: every message names the place to go to.

use super::settings::Setting;
use std::fmt;

/// Where a value was written. Of several the first of these counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In the file.
    File {
        /// As it was named.
        path: String,
        /// From 1; 0 if it was not found again.
        line: usize,
    },
    /// Nowhere: as the settings' table has it.
    Default,
}

/// Something that must be put right before the program can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which setting it is about and where that was written.
    pub place: String,
    /// What is wrong there and what to do.
    pub problem: String,
}

/// All of them, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Source {
    /// Where `setting` was written, for people: `--listen`, `COREPOST_LISTEN`, `corepost.toml:3 listen`.
    pub fn place(&self, setting: &Setting) -> String {
        match self {
            Self::Flag => format!("flag --{}", setting.flag()),
            Self::Environment => format!("environment {}", setting.variable()),
            Self::File { path, line: 0 } => format!("{path} {}", setting.key),
            Self::File { path, line } => format!("{path}:{line} {}", setting.key),
            Self::Default => format!("default of --{}", setting.flag()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "flag"),
            Self::Environment => write!(f, "environment"),
            Self::File { path, line: 0 } => write!(f, "{path}"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Default => write!(f, "default"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0.len();
        writeln!(f, "{n} {} in the configuration:", if n == 1 { "mistake" } else { "mistakes" })?;
        self.0.iter().try_for_each(|mistake| writeln!(f, "  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}
