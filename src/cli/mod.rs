//! The command line: one file per command, each thin, all with the same exit codes.

mod certificate;
mod check;
mod drain;
mod exit;
mod flags;
mod listen;
mod logging;
mod placement;
mod reload;
mod remote;
mod send;
mod serve;
mod token;
mod top;
mod topics;
mod tune;
mod version;
mod where_is;

pub use exit::Exit;
pub use flags::{Flags, KafkaFlags};

use clap::{Parser, Subcommand};

/// What is written after `corepost`.
#[derive(Parser)]
#[command(
    name = "corepost",
    version,
    about = "Routes messages between WebSocket clients by client ID. A message that was acknowledged is durable, \
             and whoever was away gets what they missed.",
    after_help = "Try it: run `corepost serve` and connect to ws://127.0.0.1:8080/v1/ws?client=alice\n\n\
                  Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 data directory in use or of a newer \
                  format;\n4 topics break the contract; 5 ordinal in use or incompatible cluster.",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Serve),
    /// Show the configuration that `serve` would run with, and every mistake in it
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Be a client: print what it is told
    #[command(after_help = listen::EXAMPLES)]
    Listen(listen::ListenArgs),
    /// Be a client: send messages and print what became of them
    #[command(after_help = send::EXAMPLES)]
    Send(send::SendArgs),
    /// Make a token for a client
    #[command(after_help = token::EXAMPLES)]
    Token(token::Token),
    /// Compare a cluster's topics with the contract, or make them
    #[command(after_help = topics::EXAMPLES)]
    Topics(topics::Topics),
    /// Show which CPUs of this host run what
    #[command(after_help = placement::EXAMPLES)]
    Placement(placement::PlacementArgs),
    /// Compare this host's settings with what a node needs
    #[command(after_help = tune::EXAMPLES)]
    Tune(tune::Tune),
    /// Watch nodes, cores and partitions at work
    #[command(after_help = top::EXAMPLES)]
    Top(top::Top),
    /// Take a node of this host out of service: its sessions move, nothing is lost, it ends
    #[command(after_help = drain::EXAMPLES)]
    Drain(drain::DrainArgs),
    /// Find a client: its home, and where each of its sessions is
    #[command(after_help = where_is::EXAMPLES)]
    Where(where_is::Where),
    /// Show the version
    Version,
}

/// Reads the arguments and does what they say.
pub fn run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistakes.
            let told = error.print();
            return if error.use_stderr() || told.is_err() { Exit::Usage } else { Exit::Done };
        }
    };
    match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Listen(listen) => listen::run(listen),
        Command::Send(send) => send::run(send),
        Command::Token(token) => token.run(),
        Command::Topics(topics) => topics.run(),
        Command::Placement(placement) => placement.run(),
        Command::Tune(tune) => tune.run(),
        Command::Top(top) => top.run(),
        Command::Drain(drain) => drain.run(),
        Command::Where(it) => it.run(),
        Command::Version => version::run(),
    }
}

/// Writes a command's result. A reader that went away before it read all is a failure, not a panic.
fn say(text: &str) -> Exit {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
