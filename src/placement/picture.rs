//! A plan as an operator reads it: the host's physical cores in rows, their threads in columns, and who runs where.

use super::host::{Cpu, Host};
use super::plan::{Plan, SendBy, Spread};
use std::fmt;

/// Shows a plan on the host it was made for.
pub struct Picture<'a> {
    /// The host.
    pub host: &'a Host,
    /// Its plan.
    pub plan: &'a Plan,
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, plan } = self;
        self.write_totals(f)?;
        for node in host.nodes() {
            writeln!(f, "\nNUMA node {node}{}", self.nics_of(node))?;
            let cores = host.physical_cores(node);
            let width = cores.iter().flatten().map(|cpu| self.cell(*cpu).len()).max().unwrap_or(0);
            let mut cache = None;
            for threads in cores {
                if cache.replace(threads[0].cache) != Some(threads[0].cache) {
                    writeln!(f, "  sharing the cache of CPU {}", threads[0].cache)?;
                }
                let cells: Vec<String> =
                    threads.iter().map(|cpu| format!("{:width$}", self.cell(*cpu))).collect();
                writeln!(f, "    {}", cells.join("   ").trim_end())?;
            }
        }
        let has_commands = !plan.interrupts.is_empty() || !plan.spread.is_empty() || !plan.sending.is_empty();
        if has_commands {
            writeln!(f, "\ninterrupts and packets")?;
        }
        for steer in &plan.interrupts {
            let interrupt = &steer.interrupt;
            let done =
                if interrupt.now.len() == 1 && interrupt.now.has(steer.wanted) { ", as it is" } else { "" };
            writeln!(
                f,
                "    {} irq {} ({}): on {}, wanted on {}{done}",
                steer.nic, interrupt.irq, interrupt.name, interrupt.now, steer.wanted
            )?;
        }
        for Spread { nic, queues, cpus } in &plan.spread {
            let queues = counted((*queues).into(), "receive queue");
            writeln!(
                f,
                "    {nic} has {queues}: more (ethtool -L), or its packets spread over CPUs {cpus} (RPS)"
            )?;
        }
        for SendBy { nic, queue, cpus } in &plan.sending {
            writeln!(f, "    {nic} queue tx-{queue}: what CPUs {cpus} send (XPS)")?;
        }
        if has_commands {
            writeln!(f, "    `corepost placement --commands` prints what does this")?;
        }
        if !plan.notes.is_empty() {
            writeln!(f)?;
        }
        plan.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl Picture<'_> {
    fn write_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, plan } = self;
        let physical: usize = host.nodes().into_iter().map(|node| host.physical_cores(node).len()).sum();
        writeln!(
            f,
            "host: {} online on {physical} physical cores, {}; ours: {}",
            counted(host.cpus.len(), "CPU"),
            counted(host.nodes().len(), "NUMA node"),
            host.ours
        )?;
        let pinned = if plan.is_pinned { "one CPU each" } else { "not pinned" };
        writeln!(
            f,
            "plan: {}, {pinned}; backplane on {}; store on {}",
            counted(plan.cores.len(), "core"),
            plan.backplane,
            plan.store
        )
    }

    fn nics_of(&self, node: u16) -> String {
        let here = self.host.nics.iter().filter(|nic| nic.node.unwrap_or(0) == node);
        let here: Vec<String> =
            here.map(|nic| format!("{} with {}", nic.name, counted(nic.rx_queues.into(), "queue"))).collect();
        if here.is_empty() { String::new() } else { format!(": {}", here.join(", ")) }
    }

    /// A CPU and all that runs there.
    fn cell(&self, cpu: Cpu) -> String {
        let (host, plan, number) = (self.host, self.plan, cpu.cpu);
        let mut who = Vec::new();
        if plan.is_pinned {
            let cores = plan.cores.iter().enumerate().filter(|(_, on)| **on == number);
            who.extend(cores.map(|(core, _)| format!("core {core}")));
        } else if host.ours.has(number) {
            who.push("cores".into());
        }
        let roles = [("backplane", &plan.backplane), ("store", &plan.store)];
        who.extend(roles.iter().filter(|(_, cpus)| cpus.has(number)).map(|(role, _)| (*role).to_owned()));
        if plan.interrupts.iter().any(|steer| steer.wanted == number) {
            who.push("irq".into());
        }
        let who = match (who.is_empty(), host.ours.has(number)) {
            (false, _) => who.join(", "),
            (true, true) => "-".into(),
            (true, false) => "not ours".into(),
        };
        let isolated = if host.isolated.has(number) { " (isolated)" } else { "" };
        format!("CPU {number}{isolated}: {who}")
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
