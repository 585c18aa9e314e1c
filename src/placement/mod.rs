//! Which CPU does what: a pure function from a host and an operator's wishes to a plan.
//!
//! Always holds: a plan names only CPUs that this process may use; every role has at least one; nothing is read or set
//! here. `crate::host` reads the host, `crate::node` keeps threads to the plan, `corepost placement` shows it.

mod cpus;
mod host;
mod picture;
mod plan;
#[cfg(test)]
mod plan_tests;
mod queues;
mod wishes;

pub use cpus::Cpus;
pub use host::{Cpu, Host, Interrupt, Nic};
pub use picture::Picture;
pub use plan::{Note, Plan, SendBy, Spread, Steer, plan};
pub use wishes::{Impossible, Role, Wishes};
