//! One setting of a host, as `tuning/knobs.toml` defines it.

use super::limits;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};

/// A setting of a host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knob {
    /// A sysctl's name, or words.
    pub name: String,
    /// Where it is set.
    pub kind: Kind,
    /// Where it is read, if the name does not say it.
    pub at: Option<String>,
    /// Where this says 1 the knob does not count: for a file one beside it, for a sysctl another one.
    pub unless: Option<String>,
    /// Who sets it.
    #[serde(default)]
    pub by: By,
    /// What is good.
    pub good: Good,
    /// For up to [`Size::Small`] sockets.
    pub small: Option<String>,
    /// For up to [`Size::Large`] sockets.
    pub large: Option<String>,
    /// For more.
    pub huge: Option<String>,
    /// What it buys.
    pub why: String,
    /// How that is known.
    pub source: String,
    /// When to leave it alone.
    pub not: String,
    /// What sets it, if the kind does not say it.
    pub command: Option<String>,
}

/// Where a knob is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Below `/proc/sys`.
    Sysctl,
    /// A limit of a process.
    Limit,
    /// Somewhere in sysfs.
    File,
}

/// Who sets a knob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// `--apply` where it is not well, and the profiles.
    #[default]
    Profile,
    /// `--apply` where it is not well; the kernel's own value may be better than that of a profile.
    Apply,
    /// An operator: somebody may have meant what it is.
    Hand,
}

/// What is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Good {
    /// This number or more.
    AtLeast,
    /// This number or less.
    AtMost,
    /// One of these words.
    Is,
    /// Two numbers, so far apart.
    Span,
}

/// How many sockets a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// Up to 20,000.
    Small,
    /// Up to 250,000.
    Large,
    /// Beyond.
    Huge,
}

impl Size {
    /// All, ascending.
    pub const ALL: [Self; 3] = [Self::Small, Self::Large, Self::Huge];

    /// The smallest that is enough for so many sockets.
    pub fn for_sockets(sockets: u64) -> Self {
        match sockets {
            0..=20_000 => Self::Small,
            20_001..=250_000 => Self::Large,
            _ => Self::Huge,
        }
    }

    /// What a host with so much memory is probably for.
    pub fn for_memory(bytes: u64) -> Self {
        match bytes >> 30 {
            0..8 => Self::Small,
            8..64 => Self::Large,
            _ => Self::Huge,
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Huge => "huge",
        }
    }

    /// What it is for, in words.
    pub fn sockets(self) -> &'static str {
        match self {
            Self::Small => "up to 20,000 sockets",
            Self::Large => "up to 250,000 sockets",
            Self::Huge => "more than 250,000 sockets",
        }
    }
}

impl Knob {
    /// What it should be on a host of this size; `None`: anything.
    pub fn wanted(&self, size: Size) -> Option<&str> {
        match size {
            Size::Small => self.small.as_deref(),
            Size::Large => self.large.as_deref(),
            Size::Huge => self.huge.as_deref(),
        }
    }

    /// The command that sets it.
    pub fn command(&self, wanted: &str) -> String {
        match (&self.command, self.kind) {
            (Some(command), _) => command.clone(),
            (None, Kind::Sysctl) => format!("sysctl -w {}={}", self.name, quoted(self.value_to_set(wanted))),
            (None, Kind::Limit) => {
                let least = limits::least(self, wanted);
                let (item, by_systemd) = (self.limit_item(), self.systemd_item());
                format!("a line `* hard {item} {least}` in /etc/security/limits.d, or systemd's {by_systemd}")
            }
            (None, Kind::File) => String::new(),
        }
    }

    /// What is written to it.
    pub fn value_to_set<'w>(&self, wanted: &'w str) -> &'w str {
        match self.good {
            // Above the ports that nodes listen on.
            Good::Span => "20000 60999",
            Good::Is => wanted.split(' ').next().unwrap_or(wanted),
            Good::AtLeast | Good::AtMost => wanted,
        }
    }

    /// Its name in limits.conf(5).
    pub fn limit_item(&self) -> &'static str {
        if self.at.as_deref() == Some("Max locked memory") { "memlock" } else { "nofile" }
    }

    /// Its name in systemd.exec(5).
    fn systemd_item(&self) -> &'static str {
        if self.limit_item() == "memlock" { "LimitMEMLOCK=" } else { "LimitNOFILE=" }
    }

    /// Its value in limits.conf(5), which counts memory in KiB.
    pub fn limit_value(&self, wanted: &str) -> u64 {
        let number = wanted.parse::<u64>().unwrap_or_default();
        if self.limit_item() == "memlock" { number >> 10 } else { number }
    }
}

fn quoted(value: &str) -> String {
    if value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() }
}

impl Good {
    /// What is wanted, for people.
    pub fn in_words(self, wanted: &str) -> String {
        match self {
            Self::AtLeast => format!("at least {wanted}"),
            Self::AtMost => format!("at most {wanted}"),
            Self::Is => wanted.replace(' ', " or "),
            Self::Span => format!("a span of {wanted}"),
        }
    }
}

/// All of them, in the order of the file.
pub fn knobs() -> Vec<Knob> {
    #[derive(Deserialize)]
    struct File {
        knob: Vec<Knob>,
    }
    let file: Result<File, _> =
        Figment::from(Toml::string(include_str!("../../tuning/knobs.toml"))).extract();
    file.expect("tuning/knobs.toml comes with the program and is tested").knob
}
