//! Each promise's scenario text of `tests/promises`, performed by the real program on real sockets, on one core and on
//! two. (All sessions away from their homes is for the simulation alone: here every session lives on its client's core.)

use crate::stage::Sockets;

#[allow(clippy::module_inception, reason = "the texts keep their name")]
#[path = "../promises/mod.rs"]
pub mod texts;

/// Bytes that a text's messages are padded by: where a device stops reading, those sent to it must be more than its
/// connection and the kernel's buffers hold, which are 5 MB together.
fn padding(nth: usize) -> usize {
    match nth {
        5 => 40_000,
        8 => 14_000,
        _ => 100,
    }
}

macro_rules! promises {
    ($($name:ident: $nth:literal,)*) => {$(
        #[test]
        fn $name() {
            let (name, text) = texts::TEXTS[$nth - 1];
            for cores in [1, 2] {
                texts::perform(name, text, || Sockets::new(cores, padding($nth)));
            }
        }
    )*};
}

promises! {
    promise_1: 1,
    promise_2: 2,
    promise_3: 3,
    promise_4: 4,
    promise_5: 5,
    promise_6: 6,
    promise_7: 7,
    promise_8: 8,
}
