//! What an acknowledged message survives: said by the operator, kept by the log, told in each `welcome`.

use crate::words::words;

words! {
    /// What an acknowledged message survives.
    Durability {
        /// A power cut: fsync before anything is told.
        Fsync = "fsync",
        /// The end of the process, however it comes: written to the operating system before anything is told.
        Process = "process",
    }
}
