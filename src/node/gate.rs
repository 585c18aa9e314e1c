//! Who may connect at all: so many in all, so many of one address, so many a second.
//!
//! In two steps, for behind a proxy the address comes later than the connection: a seat, then whose it is.
//! Connections of one address arrive at any core, so these counts are the node's. The number in all is an atomic; the
//! table of addresses and the rate are behind a lock that is held for a look-up and only where they are configured:
//! the one place where two cores may meet, and never while anything waits.

use crate::access::{Addresses, Bucket, Rate};
use crate::counters::Refusal;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The node's.
#[derive(Debug)]
pub(super) struct Gate {
    /// The origin of the rate's clock, for each core has one of its own.
    origin: Instant,
    connections: AtomicUsize,
    /// Of those, the ones that a drain waits for.
    busy: AtomicUsize,
    most: usize,
    addresses: Option<Mutex<Addresses>>,
    rate: Option<(Rate, Mutex<Bucket>)>,
}

/// A connection that was let in; its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    gate: Arc<Gate>,
    /// Where addresses are counted, and it was said whose it is.
    address: Option<Box<IpAddr>>,
}

impl Gate {
    /// At most so many connections; the others only where configured.
    pub(super) fn new(most: usize, most_per_address: Option<u32>, rate: Option<Rate>) -> Self {
        Self {
            origin: Instant::now(),
            connections: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            most,
            addresses: most_per_address.map(|most| Mutex::new(Addresses::new(most))),
            rate: rate.map(|rate| (rate, Mutex::new(Bucket::default()))),
        }
    }

    /// A connection came.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Seat, Refusal> {
        self.enter_at(self.origin.elapsed().as_millis() as u64)
    }

    /// Sessions, and requests that are being served.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    fn enter_at(self: &Arc<Self>, mono_ms: u64) -> Result<Seat, Refusal> {
        if let Some((rate, bucket)) = &self.rate {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(*rate, mono_ms, 1).map_err(|_| Refusal::ConnectRate)?;
        }
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::TooManyConnections);
        }
        Ok(Seat { gate: Arc::clone(self), address: None })
    }
}

/// The seat of a session: a drain waits for it.
#[derive(Debug)]
pub(super) struct Settled(Seat);

/// A request that is being served: a drain waits for it.
#[derive(Debug)]
pub(super) struct Busy(Arc<Gate>);

impl Seat {
    /// Counts it for this address, once. If that has as many as it may, the seat is gone.
    pub(super) fn of(mut self, address: IpAddr) -> Result<Self, Refusal> {
        assert!(self.address.is_none(), "a seat is one address's");
        if let Some(addresses) = &self.gate.addresses {
            let entered = addresses.lock().unwrap_or_else(PoisonError::into_inner).enter(address);
            entered.map_err(|_| Refusal::TooManyPerAddress)?;
            self.address = Some(Box::new(address));
        }
        Ok(self)
    }

    /// From now on a drain waits for it.
    pub(super) fn settle(self) -> Settled {
        self.gate.busy.fetch_add(1, Ordering::Relaxed);
        Settled(self)
    }

    /// A drain waits until what this gives is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.gate.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.gate))
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        self.0.gate.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.connections.fetch_sub(1, Ordering::Relaxed);
        if let (Some(address), Some(addresses)) = (&self.address, &self.gate.addresses) {
            addresses.lock().unwrap_or_else(PoisonError::into_inner).leave(**address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_in_all_and_by_address_and_given_back() {
        let gate = Arc::new(Gate::new(3, Some(2), None));
        let enter = |address: IpAddr| gate.enter_at(0).and_then(|seat| seat.of(address));
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = enter(a).unwrap();
        let _second = enter(a).unwrap();
        assert_eq!(enter(a).unwrap_err(), Refusal::TooManyPerAddress);
        let _third = enter(b).unwrap();
        assert_eq!(enter(b).unwrap_err(), Refusal::TooManyConnections);
        drop(first);
        enter(a).unwrap();
    }

    #[test]
    fn a_seat_counts_before_it_is_known_whose_it_is() {
        let gate = Arc::new(Gate::new(1, Some(1), None));
        let seat = gate.enter_at(0).unwrap();
        assert_eq!(gate.enter_at(0).unwrap_err(), Refusal::TooManyConnections);
        drop(seat);
        gate.enter_at(0).unwrap().of([10, 0, 0, 1].into()).unwrap();
        assert_eq!(gate.connections.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn connections_come_no_faster_than_the_rate() {
        let gate = Arc::new(Gate::new(100, None, Some(Rate::per_second(2))));
        let seats: Vec<_> = (0..2).map(|_| gate.enter_at(0).unwrap()).collect();
        assert_eq!(gate.enter_at(0).unwrap_err(), Refusal::ConnectRate);
        assert!(gate.enter_at(600).is_ok());
        drop(seats);
    }
}
