//! *Arrive*: the sessions whose sockets live on this core, and the way each takes from its attach to its end.

mod answer;
mod credit;
mod crowd;
mod deadlines;
mod gateway;
mod give;
mod marks;
mod moves;
mod pace;
mod routes;
mod session;
mod session_bytes;
mod sessions;

pub use crowd::Want;
pub use gateway::Gateway;
pub use session::{Connect, Parked, Session, SessionPhase};
pub use session_bytes::Damaged;
pub use sessions::Sessions;
