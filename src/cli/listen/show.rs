//! How frames look: to programs as they came, one a line; to people as text. And what is said beside them.

use crate::cli::remote::Url;
use crate::client::{Delivery, Output};
use crate::model::{ClientId, Heard};
use std::io::{self, Write};

/// A frame as one line of JSON. A body may hold line ends between its tokens; they mean the same as blanks there.
pub fn frame(out: &mut impl Write, raw: &[u8]) -> io::Result<()> {
    for line in raw.split_inclusive(|&c| c == b'\n' || c == b'\r') {
        match line.split_last() {
            Some((b'\n' | b'\r', text)) => {
                out.write_all(text)?;
                out.write_all(b" ")?;
            }
            _ => out.write_all(line)?,
        }
    }
    out.write_all(b"\n")
}

/// A message as one line of text.
pub fn text(out: &mut impl Write, delivery: Option<Delivery<'_>>) -> io::Result<()> {
    match delivery {
        None => Ok(()),
        Some(Delivery::Ephemeral { from, body }) => {
            writeln!(out, "           {}: {}", printable(from.unwrap_or("?")), body_text(body))
        }
        Some(Delivery::Message(message)) => {
            let from = printable(message.from.unwrap_or("?"));
            let to = message.to.map(|to| format!(" → {}", printable(&String::from_utf8_lossy(to))));
            let (time, to) = (time_of_day(message.at_ms), to.unwrap_or_default());
            writeln!(out, "[{time}] {from}{to}: {}", body_text(message.body))
        }
    }
}

/// `{"text":"…"}` and strings as their text, everything else as JSON.
fn body_text(body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = value.as_ref().and_then(|value| value.get("text").unwrap_or(value).as_str());
    match text {
        Some(text) => printable(text),
        None => printable(&String::from_utf8_lossy(body)),
    }
}

/// What others wrote must not steer our terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Hours, minutes and seconds of the day, UTC.
fn time_of_day(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Says on standard error what a frame means for the connection.
pub fn tell_frame(heard: &Heard<'_>) {
    match heard {
        Heard::Welcome(welcome) => {
            let missed = match (welcome.missed, welcome.more) {
                (0, _) => String::new(),
                (1, false) => ", 1 message to catch up on".to_owned(),
                (n, more) => format!(", {}{n} messages to catch up on", if more { "over " } else { "" }),
            };
            eprintln!("connected as {} (session {}){missed}", welcome.client, welcome.session);
        }
        Heard::Drain { reconnect_after_ms, .. } => {
            eprintln!("the server is leaving; reconnecting in {}", seconds(*reconnect_after_ms));
        }
        _ => {}
    }
}

/// Says on standard error what the machine has decided.
pub fn tell_output(output: &Output, url: &Url) {
    match output {
        Output::Connect => eprintln!("connecting to {url}"),
        Output::Waiting { after_ms, .. } if *after_ms > 0 => {
            eprintln!("no connection; trying again in {}", seconds(*after_ms));
        }
        Output::Disconnect(parting) => eprintln!("disconnected: {parting}"),
        Output::Lost { reason } => {
            eprintln!("continuity is lost ({reason}): messages may be missing before the next one");
        }
        Output::Hole { held, prev } => {
            eprintln!("a message is missing between {held} and {prev}; asking for it again");
        }
        Output::Complaint { code, message } => eprintln!("the server says {code}: {message}"),
        _ => {}
    }
}

/// The token is somebody else's.
pub fn another_client(wanted: &ClientId, got: &str) -> String {
    let wanted = wanted.as_ref().as_str();
    format!("the token is for `{got}`, not for `{wanted}`; use --as {got}, or a token for {wanted}")
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HeardMessage;

    fn line(delivery: Delivery<'_>) -> String {
        let mut out = Vec::new();
        text(&mut out, Some(delivery)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_frame_is_one_line_whatever_is_in_its_body() {
        let mut out = Vec::new();
        frame(&mut out, b"{\"body\":{\n\"a\":\r1}}").unwrap();
        assert_eq!(out, b"{\"body\":{ \"a\": 1}}\n");
    }

    #[test]
    fn people_see_text_and_nothing_that_steers_their_terminal() {
        let message = |to, body| HeardMessage {
            from: Some("alice"),
            id: None,
            to,
            at_ms: 1_760_000_005_000,
            prev: "c1",
            cursor: "c2",
            body,
        };
        let show = |body| line(Delivery::Message(message(None, body)));
        assert_eq!(show(br#"{"text":"hi"}"#), "[08:53:25Z] alice: hi\n");
        assert_eq!(show(br#""\u001b[2Jboo""#), "[08:53:25Z] alice: \u{fffd}[2Jboo\n");
        assert_eq!(show(b"{\"x\":1}"), "[08:53:25Z] alice: {\"x\":1}\n");
        let copy = line(Delivery::Message(message(Some(br#""bob""#), b"1")));
        assert_eq!(copy, "[08:53:25Z] alice → \"bob\": 1\n");
        let typing = line(Delivery::Ephemeral { from: None, body: b"true" });
        assert_eq!(typing, "           ?: true\n");
    }
}
