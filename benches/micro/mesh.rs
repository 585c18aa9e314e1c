//! Between two threads: what a message costs in batches of some sizes, how often its receiver had to be woken, and how
//! long one hop takes when the receiver sleeps.

use super::cases::Cases;
use corepost::mesh::{Address, Inbox, Outbox, inboxes};
use corepost::model::Parcel;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// As large as what crosses cores.
type Message = [u8; size_of::<Parcel>()];
const MESSAGE: Message = [7; size_of::<Parcel>()];

const ROUNDS: usize = 11;
const MESSAGES: usize = 1 << 20;
const HOPS: usize = 20_000;

pub fn all(cases: &Cases) {
    for batch in [1, 16, 256] {
        let name = format!("mesh, batches of {batch}");
        if cases.want(&name) {
            let (seconds, wakes) =
                (0..ROUNDS).map(|_| stream(batch)).min_by(|a, b| a.0.total_cmp(&b.0)).expect("a round");
            println!(
                "{name:44} {:9.1} ns {:9.1} M messages/s {:.4} wakes a message",
                seconds / MESSAGES as f64 * 1e9,
                MESSAGES as f64 / seconds / 1e6,
                wakes as f64 / MESSAGES as f64,
            );
        }
    }
    let name = "mesh, one hop to a sleeper and its wake";
    if cases.want(name) {
        let seconds = (0..ROUNDS).map(|_| ping_pong()).fold(f64::MAX, f64::min);
        println!("{name:44} {:9.1} ns", seconds / HOPS as f64 * 1e9);
    }
}

/// One thread posts, the other takes. Returns the time and the wakes it took.
fn stream(batch: usize) -> (f64, u64) {
    let (mut inboxes, addresses) = inboxes::<Message>(2);
    let mut receiver = Owner::of(inboxes.pop().expect("core 1"));
    let address = addresses[1].clone();
    let start = Instant::now();
    thread::scope(|threads| {
        threads.spawn(move || {
            let mut outbox = Outbox::new(0, &addresses);
            for _ in 0..MESSAGES / batch {
                while outbox.room(1) < batch {
                    thread::yield_now();
                }
                (0..batch).for_each(|_| outbox.push_command(1, MESSAGE));
                outbox.flush();
            }
        });
        let mut left = MESSAGES;
        while left > 0 {
            left -= receiver.take().len();
        }
    });
    (start.elapsed().as_secs_f64(), address.load().wakes)
}

/// Two threads wait for each other in turn, so that each hop finds a sleeper.
fn ping_pong() -> f64 {
    let (mut inboxes, addresses) = inboxes::<Message>(2);
    let (there, here) = (inboxes.pop().expect("core 1"), inboxes.pop().expect("core 0"));
    let start = Instant::now();
    thread::scope(|threads| {
        let other = addresses.clone();
        threads.spawn(move || play(1, there, &other));
        let mut first = Outbox::new(0, &addresses);
        first.push(1, MESSAGE);
        first.flush();
        play(0, here, &addresses);
    });
    start.elapsed().as_secs_f64()
}

/// Takes a message and posts one, so that both together make `HOPS`.
fn play(me: u16, inbox: Inbox<Message>, addresses: &[Address<Message>]) {
    let (mut inbox, mut outbox) = (Owner::of(inbox), Outbox::new(me, addresses));
    for _ in 0..HOPS / 2 {
        let batch = inbox.take();
        batch.into_iter().for_each(|message| outbox.push(1 - me, message));
        outbox.flush();
    }
}

/// A core's thread as far as the mesh can see it: it sleeps until its waker is called.
struct Owner {
    inbox: Inbox<Message>,
    waker: Option<Waker>,
}

struct Sleeper(Thread);
impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Owner {
    fn of(inbox: Inbox<Message>) -> Self {
        Self { inbox, waker: None }
    }

    fn take(&mut self) -> Vec<Message> {
        let waker = self.waker.get_or_insert_with(|| Waker::from(Arc::new(Sleeper(thread::current()))));
        let mut next = pin!(self.inbox.next());
        loop {
            match next.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Ready(batch) => return batch,
                Poll::Pending => thread::park(),
            }
        }
    }
}
