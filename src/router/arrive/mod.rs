//! *Arrive*: the sessions whose sockets live on this core, and the way each takes from its attach to its end.

mod credit;
mod gateway;
mod session;
mod sessions;

pub use gateway::Gateway;
pub use session::{Connect, Parked, Session, SessionPhase};
pub use sessions::Sessions;
