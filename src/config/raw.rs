//! Settings as they are written: flag over environment over file over default, each value with its source.
//!
//! figment merges the layers, for it remembers which of them a value came from. What a value means is not looked at
//! here; only that it is one, and that its name is known.

use super::settings::{ENVIRONMENT_PREFIX, FILE_SETTING, Setting, TEST_VARIABLES, all, nearest};
use super::source::{Mistake, Source};
use crate::limits::CONFIG_FILE_BYTES;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// What the program was started with.
#[derive(Clone, Default)]
pub struct Given {
    /// Values of flags by key, each as often as it was given.
    pub flags: BTreeMap<&'static str, Vec<String>>,
    /// The environment; only names with our prefix are looked at.
    pub environment: Vec<(String, String)>,
    /// What this machine is called, if that could be learnt.
    pub hostname: Option<String>,
}

/// A value as it is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    /// One text, or several of a setting that may be repeated.
    pub texts: Vec<String>,
    /// Where.
    pub source: Source,
    /// Of `NAME=VALUE` only the name may be shown.
    pub is_secret: bool,
}

/// All values that are written anywhere, defaults included.
#[derive(Clone, Debug, Default)]
pub struct Raw(BTreeMap<&'static str, Written>);

const FLAGS: &str = "flags";
const ENVIRONMENT: &str = "environment";
const FILE: &str = "file";
const DEFAULTS: &str = "defaults";

impl Written {
    /// The names in `NAME=VALUE`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter_map(|text| Some(text.split_once('=')?.0.trim()))
    }
}

/// Values of secret settings are left out.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = if self.is_secret {
            self.names().collect()
        } else {
            self.texts.iter().map(String::as_str).collect()
        };
        f.debug_struct("Written").field("texts", &texts).field("source", &self.source).finish()
    }
}

/// Names only: there may be passwords in the rest.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Given")
            .field("flags", &self.flags.keys())
            .field("environment", &environment)
            .field("hostname", &self.hostname)
            .finish()
    }
}

/// One place where values are written, for figment.
struct Layer {
    name: &'static str,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The file, read once: for its values and to find their lines.
#[derive(Default)]
struct File {
    path: String,
    text: String,
    values: Dict,
}

impl Raw {
    /// Reads all layers. What is written under unknown names or cannot be read comes back as mistakes beside it.
    pub fn read(given: &Given) -> (Self, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        let environment = environment(given, &mut mistakes);
        let flags: Dict =
            given.flags.iter().map(|(key, texts)| ((*key).to_owned(), value_of(texts))).collect();
        let named = flags.get(FILE_SETTING).or(environment.get(FILE_SETTING)).and_then(Value::as_str);
        let file = named.map(|path| File::read(path, &mut mistakes)).unwrap_or_default();
        let defaults = all().filter_map(|s| Some((s.key.to_owned(), Value::from(s.default?)))).collect();

        let merged = Figment::new()
            .merge(Layer { name: DEFAULTS, values: defaults })
            .merge(Layer { name: FILE, values: file.values.clone() })
            .merge(Layer { name: ENVIRONMENT, values: environment })
            .merge(Layer { name: FLAGS, values: flags });
        let mut raw = Self::default();
        for setting in all() {
            let Ok(value) = merged.find_value(setting.key) else { continue };
            let layer = merged.get_metadata(value.tag()).map_or(DEFAULTS, |metadata| &metadata.name);
            let source = match layer {
                FLAGS => Source::Flag,
                ENVIRONMENT => Source::Environment,
                FILE => file.source_of(setting.key),
                _ => Source::Default,
            };
            match texts_of(setting, &value) {
                Ok(texts) => {
                    let is_secret = setting.is_secret;
                    raw.0.insert(setting.key, Written { texts, source, is_secret });
                }
                Err(problem) => {
                    mistakes.push(Mistake { place: source.place(setting), problem: problem.into() })
                }
            }
        }
        (raw, mistakes)
    }

    /// What is written for a setting, if anything.
    pub fn get(&self, key: &str) -> Option<&Written> {
        self.0.get(key)
    }
}

impl File {
    fn read(path: &str, mistakes: &mut Vec<Mistake>) -> Self {
        let mut mistake = |place: String, problem: String| mistakes.push(Mistake { place, problem });
        let text = match read_bounded(Path::new(path)).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                mistake(path.to_owned(), "is not UTF-8 text; save it as UTF-8".into());
                return Self::default();
            }
            Err(problem) => {
                mistake(path.to_owned(), problem);
                return Self::default();
            }
        };
        let values = match Toml::string(&text).data() {
            Ok(mut profiles) => profiles.remove(&Profile::Default).unwrap_or_default(),
            Err(error) => {
                mistake(
                    path.to_owned(),
                    format!("is no TOML: {}", without_lines_of_file(&error.to_string())),
                );
                return Self::default();
            }
        };
        let mut file = Self { path: path.to_owned(), text, values };
        for key in file.values.keys().cloned().collect::<Vec<_>>() {
            if let Some(problem) = file.wrong_key(&key) {
                let place = match file.source_of(&key) {
                    Source::File { path, line } if line > 0 => format!("{path}:{line} {key}"),
                    _ => format!("{path} {key}"),
                };
                mistake(place, problem);
                file.values.remove(&key);
            }
        }
        file
    }

    fn wrong_key(&self, key: &str) -> Option<String> {
        if key == FILE_SETTING {
            return Some("a file cannot name another one; remove it".into());
        }
        if Setting::find(key).is_some() {
            return None;
        }
        Some(match nearest(key) {
            Some(meant) => format!("there is no such setting; did you mean `{meant}`?"),
            None => "there is no such setting; `corepost check` lists them".into(),
        })
    }

    fn source_of(&self, key: &str) -> Source {
        let named = |line: &str| {
            let name = line.trim_start().trim_start_matches(['[', '"', '\'']);
            name.strip_prefix(key).is_some_and(|rest| {
                rest.trim_start_matches(['"', '\'']).trim_start().starts_with(['=', '.', ']'])
            })
        };
        let line = self.text.lines().position(named).map_or(0, |at| at + 1);
        Source::File { path: self.path.clone(), line }
    }
}

/// Our part of the environment. What is empty counts as not there.
fn environment(given: &Given, mistakes: &mut Vec<Mistake>) -> Dict {
    let mut values = Dict::new();
    for (name, text) in &given.environment {
        let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        if text.is_empty() || TEST_VARIABLES.contains(&name.as_str()) || is_of_kubernetes(rest) {
            continue;
        }
        let key = rest.to_ascii_lowercase();
        let setting = Setting::find(&key).filter(|setting| setting.variable() == *name);
        match setting {
            Some(setting) if setting.many => {
                let texts: Vec<String> = text.split(',').map(|text| text.trim().to_owned()).collect();
                values.insert(key, value_of(&texts));
            }
            Some(_) => drop(values.insert(key, Value::from(text.as_str()))),
            None => {
                let meant = nearest(&key).and_then(Setting::find).map(Setting::variable);
                let problem = match meant {
                    Some(meant) => format!("there is no such setting; did you mean {meant}?"),
                    None => "there is no such setting; unset it".into(),
                };
                mistakes.push(Mistake { place: format!("environment {name}"), problem });
            }
        }
    }
    values
}

/// Kubernetes puts such names into every container beside a Service called `corepost…`; nobody wrote them.
fn is_of_kubernetes(rest: &str) -> bool {
    let numbered = |end: &str| {
        let mut parts = end.splitn(3, '_');
        let number = parts.next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        number && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    rest == "PORT"
        || rest.ends_with("_PORT")
        || rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest.match_indices("PORT_").any(|(at, word)| numbered(&rest[at + word.len()..]))
}

/// What a parser says without the lines that it shows: there may be passwords in them.
fn without_lines_of_file(said: &str) -> String {
    let is_shown =
        |line: &str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    said.lines().filter(|line| !is_shown(line)).collect::<Vec<_>>().join(", ")
}

fn value_of(texts: &[String]) -> Value {
    match texts {
        [one] => Value::from(one.as_str()),
        several => Value::from(several.to_vec()),
    }
}

fn texts_of(setting: &Setting, value: &Value) -> Result<Vec<String>, &'static str> {
    match value {
        Value::Array(_, values) if setting.many => values.iter().map(text_of).collect(),
        Value::Array(..) => Err("takes one value, not a list; keep one of them"),
        one => Ok(vec![text_of(one)?]),
    }
}

fn text_of(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(_, text) => Ok(text.clone()),
        Value::Bool(_, yes) => Ok(yes.to_string()),
        Value::Num(_, number) => {
            let whole =
                number.to_u128().map(|n| n.to_string()).or_else(|| number.to_i128().map(|n| n.to_string()));
            Ok(whole.or_else(|| number.to_f64().map(|n| n.to_string())).unwrap_or_default())
        }
        _ => Err("is a table; write the value itself, in quotes"),
    }
}

/// A file that people wrote, whole, or why not.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(CONFIG_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > CONFIG_FILE_BYTES => {
            Err(format!("has more than {CONFIG_FILE_BYTES} bytes; is it the right file?"))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
