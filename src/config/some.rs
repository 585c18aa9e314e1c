//! Some of the settings alone, for commands that start no node: whatever else stands beside them is not judged.

use super::placement::{Placement, read_placement};
use super::raw::{Given, Raw};
use super::reader::Reader;
use super::settings::FILE_SETTING;
use super::source::Mistakes;
use super::values::numbers;

/// Everything that is wrong with the settings about CPUs, or the plan that they and this host come to.
pub fn resolve_placement(given: &Given) -> Result<Placement, Mistakes> {
    resolve(given, read_placement)
}

/// How many sockets a node is to have, if anybody has said so.
pub fn resolve_sockets(given: &Given) -> Result<Option<u32>, Mistakes> {
    resolve(given, |read| Some(read_sockets(read)))
}

pub(super) fn read_sockets(read: &mut Reader<'_>) -> Option<u32> {
    read.optional("max_connections", numbers(1, u32::MAX)).map(|sockets| sockets as u32)
}

/// What `read` reads, or everything that is wrong with it.
pub(super) fn resolve<T>(
    given: &Given,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, Mistakes> {
    let (raw, mistakes) = Raw::read(given);
    let mut reader = Reader::new(&raw, mistakes);
    let found = read(&mut reader);
    let _ = reader.optional(FILE_SETTING, |_| Ok(()));
    let (_, mistakes) = reader.done();
    match found {
        Some(found) if mistakes.is_empty() => Ok(found),
        _ => Err(Mistakes(mistakes)),
    }
}
