//! A load with accounting: senders, recipients with several devices each on different nodes, and what must be true at the end.

use crate::device::{Device, Given, Life, Start, all_live};
use crate::fleet::{Fleet, client_in};
use crate::support::{PATIENCE, eventually_in};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So many seconds of a load may wait for their acks; then a machine that is too slow for it is given no more at once.
const WAITING_S: usize = 2;

/// How many of each.
pub struct Plan {
    pub senders: usize,
    pub recipients: usize,
    /// Of each recipient, one on each node in turn.
    pub devices: usize,
    /// Messages a second, of all senders together.
    pub rate: u32,
}

pub struct Crowd {
    pub senders: Arc<Vec<Device>>,
    /// By recipient.
    pub devices: Vec<Vec<Device>>,
    enough: Arc<AtomicBool>,
    pump: Option<JoinHandle<Vec<usize>>>,
}

pub fn recipient(n: usize) -> String {
    client_in(n, "recipient")
}

impl Crowd {
    /// Everybody connects, and when all are live the sending begins.
    pub fn start(fleet: &Fleet, plan: &Plan) -> Self {
        let nodes = fleet.nodes.len();
        let at = |n: usize, client: &str, from| {
            let start = Start { from, ..Start::default() };
            Device::begin(&fleet.balancer, n % nodes, client, start)
        };
        let senders: Vec<_> = (0..plan.senders).map(|n| at(n, &format!("sender-{n}"), None)).collect();
        let of = |n: usize| (0..plan.devices).map(|m| at(n + m, &recipient(n), Some("start"))).collect();
        let devices: Vec<Vec<_>> = (0..plan.recipients).map(of).collect();
        all_live(senders.iter().chain(devices.iter().flatten()), 2 * PATIENCE);
        let (senders, enough) = (Arc::new(senders), Arc::new(AtomicBool::new(false)));
        let pump = pump(Arc::clone(&senders), Arc::clone(&enough), plan.recipients, plan.rate);
        Self { senders, devices, enough, pump: Some(pump) }
    }

    /// All devices.
    pub fn everybody(&self) -> impl Iterator<Item = &Device> {
        self.senders.iter().chain(self.devices.iter().flatten())
    }

    /// How many acks the senders had.
    pub fn acks(&self) -> usize {
        self.senders.iter().map(|sender| sender.life().acked.len()).sum()
    }

    /// Waits until so many more are acknowledged: the load flows, however slowly.
    pub fn flows(&self, more: usize) {
        let due = self.acks() + more;
        gets_there("messages are acknowledged", due, || self.acks());
    }

    /// Ends the sending, waits for all acks and deliveries, and judges. Says how many messages there were.
    pub fn finish(mut self, what: &str) -> usize {
        self.enough.store(true, Ordering::Relaxed);
        let sent = self.pump.take().expect("it runs").join().unwrap();
        for (sender, sent) in self.senders.iter().zip(&sent) {
            let answers = |life: &Life| life.acked.len() + life.failed.len();
            gets_there("all acks", *sent, || answers(&sender.life()));
            assert_eq!(sender.life().failed, [], "given up by {}", sender.client);
        }
        // The last of each mailbox; who has it has everything.
        let bell = json!({"from": "bell", "n": 0});
        for n in 0..self.devices.len() {
            self.senders[0].deliver(&recipient(n), &format!("bell-{n}"), &bell);
        }
        let refusals: usize = self.senders.iter().map(|sender| sender.life().errors.len()).sum();
        for (n, devices) in self.devices.iter().enumerate() {
            for device in devices {
                let rings = |given: Option<&Given>| given.is_some_and(|given| given.body == bell);
                // As long as it comes nearer, it may take its time.
                while !rings(device.life().given.last()) {
                    let given = device.life().given.len();
                    device.wait("something more", |life| life.given.len() > given);
                }
                device.is_whole();
                let (given, first) = (device.given(), devices[0].given());
                assert_eq!(given, first, "the devices of recipient {n} disagree");
                complete(n, self.devices.len(), &given, &sent, refusals == 0);
            }
        }
        let total = sent.iter().sum();
        println!("{what}: {total} messages acknowledged, {refusals} refusals on the way");
        total
    }
}

/// Ends the sending also where a story fails.
impl Drop for Crowd {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}

/// Waits until a number that only grows is as large as that: for as long as it does grow.
fn gets_there(what: &str, due: usize, number: impl Fn() -> usize) {
    while number() < due {
        let now = number();
        eventually_in(what, 2 * PATIENCE, || number() > now);
    }
}

/// Gives the senders what is due, all in turn; how many each had in the end.
fn pump(
    senders: Arc<Vec<Device>>,
    enough: Arc<AtomicBool>,
    recipients: usize,
    rate: u32,
) -> JoinHandle<Vec<usize>> {
    let clients: Vec<String> = (0..recipients).map(recipient).collect();
    std::thread::spawn(move || {
        let (begun, mut sent) = (Instant::now(), 0);
        while !enough.load(Ordering::Relaxed) {
            let due = (begun.elapsed().as_secs_f64() * f64::from(rate)) as usize;
            let acked: usize = senders.iter().map(|sender| sender.life().acked.len()).sum();
            while sent < due.min(acked + WAITING_S * rate as usize) {
                let (sender, n) = (&senders[sent % senders.len()], sent / senders.len());
                let body = json!({"from": sender.client, "n": n});
                sender.send(&clients[n % clients.len()], &n.to_string(), &body);
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        (0..senders.len()).map(|which| (sent + senders.len() - 1 - which) / senders.len()).collect()
    })
}

/// Everything that was acknowledged is there, once. Each sender's is in order, unless something was refused and sent again.
fn complete(recipient: usize, recipients: usize, given: &[Given], sent: &[usize], in_order: bool) {
    for (which, count) in sent.iter().enumerate() {
        let name = Value::from(format!("sender-{which}"));
        let expected: Vec<u64> =
            (0..*count).filter(|n| n % recipients == recipient).map(|n| n as u64).collect();
        let of = given.iter().filter(|given| given.body["from"] == name);
        let mut got: Vec<u64> = of.map(|given| given.body["n"].as_u64().unwrap()).collect();
        assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len(), "some of {name} came twice");
        if !in_order {
            got.sort_unstable();
        }
        assert_eq!(got, expected, "of {name} to recipient {recipient}");
    }
}
