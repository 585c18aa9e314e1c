//! What the parts cost per message, each alone on one core, in time and in instructions.
//!
//! `cargo bench --bench micro [-- WORD]` runs the cases whose names hold the word, or all. With `--no-default-features`
//! those of the mesh are left out, and the system's allocator stands in for the program's.

#![allow(missing_docs)]

mod callgrind;
mod cases;
mod counting;
#[cfg(feature = "serve")]
mod mesh;
mod shard;
#[cfg(feature = "serve")]
mod tls;
mod wire;

use cases::Cases;

/// The program's own: half of what a message costs in the shard is its envelope.
#[cfg(feature = "serve")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut cases = Cases::from_arguments();
    wire::all(&mut cases);
    shard::all(&mut cases);
    counting::all(&mut cases);
    #[cfg(feature = "serve")]
    {
        mesh::all(&cases);
        tls::all(&cases);
    }
}
