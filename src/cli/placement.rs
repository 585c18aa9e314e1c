//! `corepost placement`: this host, and what `serve` would run where.

use super::{Exit, Flags, say};
use crate::config::{Placement, resolve_placement};
use crate::placement::Picture;
use clap::Args;

pub(super) const EXAMPLES: &str = "\
It takes the flags of `serve` and looks at those about CPUs only (--cores, --cpus, --backplane-cpus, --store-cpus, --irq-cpus,
and whether there is --kafka). Nothing is changed: `serve` keeps its threads to the plan, and interrupts are yours to move.

Examples:
  corepost placement                                      what serve would do here
  corepost placement --kafka k1:9092 --cores 6            in a cluster, with fewer cores
  corepost placement --cpus 2-7 --store-cpus 0 --irq-cpus 1
  corepost placement --json | jq .plan.cores
  corepost placement --commands | sudo sh -e              move interrupts; irqbalance would move them back
Exit codes: 0 there is a plan; 2 the wishes are impossible, and each reason is printed.";

/// Arguments of `placement`.
#[derive(Args)]
pub(super) struct PlacementArgs {
    /// Print host and plan as one JSON object
    #[arg(long)]
    json: bool,
    /// Print the commands that move interrupts, spread packets and choose send queues as planned
    #[arg(long, conflicts_with = "json")]
    commands: bool,
    #[command(flatten)]
    flags: Flags,
}

impl PlacementArgs {
    pub(super) fn run(self) -> Exit {
        let Placement { host, plan } = match resolve_placement(&self.flags.with_environment()) {
            Ok(placement) => placement,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Exit::Usage;
            }
        };
        if self.json {
            return say(&format!("{}\n", serde_json::json!({ "host": host, "plan": plan })));
        }
        if self.commands {
            return say(&plan.commands());
        }
        say(&Picture { host: &host, plan: &plan }.to_string())
    }
}
