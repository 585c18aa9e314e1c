//! `corepost version`.

use super::{Exit, say};

pub(super) fn run() -> Exit {
    say(concat!("corepost ", env!("CARGO_PKG_VERSION"), "\n"))
}
