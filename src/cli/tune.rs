//! `corepost tune`: the settings of this host beside what a node needs, and what mends them.

use super::{Exit, Flags, say};
use crate::config::resolve_sockets;
use crate::net::{self, Wish};
use crate::tune::{
    Applied, ApplyError, Finding, Good, Root, Size, State, apply, knobs, limits_profile, revert,
    sysctl_profile,
};
use clap::Args;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
It reads, and changes nothing without --apply. What each setting buys, how that is known and when to leave it alone is in
tuning/README.md. Of the flags of `serve` it takes --max-connections, which says how many sockets the host is for.

Examples:
  corepost tune                            what is not as it should be, with the command that mends it
  corepost tune --size huge --json
  sudo corepost tune --apply               set sysctls and limits now and for the next boot; --revert takes it back
  corepost tune --profile large            a file for /etc/sysctl.d; with --limits one for /etc/security/limits.d
Exit codes: 0 all is well; 1 something is not, or could not be set; 2 a mistake in the arguments.";

/// Arguments of `tune`.
#[derive(Args)]
pub(super) struct Tune {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// For how many sockets [default: by --max-connections, or by this host's memory]
    #[arg(long, value_enum)]
    size: Option<Size>,
    /// Set sysctls and limits; the rest stay commands to run
    #[arg(long, conflicts_with_all = ["json", "revert"])]
    apply: bool,
    /// Take back what --apply has set
    #[arg(long, conflicts_with = "json")]
    revert: bool,
    /// Print the sysctls of a size as a file for /etc/sysctl.d
    #[arg(long, value_enum, value_name = "SIZE", conflicts_with_all = ["json", "apply", "revert"])]
    profile: Option<Size>,
    /// Print the limits of that size instead, as a file for /etc/security/limits.d
    #[arg(long, requires = "profile")]
    limits: bool,
    /// Where the host's files begin: for tests
    #[arg(long, default_value = "/", hide = true)]
    root: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

impl Tune {
    pub(super) fn run(self) -> Exit {
        if let Some(size) = self.profile {
            let profile = if self.limits { limits_profile } else { sysctl_profile };
            return say(&profile(&knobs(), size));
        }
        let sockets = match resolve_sockets(&self.flags.with_environment()) {
            Ok(sockets) => sockets,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Exit::Usage;
            }
        };
        let root = Root(self.root);
        if self.revert {
            return done("set back", "taken away", revert(&root, &knobs()));
        }
        let chosen = Chosen::of(self.size, sockets, &root);
        if self.apply {
            return done("set", "written", apply(&root, &knobs(), chosen.size));
        }
        let findings = find(&root, chosen.size);
        let printed = if self.json {
            let all = serde_json::json!({ "size": chosen.size, "settings": findings });
            say(&format!("{all}\n"))
        } else {
            say(&(format!("{chosen}\n\n") + &shown(&findings)))
        };
        match printed {
            Exit::Done if findings.iter().any(|finding| finding.state == State::Mend) => Exit::Failed,
            printed => printed,
        }
    }
}

/// What the host is taken to be for, and why.
struct Chosen {
    size: Size,
    because: String,
}

impl Chosen {
    fn of(size: Option<Size>, sockets: Option<u32>, root: &Root) -> Self {
        let memory = root.memory_bytes();
        match (size, sockets) {
            (Some(size), _) => Self { size, because: "--size".into() },
            (None, Some(sockets)) => Self {
                size: Size::for_sockets(sockets.into()),
                because: format!("--max-connections is {sockets}"),
            },
            (None, None) => Self {
                size: Size::for_memory(memory),
                because: format!("this host has {} GiB of memory; --size chooses otherwise", memory >> 30),
            },
        }
    }
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, because } = self;
        write!(f, "a {} host, {} ({because})", size.as_str(), size.sockets())
    }
}

fn find(root: &Root, size: Size) -> Vec<Finding> {
    let knobs = knobs();
    let mut findings: Vec<Finding> = knobs.iter().map(|knob| root.look(knob, size)).collect();
    if root.0 == Path::new("/") {
        findings.push(io_uring());
    }
    findings
}

/// Asked of the kernel itself, for a seccomp filter is seen in no file.
fn io_uring() -> Finding {
    let refused = net::choose(Wish::Uring).err();
    let works = "works".to_owned();
    Finding {
        setting: "io_uring".into(),
        now: Some(refused.as_ref().map_or_else(|| works.clone(), |refused| refused.why.clone())),
        wanted: Some(works),
        good: Good::Is,
        state: if refused.is_some() { State::Mend } else { State::Well },
        why: "a core waits for all it has by one call a turn; on epoll each socket is watched twice".into(),
        not: "where a policy forbids it: Corepost then runs on epoll".into(),
        command: refused.map(|refused| refused.remedy.to_owned()),
    }
}

fn shown(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.setting.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let Finding { setting, good, state, .. } = finding;
        let now = finding.now.as_deref().unwrap_or("not on this host");
        let wanted = match (&finding.wanted, state) {
            (Some(wanted), State::Well | State::Mend) => format!("   wanted: {}", good.in_words(wanted)),
            _ => String::new(),
        };
        let mark = match state {
            State::Well => "well",
            State::Mend => "MEND",
            State::Absent | State::Free => "-",
        };
        let _ = writeln!(text, "{mark:<5} {setting:<width$}   {now}{wanted}");
        if let Some(command) = &finding.command {
            let _ = writeln!(text, "      why: {}", finding.why);
            let _ = writeln!(text, "      not: {}", finding.not);
            let _ = writeln!(text, "      run: {command}");
        }
    }
    text
}

fn done(set: &str, written: &str, outcome: Result<Applied, ApplyError>) -> Exit {
    let Applied { set: values, files, left, refused } = match outcome {
        Ok(applied) => applied,
        Err(error) => {
            eprintln!("corepost tune: {error}; nothing was changed");
            return Exit::Failed;
        }
    };
    let is_nothing = values.is_empty() && files.is_empty();
    if is_nothing && left.is_empty() && refused.is_empty() {
        return say("nothing to do\n");
    }
    let values = values.iter().map(|(name, value)| format!("{set} {name} = {value}\n"));
    let files = files.iter().map(|file| format!("{written} {}\n", file.display()));
    let left = left.iter().map(|what| format!("left as it is: {what}\n"));
    let said = say(&values.chain(files).chain(left).collect::<String>());
    if refused.is_empty() {
        return said;
    }
    refused.iter().for_each(|error| eprintln!("corepost tune: {error}"));
    if !is_nothing {
        eprintln!("corepost tune: what is told above is done; --revert takes back what --apply has done");
    }
    Exit::Failed
}
