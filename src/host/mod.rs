//! What this machine gives us: its CPUs.

mod cpus;

pub use cpus::{BadCpuList, allowed_cpus, parse_cpu_list, usable_cpus};
