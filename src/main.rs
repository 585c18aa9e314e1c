//! Arguments → command → exit code.

use std::process::ExitCode;

/// A core allocates and frees small boxes all day and hands them to other cores: mimalloc keeps a heap for each
/// thread and takes back what another one frees without a lock, where glibc's arenas would contend and fragment.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    corepost::cli::run().into()
}
