//! The host's settings that matter to a node: which they are, what they should be, and whether they are.
//!
//! The knobs are data (`tuning/knobs.toml`), which comes with the program. Judging them is pure; `read` and `apply` touch the
//! host below a root, so that a test has a host of its own.

mod apply;
mod judge;
mod knob;
mod profile;
mod read;

pub use apply::{Applied, ApplyError, apply, revert};
pub use judge::{Finding, State, judge};
pub use knob::{By, Good, Kind, Knob, Size, knobs};
pub use profile::{sysctl_profile, table};
pub use read::Root;
