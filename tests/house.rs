//! The house rules, checked: who may name whom, what a file opens with, how long files and functions may be.
//!
//! Everything here reads the sources as text. Product code is what stands before a file's `#[cfg(test)]` module,
//! outside of files that are such a module, and without its comments.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "house/limits.rs"]
mod limits;

/// Lines of product code in a file. Longer: it holds more than one noun.
const FILE_LINES: usize = 500;
/// Lines of a function. Longer: it does not fit a screen.
const FUNCTION_LINES: usize = 80;

/// What only effects and above may touch. Time is passed in as `model::Now`.
const IMPURE: [&str; 13] = [
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "std::net::Tcp",
    "std::net::Udp",
    "std::io::std",
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "async fn",
    "tracing::",
];

struct Source {
    /// Below `src/`, with slashes.
    name: String,
    text: String,
    /// A file that is a module of tests as a whole.
    is_test: bool,
}

impl Source {
    /// The first folder, or the file itself without its ending.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Product code with its line numbers from 1.
    fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        let marker = "\n#[cfg(test)]\nmod ";
        let mut modules = self.text.match_indices(marker);
        let inline =
            |at: usize| self.text[at + marker.len()..].lines().next().is_some_and(|l| l.contains('{'));
        let begins = modules.find(|(at, _)| inline(*at)).map_or(self.text.len(), |(at, _)| at);
        let end = if self.is_test { 0 } else { begins };
        let text = &self.text[..end];
        let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found)
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path)
            }
        }
    }
    let (src, mut paths) = (root().join("src"), Vec::new());
    walk(&src, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap(),
        is_test: false,
    };
    let mut all: Vec<Source> = paths.into_iter().map(read).collect();
    let tests: Vec<String> = all.iter().flat_map(test_modules).collect();
    for source in &mut all {
        source.is_test = tests.iter().any(|test| {
            source.name.strip_prefix(test.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
    all
}

/// The modules, as paths below `src/`, that a file declares for tests alone.
fn test_modules(source: &Source) -> Vec<String> {
    let (folder, file) = source.name.rsplit_once('/').unwrap_or(("", &source.name));
    let stem = file.trim_end_matches(".rs");
    let inner =
        if matches!(stem, "mod" | "lib" | "main") { folder.to_owned() } else { format!("{folder}/{stem}") };
    let mut found = Vec::new();
    for after in source.text.split("#[cfg(test)]\n").skip(1) {
        let mut lines = after.lines().map(str::trim);
        let mut line = lines.next().unwrap_or_default();
        let path = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix(".rs\"]"));
        if path.is_some() {
            line = lines.next().unwrap_or_default();
        }
        let declared = line.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
        found.extend(declared.map(|name| match path {
            Some(path) => format!("{folder}/{path}"),
            None => format!("{inner}/{name}").trim_start_matches('/').to_owned(),
        }));
    }
    found
}

/// Fails with all findings at once.
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// From ARCHITECTURE.md: module → its layer, and module → all modules it may name.
fn table() -> (BTreeMap<String, String>, BTreeMap<String, BTreeSet<String>>) {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<[String; 3]> = page
        .lines()
        .skip_while(|line| !line.starts_with("| module | layer | may name |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<String> =
                line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            cells.try_into().unwrap_or_else(|_| panic!("no row of three: {line}"))
        })
        .collect();
    assert!(rows.len() > 10, "the table of layers is gone from ARCHITECTURE.md");
    let bare = |cell: &str| cell.trim_matches('`').to_owned();
    let layers: BTreeMap<String, String> =
        rows.iter().map(|[module, layer, _]| (bare(module), layer.clone())).collect();
    let may = rows.iter().map(|[module, _, names]| {
        let mut allowed = BTreeSet::from([bare(module)]);
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let of_layer =
                layers.iter().filter(|(_, layer)| *layer == name).map(|(module, _)| module.clone());
            if name.starts_with('`') {
                allowed.insert(bare(name));
            } else {
                allowed.extend(of_layer)
            }
        }
        (bare(module), allowed)
    });
    (layers.clone(), may.collect())
}

/// The modules named in a line by `crate::a` or `crate::{a::b, c}`.
fn named(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, path) in line.match_indices("crate::") {
        let rest = &line[at + path.len()..];
        let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group.split(',').map(|part| {
                let part = part.trim();
                &part[..word(part)]
            })),
            None => names.push(&rest[..word(rest)]),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn breaches_of_layers(source: &Source) -> Vec<String> {
    let (layers, may) = table();
    let module = source.module();
    let Some(allowed) = may.get(module) else {
        return vec![format!("src/{}: `{module}` is not in ARCHITECTURE.md's table of layers", source.name)];
    };
    let mut findings = Vec::new();
    for (line, text) in source.product() {
        // What does not stand in the table is an item of lib.rs, such as a macro.
        for name in named(text).into_iter().filter(|name| layers.contains_key(*name)) {
            if !allowed.contains(name) {
                findings.push(format!("src/{}:{line}: `{module}` must not name `{name}`", source.name));
            }
        }
    }
    findings
}

#[test]
fn modules_name_only_what_the_table_allows() {
    let ours = sources().into_iter().filter(|source| !matches!(source.name.as_str(), "lib.rs" | "main.rs"));
    none(ours.flat_map(|source| breaches_of_layers(&source)).collect());
}

#[test]
fn the_table_has_no_circle() {
    let (_, may) = table();
    let mut left = may.clone();
    while !left.is_empty() {
        let known: BTreeSet<String> = left.keys().cloned().collect();
        let free = |(module, names): (&String, &BTreeSet<String>)| {
            let inner = names.iter().any(|name| name != module && known.contains(name));
            (!inner).then(|| module.clone())
        };
        // Modules of the nouns may name each other, as one.
        let nouns = |module: &String| table().0[module] == "nouns";
        let loose: Vec<String> = left.iter().filter_map(free).collect();
        let loose =
            if loose.is_empty() { known.iter().filter(|m| nouns(m)).cloned().collect() } else { loose };
        assert!(!loose.is_empty(), "these name each other in a circle: {known:?}");
        loose.iter().for_each(|module| drop(left.remove(module)));
    }
}

fn breaches_of_purity(source: &Source) -> Vec<String> {
    let (layers, _) = table();
    if !matches!(layers.get(source.module()).map(String::as_str), Some("nouns" | "pure")) {
        return Vec::new();
    }
    let found = source.product().flat_map(|(line, text)| {
        let words = IMPURE.iter().filter(move |word| text.contains(*word));
        words.map(move |word| format!("src/{}:{line}: `{word}` in a pure module", source.name))
    });
    found.collect()
}

#[test]
fn pure_modules_touch_nothing_of_the_machine() {
    none(sources().iter().flat_map(breaches_of_purity).collect());
}

#[test]
fn every_file_opens_with_why_it_exists() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| format!("src/{}: opens without `//! `", source.name)).collect());
}

fn breaches_of_care(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let all: Vec<&str> = source.text.lines().collect();
    for (line, text) in source.product() {
        if text.contains(".unwrap()") || text.contains(".unwrap_err()") {
            findings.push(format!(
                "src/{}:{line}: unwrap; `expect` with the invariant, or an error",
                source.name
            ));
        }
        let says_unsafe = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word));
        if says_unsafe && !all[line.saturating_sub(12)..line].iter().any(|above| above.contains("SAFETY:")) {
            findings.push(format!("src/{}:{line}: unsafe without `// SAFETY:` above it", source.name));
        }
    }
    findings
}

#[test]
fn product_code_does_not_unwrap_and_says_why_it_is_unsafe() {
    none(sources().iter().flat_map(breaches_of_care).collect());
}

/// First line and length of each function, by the indentation that rustfmt gives it.
fn functions(source: &Source) -> Vec<(usize, usize, &str)> {
    let lines: Vec<(usize, &str)> = source.product().collect();
    let mut found = Vec::new();
    for (at, (line, text)) in lines.iter().enumerate() {
        let code = text.trim_start();
        let head = code.split('(').next().unwrap_or(code);
        let Some(name) =
            head.split("fn ").nth(1).filter(|_| head.starts_with("fn ") || head.contains(" fn "))
        else {
            continue;
        };
        let end = format!("{}}}", &text[..text.len() - code.len()]);
        let closes = lines[at + 1..].iter().find(|(_, below)| *below == end);
        if !text.ends_with('}')
            && !text.ends_with(';')
            && let Some((last, _)) = closes
        {
            found.push((*line, last - line + 1, name));
        }
    }
    found
}

#[test]
fn files_and_functions_stay_short() {
    let (mut findings, mut files, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for source in sources() {
        let lines = source.product().last().map_or(0, |(line, _)| line);
        files.push(lines);
        if lines > FILE_LINES {
            findings
                .push(format!("src/{}: {lines} lines of product code; {FILE_LINES} are enough", source.name));
        }
        for (line, length, name) in functions(&source) {
            lengths.push(length);
            if length > FUNCTION_LINES {
                findings.push(format!(
                    "src/{}:{line}: `{name}` has {length} lines; {FUNCTION_LINES} are enough",
                    source.name
                ));
            }
        }
    }
    let at = |sorted: &mut Vec<usize>, percent: usize| {
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100]
    };
    println!("{} files: median {} lines, p90 {}", files.len(), at(&mut files, 50), at(&mut files, 90));
    println!(
        "{} functions: median {} lines, p90 {}",
        lengths.len(),
        at(&mut lengths, 50),
        at(&mut lengths, 90)
    );
    none(findings);
}

/// These checks are worth what they find: each is shown something to find.
#[test]
fn each_check_finds_what_it_looks_for() {
    let body = "    step();\n".repeat(FUNCTION_LINES);
    let text = format!(
        "//! Bad.\nuse crate::{{model::Now, router::Shard}};\nuse crate::net;\nfn long() {{\n{body}}}\n\
         fn f() {{\n    Instant::now();\n    x.unwrap();\n    unsafe {{ y() }}\n}}\n\
         // crate::node is only spoken of\n#[cfg(test)]\nmod tests {{ use crate::node; }}\n"
    );
    let bad = Source { name: "wire/bad.rs".into(), text, is_test: false };
    let breaches = breaches_of_layers(&bad);
    assert_eq!(
        breaches,
        ["src/wire/bad.rs:2: `wire` must not name `router`", "src/wire/bad.rs:3: `wire` must not name `net`",]
    );
    assert_eq!(breaches_of_purity(&bad).len(), 1);
    assert_eq!(breaches_of_care(&bad).len(), 2);
    assert_eq!(functions(&bad), [(4, FUNCTION_LINES + 2, "long"), (FUNCTION_LINES + 6, 5, "f")]);
    let declares = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod y;\nmod z;\n";
    let parent = Source { name: "wire/a.rs".into(), text: declares.into(), is_test: false };
    assert_eq!(test_modules(&parent), ["wire/a/tests", "wire/x_tests"]);
    let foreign = Source { name: "misc.rs".into(), text: String::new(), is_test: false };
    assert!(breaches_of_layers(&foreign)[0].contains("not in ARCHITECTURE.md"));
}
