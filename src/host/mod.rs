//! What this machine gives us: its CPUs, its name.

mod boot;
mod cpus;
mod name;

pub use boot::since_boot;
pub use cpus::{BadCpuList, allowed_cpus, parse_cpu_list, usable_cpus};
pub use name::hostname;
