//! `corepost listen`: what a client is told, on standard output, each message once, for as long as one likes.
//!
//! Standard output has frames, or for a terminal their text; everything about the connection goes to standard
//! error. The cursor file is behind what was printed, never ahead of it: a crash repeats, and skips nothing.

use super::Exit;
use super::remote::{Peer, Setup, Stopped, Url, What, parse_id, post_signals, read_token};
use crate::client::Output;
use crate::model::{ClientId, Heard};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

mod cursor_file;
mod show;

pub(super) use show::another_client;

use cursor_file::CursorFile;

/// A cursor is saved at most so often: each time is a file made durable.
const SAVE_EVERY: Duration = Duration::from_millis(100);

pub(super) const EXAMPLES: &str = "\
Examples:
  corepost listen --as bob                               from now on, until Ctrl-C
  corepost listen --as bob --cursor-file bob.cursor      nothing missed between two runs
  corepost listen --as bob --from -20 --json | jq .      the last twenty, as JSON lines
  corepost listen --as bob --url ws://10.0.0.5:8080 --token @bob.jwt";

/// Shows what a client is told: frames on standard output, everything else on standard error.
#[derive(Clone, Debug, clap::Args)]
pub struct ListenArgs {
    /// Who to be: a client ID.
    #[arg(long = "as", value_name = "ID", value_parser = parse_id)]
    pub client: ClientId,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080")]
    pub url: Url,
    /// A JWT for this ID (`corepost token` makes one), or @FILE that holds one.
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Remember here how far one has come, and go on from there the next time.
    #[arg(long, value_name = "FILE")]
    pub cursor_file: Option<PathBuf>,
    /// Where to begin without a cursor: `start`, `new`, milliseconds since 1970, or -N for the last N messages.
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true, value_parser = parse_from)]
    pub from: Option<String>,
    /// Print frames as JSON lines, also on a terminal.
    #[arg(long)]
    pub json: bool,
}

/// Runs until a signal (0), an error that no patience mends (1), or a mistake in the arguments (2).
pub fn run(args: ListenArgs) -> Exit {
    let setup = match Listener::setup(&args) {
        Ok(setup) => setup,
        Err(mistake) => {
            eprintln!("corepost listen: {mistake}");
            return Exit::Usage;
        }
    };
    match Listener::new(args, setup).listen() {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("corepost listen: {error}");
            Exit::Failed
        }
    }
}

fn parse_from(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = !digits.is_empty() && digits.len() <= 16 && digits.bytes().all(|c| c.is_ascii_digit());
    if number || matches!(text, "start" | "new") {
        return Ok(text.to_owned());
    }
    Err("say `start`, `new`, milliseconds since 1970, or -N for the last N messages".into())
}

struct Listener {
    args: ListenArgs,
    peer: Peer,
    file: Option<CursorFile>,
}

/// What comes of a turn of the loop.
#[derive(Default)]
struct Turn {
    /// Standard output is gone: who read it has enough.
    unread: bool,
    error: Option<String>,
    needs_token: bool,
}

impl Listener {
    fn setup(args: &ListenArgs) -> Result<(Setup, Option<CursorFile>), String> {
        let file = args.cursor_file.clone().map(CursorFile::open).transpose()?;
        let setup = Setup {
            url: args.url.clone(),
            client: args.client.clone(),
            token: args.token.as_deref().map(read_token).transpose()?,
            cursor: file.as_ref().and_then(|file| file.cursor().map(str::to_owned)),
            from: args.from.clone(),
        };
        Ok((setup, file))
    }

    fn new(args: ListenArgs, (setup, file): (Setup, Option<CursorFile>)) -> Self {
        Self { args, peer: Peer::new(setup), file }
    }

    fn listen(&mut self) -> Result<(), String> {
        post_signals(self.peer.post()).map_err(|error| format!("cannot listen for signals: {error}"))?;
        let mut saved = Instant::now().checked_sub(SAVE_EVERY).unwrap_or_else(Instant::now);
        loop {
            let unsaved = self.file.as_ref().is_some_and(|file| file.cursor() != self.peer.client.cursor());
            if unsaved && saved.elapsed() >= SAVE_EVERY {
                self.save()?;
                saved = Instant::now();
                continue;
            }
            let turn = self.turn(unsaved.then(|| saved + SAVE_EVERY));
            match turn {
                Ok(turn) if turn.unread => return self.save(),
                Ok(Turn { error: Some(error), .. }) => {
                    self.save()?;
                    self.peer.stop();
                    return Err(error);
                }
                Ok(turn) if turn.needs_token => self.renew()?,
                Ok(_) => {}
                Err(Stopped) => {
                    self.save()?;
                    self.peer.stop();
                    return Ok(());
                }
            }
        }
    }

    /// Waits for the next thing to happen and shows it.
    fn turn(&mut self, deadline: Option<Instant>) -> Result<Turn, Stopped> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut turn = Turn::default();
        let frames = self.args.json || !io::stdout().is_terminal();
        let args = &self.args;
        self.peer.wait(deadline, |what| match what {
            What::Frame { raw, heard, delivery } => {
                show::tell_frame(heard);
                if let Heard::Welcome(welcome) = heard
                    && welcome.client != args.client.as_ref().as_str()
                {
                    turn.error = Some(another_client(&args.client, welcome.client));
                }
                // A message that was given before is not shown again; other frames are.
                if delivery.is_none() && matches!(heard, Heard::Message(_)) {
                    return;
                }
                let written =
                    if frames { show::frame(&mut out, raw) } else { show::text(&mut out, delivery) };
                turn.unread |= written.is_err();
            }
            What::Output(Output::GaveUp(why)) => turn.error = Some(why.to_string()),
            What::Output(Output::NeedToken) => turn.needs_token = true,
            What::Output(output) => show::tell_output(output, &args.url),
            What::Trouble(why) => eprintln!("{why}"),
        })?;
        turn.unread |= out.flush().is_err();
        Ok(turn)
    }

    /// Another token, if the file has one; the same one again would be refused again.
    fn renew(&mut self) -> Result<(), String> {
        const ADVICE: &str = "make one with: corepost token --sub ID --ttl 1h --jwt-key FILE";
        match self.args.token.as_deref() {
            None => Err(format!("the server wants a token: give --token TOKEN; {ADVICE}")),
            Some(given) if given.starts_with('@') => {
                let token = read_token(given)?;
                if self.peer.client.token() == Some(&token) {
                    return Err(format!(
                        "the token in {} has expired or is not accepted; {ADVICE}",
                        &given[1..]
                    ));
                }
                let now = self.peer.now();
                self.peer.client.renew(&token, now);
                Ok(())
            }
            Some(_) => Err(format!("the token has expired or is not accepted; {ADVICE}")),
        }
    }

    fn save(&mut self) -> Result<(), String> {
        match (&mut self.file, self.peer.client.cursor()) {
            (Some(file), Some(cursor)) if file.cursor() != Some(cursor) => file.save(cursor),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_begin_is_checked_before_it_stands_in_a_url() {
        for good in ["start", "new", "-20", "1760000000000"] {
            assert_eq!(parse_from(good).as_deref(), Ok(good));
        }
        for bad in ["", "-", "old", "5&client=eve", "--1", "12345678901234567"] {
            assert!(parse_from(bad).is_err(), "{bad}");
        }
    }
}
