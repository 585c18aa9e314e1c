//! Bounds and the words about them: `src/limits.rs`, the code, README's table of limits and `corepost serve --help`.

use super::{none, root, sources};
use std::fs;

/// What somebody outside sees when a bound is reached, in the words of `limits.rs`: a status, a close code, an error
/// code, an end of the connection or of the start. Whoever can meet a bound must be able to read of it.
const SEEN: [&str; 24] = [
    "400",
    "401",
    "408",
    "413",
    "431",
    "503",
    "1008",
    "1009",
    "1013",
    "4409",
    "closed",
    "refused",
    "configuration error",
    "`bad_request`",
    "`bad_client_id`",
    "`too_large`",
    "`too_many_recipients`",
    "`mailbox_full`",
    "`missed`",
    "`from=",
    "`limit`",
    "`retry_after_ms`",
    "`--",
    "Default",
];

/// One constant of `limits.rs`.
struct Limit {
    name: String,
    value: u64,
    about: String,
}

impl Limit {
    fn is_seen(&self) -> bool {
        // Those of the client's side are met by who calls it, and told where it is called.
        let is_of_clients = ["client gives", "client waits"].iter().any(|words| self.about.contains(words));
        !is_of_clients && SEEN.iter().any(|word| self.about.contains(word))
    }

    /// The value as the README writes it, in the largest unit that it is whole in.
    fn written(&self) -> String {
        let unit = self.name.split('_').find(|word| ["BYTES", "MS"].contains(word));
        let (units, plain): (&[(u64, &str)], &str) = match unit {
            Some("BYTES") => (&[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")], "bytes"),
            Some("MS") => (&[(3_600_000, "h"), (1_000, "s")], "ms"),
            _ => return thousands(self.value),
        };
        let whole = units.iter().find(|(size, _)| self.value.is_multiple_of(*size));
        let (size, unit) = whole.copied().unwrap_or((1, plain));
        format!("{} {unit}", thousands(self.value / size))
    }
}

/// 1000000 → `1,000,000`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| str::from_utf8(g).unwrap()).collect();
    groups.join(",")
}

fn limits() -> Vec<Limit> {
    let text = fs::read_to_string(root().join("src/limits.rs")).unwrap();
    let (mut found, mut about) = (Vec::new(), String::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("/// ") {
            about = format!("{about} {comment}");
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, _) = constant.split_once(':').unwrap();
            let (_, value) = constant.trim_end_matches(';').split_once(" = ").unwrap();
            found.push(Limit { name: name.into(), value: number(value), about: std::mem::take(&mut about) });
        } else {
            about.clear();
        }
    }
    assert!(found.len() > 100, "limits.rs is read wrongly: {} limits", found.len());
    found
}

/// `64 << 10`, `1_000`
fn number(text: &str) -> u64 {
    let part = |part: &str| part.trim().replace('_', "").parse::<u64>();
    let value = match text.split_once("<<") {
        Some((number, shift)) => part(number).and_then(|number| Ok(number << part(shift)?)),
        None => part(text),
    };
    value.unwrap_or_else(|_| panic!("limits.rs: what is `{text}`?"))
}

/// README's table of limits: each row's bound, and the names of its last column.
fn table() -> Vec<(String, Vec<String>)> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.lines().skip_while(|line| *line != "## Limits").skip(1);
    let rows = section.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| "));
    let cells = rows.skip(1).map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let row = |cells: Vec<&str>| {
        assert_eq!(cells.len(), 4, "README.md, limits: {cells:?}");
        let names = cells[3].split('`').skip(1).step_by(2).map(str::to_owned);
        (cells[1].to_owned(), names.collect())
    };
    cells.map(row).collect()
}

/// A bound that no code names bounds nothing.
#[test]
fn every_limit_is_named_somewhere() {
    let all = sources();
    let code: Vec<&str> = all
        .iter()
        .filter(|s| !s.name.starts_with("limits"))
        .flat_map(|s| s.product().map(|(_, text)| text))
        .collect();
    let is_word = |text: &str| text.chars().all(|c| !c.is_alphanumeric() && c != '_');
    let names = |line: &str, name: &str| {
        let around = |(at, _): (usize, &str)| {
            let (before, after) = (&line[..at], &line[at + name.len()..]);
            let before = before.chars().next_back().map(String::from).unwrap_or_default();
            let after = after.chars().next().map(String::from).unwrap_or_default();
            is_word(&before) && is_word(&after)
        };
        line.match_indices(name).any(around)
    };
    let unused = limits().into_iter().filter(|limit| !code.iter().any(|line| names(line, &limit.name)));
    none(unused.map(|limit| format!("src/limits.rs: no code names `{}`", limit.name)).collect());
}

/// Who meets a bound can read of it: in README's table, or as the default of a flag in the help.
#[test]
fn every_limit_that_is_met_from_outside_is_told() {
    let settings = fs::read_to_string(root().join("src/config/settings.rs")).unwrap();
    let table = table();
    let told = |limit: &Limit| {
        let written = limit.written();
        let (flag, _) = limit.name.rsplit_once('_').unwrap_or((&limit.name, ""));
        let flags = [&limit.name, flag].map(|name| format!("\"{}\"", name.to_ascii_lowercase()));
        let is_default = flags.iter().any(|flag| {
            let setting = settings.split("set(").find(|setting| setting.contains(flag.as_str()));
            setting.is_some_and(|text| text.contains(&format!("\"{}\"", written.replace([' ', ','], ""))))
        });
        is_default || table.iter().any(|(_, names)| names.contains(&limit.name))
    };
    let untold = limits().into_iter().filter(|limit| limit.is_seen() && !told(limit));
    none(untold.map(|l| format!("README.md, limits: nothing of `{}`, {}", l.name, l.written())).collect());
}

/// What the table says of a bound is what the bound is.
#[test]
fn the_table_of_limits_agrees_with_them() {
    let limits = limits();
    let mut findings = Vec::new();
    for (bound, names) in table() {
        for name in names {
            match limits.iter().find(|limit| limit.name == name) {
                None => findings.push(format!("README.md, limits: limits.rs has no `{name}`")),
                Some(limit) if !bound.contains(&limit.written()) => {
                    findings.push(format!("README.md, limits: `{name}` is {}, not {bound}", limit.written()));
                }
                Some(_) => {}
            }
        }
    }
    none(findings);
}
