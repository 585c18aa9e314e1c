//! The load generator: lighter than the servers it loads, one thread, one epoll, frames made beforehand.
//!
//! `cargo bench --bench load -- throughput --addr 127.0.0.1:8080 --pid $PID --cpu 1`; benches/README.md has the rest.
//! It speaks to Corepost and to the baselines alike, so that a ratio never compares two tools.

mod args;
mod fleet;
mod histogram;
mod modes;
mod report;
mod secure;
mod server;
mod sys;
mod target;
mod token;

use args::Args;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let Some(mode) = args.mode else {
        // `cargo bench` runs every bench without arguments: there is nothing to measure without a server.
        println!("load: name a mode and a server; `-- --help` lists them");
        return ExitCode::SUCCESS;
    };
    match modes::run(mode, &args) {
        Ok(report) => {
            report.print(args.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
