//! Lines as they are written: each kind within its quota. A kind is a place in the program that says something.
//!
//! Whatever peers do, there are only so many places, and each writes only so much: a flood of connections cannot fill the
//! disk by what is said of it. Lines of libraries that speak by the `log` crate are five kinds, one for each level.

use super::quota::Quota;
use crate::host::mono_ms;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How many lines were left out since the start. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct LeftOut(Arc<AtomicU64>);

impl LeftOut {
    /// So many.
    pub fn lines(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where lines go. One that cannot be written is left out and counted: nothing else can be done about it, and nobody is
/// served less because a disk is full or the reader of a pipe has died.
pub(super) struct Pen<W> {
    to: W,
    left_out: LeftOut,
}

impl<W> Pen<W> {
    pub(super) fn new(to: W, left_out: LeftOut) -> Self {
        Self { to, left_out }
    }
}

impl<W: io::Write> io::Write for Pen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    /// A line comes as one call of this.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.to.write_all(line);
        if written.is_err() {
            self.left_out.0.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A format of lines, and what each kind of them has left.
pub(super) struct Lines<F> {
    format: F,
    /// Bound: the places in the program that say something.
    quotas: Mutex<HashMap<Identifier, Quota>>,
    left_out: LeftOut,
}

impl<F> Lines<F> {
    pub(super) fn new(format: F, left_out: LeftOut) -> Self {
        Self { format, quotas: Mutex::default(), left_out }
    }

    fn take(&self, kind: Identifier) -> Option<u64> {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = quotas.entry(kind).or_default().take(mono_ms());
        if taken.is_none() {
            self.left_out.0.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.take(event.metadata().callsite()) {
            // Of an empty line nothing is written.
            None => Ok(()),
            Some(0) => self.format.format_event(context, writer, event),
            Some(left_out) => {
                let mut line = String::new();
                self.format.format_event(context, Writer::new(&mut line), event)?;
                writer.write_str(&with_gap(&line, left_out))
            }
        }
    }
}

/// The line, with how many like it were left out before it: in JSON as one more field of the object.
fn with_gap(line: &str, left_out: u64) -> String {
    let line = line.trim_end();
    match line.strip_suffix('}').filter(|_| line.starts_with('{')) {
        Some(open) => format!("{open},\"left_out\":{left_out}}}\n"),
        None => format!("{line} left_out={left_out}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOG_BURST;

    /// Where lines go.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn lines(&self, words: &str) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
        }
    }

    #[test]
    fn a_flood_of_one_kind_is_cut_and_said_and_the_others_are_written() {
        let (paper, left_out) = (Paper::default(), LeftOut::default());
        let writer = paper.clone();
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        let log = log.map_event_format(|format| Lines::new(format, left_out.clone())).finish();
        let flood = 50 * u64::from(LOG_BURST);
        tracing::subscriber::with_default(log, || {
            let say = |number| tracing::info!(number, "one of many");
            (0..flood).for_each(say);
            tracing::warn!("another");
            std::thread::sleep(std::time::Duration::from_millis(250));
            say(flood);
        });
        let lines = paper.lines("one of many");
        let parsed: Vec<serde_json::Value> =
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        // However slow this machine is, each line is either written or told as left out.
        assert!((lines.len() as u64) < flood / 10, "{} of {flood} lines", lines.len());
        let told: u64 = parsed.iter().filter_map(|line| line["left_out"].as_u64()).sum();
        assert_eq!(told + lines.len() as u64, flood + 1);
        assert_eq!(left_out.lines(), told);
        assert_eq!(parsed.last().unwrap()["number"], flood);
        assert_eq!(paper.lines("another").len(), 1);
    }

    #[test]
    fn a_line_for_people_tells_of_the_gap_at_its_end() {
        assert_eq!(with_gap("12:00 INFO it {happened}\n", 3), "12:00 INFO it {happened} left_out=3\n");
        assert_eq!(with_gap("{\"level\":\"INFO\"}\n", 3), "{\"level\":\"INFO\",\"left_out\":3}\n");
    }
}
