//! `corepost top`: nodes, cores and partitions while they work.
//!
//! A thread for each node asks it again and again, so that one that hangs delays nobody's rows; what they hear goes through
//! one bounded channel to the thread that draws.

use super::remote::{Url, get};
use super::{Exit, say};
use crate::config::duration;
use crate::limits::TOP_NODES;
use crate::top::{Board, Order, Picture, Reading, Scrape, Seen};
use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "\
It asks the --admin address of each node for /metrics. In/s counts messages that came from clients, out/s those given to sessions
(to ten devices: ten); `given` is from a message's append to its being handed to a live session's socket; `behind` is what a home
has not read yet. Times are bounds of the last interval: 99 of 100 took no longer. A dash is what the node does not tell, or not yet.
Keys: s changes the order of cores (busiest, slowest), up and down scroll them, q leaves.

Examples:
  corepost top
  corepost top --url 10.0.0.5:9090,10.0.0.6:9090,10.0.0.7:9090
  corepost top --once                                     one picture as text, after one interval
Exit codes: 0 left by a key, or --once and a node answered; 1 nobody answers, or there is no terminal; 2 a mistake in the arguments.";

/// How long a key may wait.
const GLANCE: Duration = Duration::from_millis(100);

/// Arguments of `top`.
#[derive(Args)]
pub(super) struct Top {
    /// The --admin address of each node
    #[arg(long = "url", value_name = "URL", default_value = "http://127.0.0.1:9090", value_delimiter = ',')]
    urls: Vec<Url>,
    /// Time between two looks; figures of a node are new each second
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
    every: Duration,
    /// Print one picture as text instead
    #[arg(long)]
    once: bool,
}

/// What a node answered, by its place in the arguments.
type Heard = (usize, Result<Reading, String>);

impl Top {
    pub(super) fn run(self) -> Exit {
        let fail = |exit, why: &str| {
            eprintln!("corepost top: {why}");
            exit
        };
        if self.urls.len() > TOP_NODES {
            return fail(
                Exit::Usage,
                &format!("--url names {} nodes, {TOP_NODES} are the most", self.urls.len()),
            );
        }
        let mut seen: Vec<Seen> = self.urls.iter().map(|url| Seen::new(url.authority.clone())).collect();
        if self.once {
            return self.once(&mut seen);
        }
        if !io::stdout().is_terminal() {
            return fail(Exit::Failed, "standard output is no terminal; --once prints one picture");
        }
        let heard = self.ask_all();
        let mut terminal = match ratatui::try_init() {
            Ok(terminal) => terminal,
            Err(error) => return fail(Exit::Failed, &format!("the terminal cannot be drawn on: {error}")),
        };
        let ended = watch(&mut terminal, &heard, &mut seen);
        ratatui::restore();
        match ended {
            Ok(()) => Exit::Done,
            Err(error) => fail(Exit::Failed, &format!("the terminal is gone: {error}")),
        }
    }

    /// Two answers of each node, and the picture of what lies between.
    fn once(&self, seen: &mut [Seen]) -> Exit {
        let heard = self.ask_all();
        let mut answers = vec![0; seen.len()];
        while answers.iter().any(|count| *count < 2) {
            let Ok((node, answer)) = heard.recv() else { break };
            // Who does not answer once is not waited for any longer.
            answers[node] += if answer.is_ok() { 1 } else { 2 };
            seen[node].hear(answer);
        }
        let board = Board::of(seen, Order::Busiest);
        let told = say(&Picture { board: &board, order: Order::Busiest, skip: 0, foot: "" }.to_text());
        if seen.iter().all(|node| node.newest().is_none()) { Exit::Failed } else { told }
    }

    /// Asks every node, from now on until this process ends.
    fn ask_all(&self) -> Receiver<Heard> {
        // An answer that finds no room waits, and its node is not asked meanwhile.
        let (tell, heard) = bounded(self.urls.len());
        let began = Instant::now();
        for (node, url) in self.urls.iter().enumerate() {
            let (url, every, tell) = (url.clone(), self.every, tell.clone());
            std::thread::spawn(move || ask_on(node, &url, every, began, &tell));
        }
        heard
    }
}

fn ask_on(node: usize, url: &Url, every: Duration, began: Instant, tell: &Sender<Heard>) {
    loop {
        let asked = Instant::now();
        let answer = ask(url).map(|scrape| Reading { at_ms: began.elapsed().as_millis() as u64, scrape });
        if tell.send((node, answer)).is_err() {
            return;
        }
        std::thread::sleep(every.saturating_sub(asked.elapsed()));
    }
}

fn ask(url: &Url) -> Result<Scrape, String> {
    match get(url, "/metrics", None)? {
        (200, body) => Scrape::parse(&String::from_utf8_lossy(&body)).map_err(|error| error.to_string()),
        (status, _) => Err(format!("it answers {status} to /metrics; is this a node's --admin address?")),
    }
}

/// Draws until somebody leaves.
fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    heard: &Receiver<Heard>,
    seen: &mut [Seen],
) -> io::Result<()> {
    let (mut order, mut skip, mut is_new) = (Order::default(), 0_usize, true);
    loop {
        for (node, answer) in heard.try_iter() {
            seen[node].hear(answer);
            is_new = true;
        }
        if is_new {
            let board = Board::of(seen, order);
            skip = skip.min(board.cores.len().saturating_sub(1));
            let foot = "s order of cores   ↑ ↓ scroll them   q leave";
            let picture = Picture { board: &board, order, skip, foot };
            terminal.draw(|frame| frame.render_widget(&picture, frame.area()))?;
        }
        // A key, or another size of the terminal.
        is_new = event::poll(GLANCE)?;
        if !is_new {
            continue;
        }
        let Event::Key(KeyEvent { code, modifiers, .. }) = event::read()? else { continue };
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
            KeyCode::Char('s') => {
                order = if order == Order::Busiest { Order::Slowest } else { Order::Busiest };
            }
            KeyCode::Down | KeyCode::Char('j') => skip += 1,
            KeyCode::Up | KeyCode::Char('k') => skip = skip.saturating_sub(1),
            _ => {}
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        ms if ms >= 200 => Ok(Duration::from_millis(ms)),
        _ => Err("at least 200ms: each look costs a node a scrape".to_owned()),
    }
}
