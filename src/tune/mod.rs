//! The host's settings that matter to a node: which they are, what they should be, and whether they are.
//!
//! The knobs are data (`tuning/knobs.toml`), which comes with the program. Judging them is pure; `read` and `apply` touch the
//! host below a root, so that a test has a host of its own.

mod apply;
mod before;
mod files;
mod judge;
mod knob;
mod limits;
mod profile;
mod read;

pub use apply::{Applied, apply, revert};
pub use files::ApplyError;
pub use judge::{Finding, State};
pub use knob::{By, Good, Kind, Knob, Size, knobs};
pub use profile::{limits_profile, sysctl_profile, table};
pub use read::Root;
