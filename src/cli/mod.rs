//! One file per command, thin: arguments in, exit code out.

pub mod listen;
mod remote;
pub mod send;
