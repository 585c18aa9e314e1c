//! The knobs as files and as a table, so that neither says anything else than `tune`.

use super::knob::{By, Kind, Knob, Size};
use super::limits::Grant;
use std::fmt::Write;

/// A file for `/etc/sysctl.d` for hosts of this size.
pub fn sysctl_profile(knobs: &[Knob], size: Size) -> String {
    let mut text =
        format!("# Corepost, {}: made by `corepost tune --profile {}`.\n", size.sockets(), size.as_str());
    for knob in knobs.iter().filter(|knob| knob.kind == Kind::Sysctl && knob.by == By::Profile) {
        if let Some(wanted) = knob.wanted(size) {
            let _ = writeln!(text, "\n# {}\n{}", knob.why, line(knob, knob.value_to_set(wanted)));
        }
    }
    text
}

/// A file for `/etc/security/limits.d` for hosts of this size.
pub fn limits_profile(knobs: &[Knob], size: Size) -> String {
    let mut text = format!(
        "# Corepost, {}: made by `corepost tune --profile {} --limits`.\n",
        size.sockets(),
        size.as_str()
    );
    for knob in knobs.iter().filter(|knob| knob.kind == Kind::Limit) {
        if let Some(grant) = Grant::by_default(knob, size) {
            let lines: Vec<String> = grant.lines().collect();
            let _ = writeln!(text, "\n# {}\n{}", knob.why, lines.join("\n"));
        }
    }
    text
}

/// A line of a file of sysctls.
pub(super) fn line(knob: &Knob, value: &str) -> String {
    // Of a module that is not loaded the minus passes over (sysctl.d(5)).
    let minus = if knob.name.starts_with("net.netfilter.") { "-" } else { "" };
    format!("{minus}{} = {value}", knob.name)
}

/// The table of `tuning/README.md`.
pub fn table(knobs: &[Knob]) -> String {
    let mut text = String::from(
        "| setting | small | large | huge | what it buys | how that is known | when not to |\n|---|---|---|---|---|---|---|\n",
    );
    for knob in knobs {
        let wanted = |size| knob.wanted(size).map_or("–".into(), |wanted| knob.good.in_words(wanted));
        let [small, large, huge] = Size::ALL.map(wanted);
        let Knob { name, why, source, not, .. } = knob;
        let _ = writeln!(text, "| `{name}` | {small} | {large} | {huge} | {why} | {source} | {not} |");
    }
    text
}
