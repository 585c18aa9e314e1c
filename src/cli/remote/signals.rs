//! SIGINT and SIGTERM, as events like all others.

use super::Event;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::mpsc::SyncSender;

/// Posts [`Event::Stop`] for the first signal; the second one ends the process at once, as without us.
pub fn post_signals(events: SyncSender<Event>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            // A full channel means that the loop is busy; it comes to this event in its turn.
            let _ = events.send(Event::Stop);
        }
    });
    Ok(())
}
