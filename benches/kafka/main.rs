//! The bare loops that a cluster is measured beside: rdkafka with the settings of a node, nothing else.
//!
//! `cargo bench --bench kafka -- rate --kafka 127.0.0.1:PORT --topic bare`; benches/README.md has the rest. The topic must
//! be there, with as many partitions as said. Figures have the names of the load generator's and are worked out by the same
//! code; the process under test is this one, both ends together.

#[path = "../load/histogram.rs"]
mod histogram;
mod rate;
#[path = "../load/report.rs"]
#[allow(dead_code, reason = "the load generator uses the rest")]
mod report;
mod scan;
#[path = "../load/server.rs"]
#[allow(dead_code, reason = "the load generator uses the rest")]
mod server;
#[path = "../load/sys.rs"]
#[allow(dead_code, reason = "the load generator uses the rest")]
mod sys;

use clap::{Parser, ValueEnum};
use corepost::model::{IdRef, Topology};
use rdkafka::ClientConfig;
use std::process::ExitCode;

/// What to measure.
#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Produces at a rate and consumes: latency from the intended time of each.
    Rate,
    /// Each client's missed messages by seeking to the first and reading all that is there up to the last.
    Scan,
}

/// What is to be done.
#[derive(Parser)]
#[command(name = "kafka")]
struct Args {
    /// What to measure.
    mode: Option<Mode>,
    /// A broker.
    #[arg(long, default_value = "127.0.0.1:9092")]
    kafka: String,
    /// The topic.
    #[arg(long, default_value = "bare")]
    topic: String,
    /// Its partitions.
    #[arg(long, default_value_t = 64)]
    partitions: u16,
    /// Producers; without it, as many as a node would have at one broker.
    #[arg(long)]
    producers: Option<usize>,
    /// Messages per second.
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// Clients that messages go to in turn, or that return.
    #[arg(long, default_value_t = 500)]
    clients: u64,
    /// Bytes of a body.
    #[arg(long, default_value_t = 128)]
    body: usize,
    /// What is due within so many microseconds is produced together: sleeping between any two costs the producer CPU.
    #[arg(long, default_value_t = 0)]
    nap_us: u64,
    /// Length of the measured window.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Time before it.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// `scan`: a file of `ID CURSOR` lines, as the load generator's `prepare` writes them.
    #[arg(long, default_value = "/tmp/corepost-load-cursors")]
    cursors: std::path::PathBuf,
    /// `scan`: messages each client has missed.
    #[arg(long, default_value_t = 100)]
    missed: u64,
    /// `scan`: clients of the file that are left out.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.mode {
        None => {
            // `cargo bench` runs every bench without arguments: there is nothing to measure without a broker.
            println!("kafka: name a mode and a broker; `-- --help` lists them");
            return ExitCode::SUCCESS;
        }
        Some(Mode::Rate) => rate::run(&args),
        Some(Mode::Scan) => scan::run(&args),
    };
    match done {
        Ok(report) => {
            report.print(args.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("kafka: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, for people.
type Failed = Box<dyn std::error::Error>;

impl Args {
    /// Where a node would put a client's messages.
    fn partition_of(&self, client: &str) -> Result<i32, Failed> {
        let id = IdRef::new(client).map_err(|_| format!("{client:?} is no client ID"))?;
        Ok(Topology::new(self.partitions, 1).place(id).partition.0.into())
    }

    /// A configuration with what is said of consumers in `src/backplane/kafka/consumer.rs`.
    fn consumer_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.kafka)
            .set("group.id", "bare")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_uncommitted")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "2")
            .set("fetch.error.backoff.ms", "100");
        config
    }
}
