//! Which of a core's sockets have something to read: one set of the kernel's (epoll) for all of them, under the core's
//! ring, which waits for the set as for any descriptor.
//!
//! A wait of its own for each socket has to be begun anew after each read, by an operation on the ring and a task that
//! is woken by it: where a message is on its way to each of 500 sockets that was an eighth of its CPU. Here a silent
//! socket has neither.
//!
//! A socket is told of once each time that something comes to it (edge-triggered). Who has not read to the end of
//! what there is would wait for ever: it asks [`Watch::again`]. A read that did not fill its buffer was to the end, but for
//! urgent data (`MSG_OOB`), at which it stops: what a peer sends behind such, and nothing more, is read with the next that comes.

use super::socket::borrow;
use crate::limits::READS_PER_TURN;
use monoio::net::UnixStream;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// The sockets of one core that are waited for. One leaves it by being closed.
pub struct Watch {
    /// The set. monoio's type for any descriptor that can be waited for.
    set: UnixStream,
}

/// A socket that has something to read, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it was called in [`Watch::add`].
    pub name: u64,
    /// After what there is to read, if there is something, comes the end.
    pub is_last: bool,
}

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const SOMETHING: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);
const LAST: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);

impl Watch {
    /// Of no socket yet, for the core that runs on this thread. An error also where a policy forbids to ask it.
    pub fn new() -> io::Result<Self> {
        let set = std::os::unix::net::UnixStream::from(epoll::create(CreateFlags::CLOEXEC)?);
        set.set_nonblocking(monoio::utils::is_legacy())?;
        epoll::wait(&set, &mut [MaybeUninit::<Event>::uninit(); 1], Some(&AT_ONCE))?;
        Ok(Self { set: UnixStream::from_std(set)? })
    }

    /// From now on it is told, by this name, when something comes, and at once if something is there.
    pub fn add(&self, socket: impl AsFd, name: u64) -> io::Result<()> {
        Ok(epoll::add(borrow(&self.set), socket, EventData::new_u64(name), SOMETHING)?)
    }

    /// It is told once more, at once if something is there.
    pub fn again(&self, socket: impl AsFd, name: u64) -> io::Result<()> {
        Ok(epoll::modify(borrow(&self.set), socket, EventData::new_u64(name), SOMETHING)?)
    }

    /// Waits until there is one to be told of. May be wrong.
    pub async fn ready(&self) {
        let _ = self.set.readable(false).await;
    }

    /// Those that have something, without waiting: [`READS_PER_TURN`] at most, each once, and the others the next time.
    pub fn take(&self, ready: &mut Vec<Ready>) {
        let mut room = [MaybeUninit::<Event>::uninit(); READS_PER_TURN];
        // Who does not wait is not interrupted either, and everything else it was asked as it was made.
        let told = epoll::wait(borrow(&self.set), &mut room, Some(&AT_ONCE));
        let (told, _) = told.expect("a set that could be asked can be asked again");
        ready.extend(told.iter().map(|event| {
            let Event { flags, data } = *event;
            Ready { name: data.u64(), is_last: flags.intersects(LAST) }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Wish, choose};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream as Plain;

    /// Runs a story on both drivers, with a watch and a socket in it that is named 7; its peer has said nothing yet.
    fn on_both(story: impl AsyncFn(&Watch, &Plain, &mut Plain)) {
        for wish in [Wish::Best, Wish::Epoll] {
            let (driver, _) = choose(wish).expect("one of them");
            let told = async {
                let watch = Watch::new().expect("a set");
                let (flags, kind) = (SocketFlags::empty(), SocketType::STREAM);
                let (ours, peer) = socketpair(AddressFamily::UNIX, kind, flags, None).expect("a pair");
                let (ours, mut peer) = (Plain::from(ours), Plain::from(peer));
                watch.add(&ours, 7).expect("room for one");
                story(&watch, &ours, &mut peer).await;
            };
            driver.block_on(told).expect("a runtime");
        }
    }

    fn taken(watch: &Watch) -> Vec<(u64, bool)> {
        let mut ready = Vec::new();
        watch.take(&mut ready);
        ready.iter().map(|it| (it.name, it.is_last)).collect()
    }

    #[test]
    fn who_has_something_is_told_once_and_again_when_more_comes() {
        on_both(async |watch, _, peer| {
            assert_eq!(taken(watch), []);
            for _ in 0..2 {
                peer.write_all(b"a word").expect("room");
                watch.ready().await;
                assert_eq!(taken(watch), [(7, false)]);
                assert_eq!(taken(watch), [], "it was told");
            }
        });
    }

    #[test]
    fn what_was_left_is_told_by_asking_again_and_nothing_that_is_not_there() {
        on_both(async |watch, mut ours, peer| {
            peer.write_all(b"two words").expect("room");
            watch.ready().await;
            assert_eq!(taken(watch), [(7, false)]);
            ours.read_exact(&mut [0; 3]).expect("the first");
            watch.again(ours, 7).expect("it is watched");
            watch.ready().await;
            assert_eq!(taken(watch), [(7, false)], "the second is left");
            ours.read_exact(&mut [0; 6]).expect("the second");
            watch.again(ours, 7).expect("it is watched");
            assert_eq!(taken(watch), []);
        });
    }

    #[test]
    fn that_the_end_comes_behind_is_told_with_what_comes_before_it() {
        on_both(async |watch, mut ours, peer| {
            peer.write_all(b"bye").expect("room");
            peer.shutdown(Shutdown::Write).expect("it is open");
            watch.ready().await;
            assert_eq!(taken(watch), [(7, true)]);
            ours.read_exact(&mut [0; 3]).expect("the last word");
            watch.again(ours, 7).expect("it is watched");
            watch.ready().await;
            assert_eq!(taken(watch), [(7, true)], "the end is left");
        });
    }

    #[test]
    fn who_is_closed_is_watched_no_more_and_of_many_each_is_told() {
        on_both(async |watch, _, _| {
            let mut pairs: Vec<_> = (0..READS_PER_TURN + 3).map(|_| Plain::pair().expect("a pair")).collect();
            for (name, (ours, peer)) in (100..).zip(&mut pairs) {
                peer.write_all(b"a word").expect("room");
                watch.add(&*ours, name).expect("room");
            }
            drop(pairs.remove(0));
            watch.ready().await;
            let mut told = taken(watch);
            assert_eq!(told.len(), READS_PER_TURN);
            watch.ready().await;
            told.append(&mut taken(watch));
            told.sort_unstable();
            assert!(told.into_iter().eq((101..).map(|name| (name, false)).take(READS_PER_TURN + 2)));
            assert_eq!(taken(watch), []);
        });
    }
}
