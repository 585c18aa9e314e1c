//! Reads one setting after another and goes on after a mistake, so that all of them are told at once.

use super::raw::{Raw, Written};
use super::settings::Setting;
use super::source::{Mistake, Source};
use super::values::Problem;

/// The settings as written, and the mistakes found in them so far.
pub(super) struct Reader<'a> {
    raw: &'a Raw,
    mistakes: Vec<Mistake>,
    /// Settings that were asked for: a test sees to it that it is all of them.
    asked: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a Raw, mistakes: Vec<Mistake>) -> Self {
        Self { raw, mistakes, asked: Vec::new() }
    }

    /// A setting that has a default. After a mistake in it the default stands in, only to find further mistakes.
    pub(super) fn required<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, Problem>) -> T {
        let read = self.optional(key, &parse);
        read.unwrap_or_else(|| {
            let default = Setting::find(key).and_then(|setting| setting.default);
            let parsed = default.map(parse).and_then(Result::ok);
            parsed.expect("the table gives this setting a default, and a test reads every default")
        })
    }

    /// A setting that may be absent; so it is after a mistake in it.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        self.asked.push(key);
        let text = self.raw.get(key)?.texts.first()?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.mistake(key, format!("{text:?} {problem}"));
                None
            }
        }
    }

    /// A setting that may be repeated.
    pub(super) fn several(&mut self, key: &'static str) -> &'a [String] {
        self.asked.push(key);
        self.raw.get(key).map_or(&[], |written| &written.texts)
    }

    /// Whether somebody wrote it anywhere.
    pub(super) fn is_written(&self, key: &'static str) -> bool {
        self.written(key).is_some()
    }

    /// As it is written, if it is.
    pub(super) fn written(&self, key: &'static str) -> Option<&'a Written> {
        self.raw.get(key).filter(|written| written.source != Source::Default)
    }

    /// Something is wrong with this setting, or between it and others.
    pub(super) fn mistake(&mut self, key: &'static str, problem: String) {
        let setting = Setting::find(key).expect("settings are asked for by names of the table");
        let source = self.raw.get(key).map_or(&Source::Default, |written| &written.source);
        self.mistakes.push(Mistake { place: source.place(setting), problem });
    }

    /// The settings that were asked for, and the mistakes.
    pub(super) fn done(self) -> (Vec<&'static str>, Vec<Mistake>) {
        (self.asked, self.mistakes)
    }
}
