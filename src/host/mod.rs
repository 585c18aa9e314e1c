//! What this machine gives us: its CPUs and how they are arranged, its name.

mod affinity;
mod boot;
mod clock;
mod cpus;
mod name;
mod tree;

pub use affinity::{Visit, keep_to, pin, visit};
pub use boot::{mono_ms, since_boot};
pub use clock::unix_ms;
pub use cpus::{BadCpuList, parse_cpu_list};
pub use name::hostname;
pub use tree::read_host;
