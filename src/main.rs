//! Arguments → command → exit code.

use std::process::ExitCode;

/// A core allocates and frees small boxes all day and hands them to other cores: mimalloc keeps a heap for each
/// thread and takes back what another one frees without a lock, where glibc's arenas would contend and fragment.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    no_huge_pages();
    corepost::cli::run().into()
}

/// The allocator asks for transparent huge pages, and then an idle session costs nearly twice its bytes (benches/README.md):
/// what is resident would be what was reserved, not what is used.
#[allow(unsafe_code)]
fn no_huge_pages() {
    // SAFETY: a call with integers alone, which changes how later page faults of this process are served.
    unsafe {
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}
