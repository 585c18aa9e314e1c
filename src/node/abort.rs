//! A panic on a core's thread ends the process at once.
//!
//! A core shares its table with all its tasks; after a panic in one of them nobody knows what of it still holds, and
//! monoio would end the thread in silence with every session of that core hanging. Sessions lose nothing that was
//! acknowledged: whoever restarts us finds it in the log, and clients resume. So: say it, and abort.

use std::cell::Cell;
use std::sync::Once;
use std::{panic, process, thread};

thread_local! {
    static IS_CORE: Cell<bool> = const { Cell::new(false) };
}

/// Called first on each core's thread.
pub fn on_panic_of_this_thread() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            if IS_CORE.try_with(Cell::get).unwrap_or(false) {
                let name = thread::current().name().unwrap_or("a core").to_owned();
                eprintln!(
                    "corepost: {name} panicked; its sessions cannot be trusted any more, so the process ends now. \
                     Restart it: nothing acknowledged is lost, clients resume. Please report the panic above."
                );
                process::abort();
            }
        }));
    });
    IS_CORE.set(true);
}
