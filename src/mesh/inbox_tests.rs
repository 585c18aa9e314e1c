//! The mesh under threads: nothing is lost, order is kept, and no sleeper is forgotten.

use super::*;
use crate::limits::INBOX_COMMANDS;
use crate::mesh::Outbox;
use proptest::prelude::*;
use std::sync::mpsc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// A core's thread as far as the mesh can see it: it sleeps until its waker is called.
struct Sleeper(Thread);
impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Takes batches until `done` says so. Panics if it sleeps while something waits: a lost wake.
fn take<T>(inbox: &mut Inbox<T>, mut done: impl FnMut(Vec<T>) -> bool) {
    let waker = Waker::from(Arc::new(Sleeper(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match inbox.poll_next(&mut cx) {
            Poll::Ready(batch) => {
                if done(batch) {
                    return;
                }
            }
            Poll::Pending => {
                thread::park_timeout(Duration::from_secs(5));
                // Whoever posted before this moment rang; a post whose ring is still on its way is not lost.
                if inbox.shared.bell.armed() && !inbox.receiver.is_empty() {
                    thread::sleep(Duration::from_millis(200));
                    assert!(!inbox.shared.bell.armed() || inbox.receiver.is_empty(), "a wake was lost");
                }
            }
        }
    }
}

#[test]
fn many_threads_post_and_everything_arrives_in_each_ones_order() {
    const THREADS: usize = 4;
    const BATCHES: u64 = 20_000;
    let (mut inboxes, addresses) = inboxes::<(usize, u64)>(1);
    let posters: Vec<_> = (0..THREADS)
        .map(|me| {
            let address = addresses[0].clone();
            thread::spawn(move || {
                for n in 0..BATCHES {
                    address.post(vec![(me, n * 2), (me, n * 2 + 1)]);
                    // Pauses of all lengths, so that the owner sleeps, wakes and is caught in between.
                    if n % 97 == 0 {
                        thread::sleep(Duration::from_micros(n % 300));
                    }
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    take(&mut inboxes[0], |batch| {
        for (from, n) in batch {
            assert_eq!(n, next[from], "of thread {from}");
            next[from] += 1;
        }
        next.iter().all(|&n| n == BATCHES * 2)
    });
    for poster in posters {
        poster.join().expect("a poster");
    }
    let load = addresses[0].load();
    assert_eq!((load.batches, load.messages, load.depth), (80_000, 160_000, 0));
    assert!(load.wakes <= load.batches, "{load:?}");
}

#[test]
fn no_wake_is_lost_when_two_cores_play_ping_pong() {
    let (inboxes, addresses) = inboxes::<u32>(2);
    let (finished, wait) = mpsc::channel();
    for (me, mut inbox) in inboxes.into_iter().enumerate() {
        let (addresses, finished) = (addresses.clone(), finished.clone());
        thread::spawn(move || {
            let mut outbox = Outbox::new(me as u16, &addresses);
            let other = 1 - me as u16;
            if me == 0 {
                outbox.push(other, 0);
                outbox.flush();
            }
            take(&mut inbox, |batch| {
                for n in batch {
                    outbox.push(other, n + 1);
                    outbox.flush();
                    if n >= 50_000 {
                        return true;
                    }
                }
                false
            });
            let _ = finished.send(());
        });
    }
    for _ in 0..2 {
        wait.recv_timeout(Duration::from_secs(60)).expect("both cores finish: no wake was lost");
    }
}

#[test]
fn commands_wait_for_room_and_answers_do_not() {
    let (mut inboxes, addresses) = inboxes::<usize>(2);
    let mut outbox = Outbox::new(0, &addresses);
    for n in 0..INBOX_COMMANDS {
        assert!(outbox.room(1) > 0);
        outbox.push_command(1, n);
    }
    assert_eq!(outbox.room(1), 0, "not yet posted, but promised");
    outbox.flush();
    assert_eq!(outbox.room(1), 0, "posted, but not yet taken");
    outbox.push(1, 7);
    outbox.flush();
    assert_eq!(addresses[1].load().depth, INBOX_COMMANDS as u64 + 1);
    assert_eq!(inboxes[1].try_next().map(|batch| batch.len()), Some(INBOX_COMMANDS));
    assert_eq!(outbox.room(1), INBOX_COMMANDS);
    assert_eq!(inboxes[1].try_next(), Some(vec![7]));
    assert_eq!(inboxes[1].try_next(), None);
}

proptest! {
    /// Whatever is pushed to whom and whenever it is flushed: each destination gets exactly its own, in order, as
    /// one batch per flush, and the gauge agrees with a count by hand.
    #[test]
    fn an_outbox_posts_what_was_pushed(steps in prop::collection::vec((0_u16..4, 0_u8..10), 0..200)) {
        let (mut inboxes, addresses) = inboxes::<u32>(4);
        let mut outbox = Outbox::new(2, &addresses);
        let (mut expected, mut commands, mut n) = (vec![Vec::new(); 4], [0; 4], 0);
        for (to, kind) in steps {
            n += 1;
            match kind {
                0 => {
                    outbox.flush();
                    prop_assert!(outbox.is_empty());
                }
                1..=4 => {
                    outbox.push_command(to, n);
                    expected[to as usize].push(n);
                    commands[to as usize] += 1;
                }
                _ => {
                    outbox.push(to, n);
                    expected[to as usize].push(n);
                }
            }
            prop_assert_eq!(outbox.room(to), INBOX_COMMANDS - commands[to as usize]);
        }
        outbox.flush();
        for (inbox, expected) in inboxes.iter_mut().zip(expected) {
            let got: Vec<u32> = std::iter::from_fn(|| inbox.try_next()).flatten().collect();
            prop_assert_eq!(got, expected);
        }
        prop_assert_eq!(outbox.room(0), INBOX_COMMANDS);
    }
}
