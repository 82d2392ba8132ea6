//! A worker's queue as capture sees it. Orders never wait for room in it: those that find none
//! wait here, before whatever follows them, so that a worker whose disk hangs holds up nobody.

use std::collections::VecDeque;
use std::time::Duration;

use crate::queue::{Refused, Sender};
use crate::worker::{Shed, Work};

/// Capture's end of a worker's queue.
pub struct Outbox {
    queue: Sender<Work>,
    // Invariant: in order, and before anything that is sent later.
    orders: VecDeque<Work>,
}

impl Outbox {
    /// The end of this queue.
    pub fn new(queue: Sender<Work>) -> Self {
        Self { queue, orders: VecDeque::new() }
    }

    /// Whether the worker has done all that it was given, and waits for more.
    pub fn is_done(&self) -> bool {
        self.orders.is_empty() && self.queue.is_done()
    }

    /// Hands an order on, as soon as there is room for it. False where the worker is gone.
    pub fn order(&mut self, order: Work) -> bool {
        self.orders.push_back(order);
        !matches!(self.catch_up(), Err(Refused::Gone(())))
    }

    /// Hands on the orders that wait, as far as there is room.
    pub fn catch_up(&mut self) -> Result<(), Refused<()>> {
        while let Some(order) = self.orders.pop_front() {
            match self.queue.send_within(order, Duration::ZERO) {
                Ok(()) => {}
                Err(Refused::Full(order)) => {
                    self.orders.push_front(order);
                    return Err(Refused::Full(()));
                }
                Err(Refused::Gone(_)) => return Err(Refused::Gone(())),
            }
        }
        Ok(())
    }

    /// Hands work on if there is room for it within `patience`, behind the orders that wait. The
    /// worker is told of a batch that found none, before any that follows.
    pub fn offer(&mut self, work: Work, patience: Duration) -> Result<(), Refused<()>> {
        let sent = match self.catch_up() {
            Ok(()) => self.queue.send_within(work, patience),
            Err(Refused::Full(())) => Err(Refused::Full(work)),
            Err(Refused::Gone(())) => Err(Refused::Gone(work)),
        };
        sent.map_err(|refused| match refused {
            Refused::Full(work) => {
                self.note_shed(&work);
                Refused::Full(())
            }
            Refused::Gone(_) => Refused::Gone(()),
        })
    }

    fn note_shed(&mut self, work: &Work) {
        match (work, self.orders.back_mut()) {
            (Work::Batch(batch), Some(Work::Shed(shed))) => shed.add(batch),
            (Work::Batch(batch), _) => {
                self.orders.push_back(Work::Shed(Box::new(Shed::of(batch))));
            }
            _ => {}
        }
    }

    /// Hands work on behind the orders that wait, and waits for room; without haste where the
    /// worker may look a few milliseconds later. False where the worker is gone.
    pub fn send(&mut self, work: Work, haste: bool) -> bool {
        let sent = self.orders.drain(..).try_for_each(|order| self.queue.send(order));
        sent.is_ok()
            && match haste {
                true => self.queue.send(work).is_ok(),
                false => self.queue.send_unhurried(work).is_ok(),
            }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::packet::build::{Frame, batch_of};
    use crate::queue::bounded;

    /// What arrived, in short.
    fn short(work: &Work) -> String {
        match work {
            Work::Batch(_) => "batch".to_owned(),
            Work::Detach(name) => name.to_string(),
            Work::Flush(_) => "flush".to_owned(),
            Work::Shed(shed) => format!("shed {}", shed.of_slot(0)),
            _ => "other".to_owned(),
        }
    }

    fn detach(name: &str) -> Work {
        Work::Detach(name.into())
    }

    fn batch() -> Work {
        Work::Batch(Arc::default())
    }

    #[test]
    fn orders_wait_for_room_and_nothing_overtakes_them() {
        let (queue, work) = bounded(2);
        let mut outbox = Outbox::new(queue);
        let next = || work.recv().map(|work| short(&work)).expect("work");
        assert_eq!(outbox.offer(batch(), Duration::ZERO), Ok(()));
        assert!(outbox.order(detach("a")));
        // Full: this one is not waited for, and what comes later is refused.
        assert!(outbox.order(detach("b")));
        assert_eq!(outbox.offer(batch(), Duration::ZERO), Err(Refused::Full(())));
        assert_eq!([next(), next()], ["batch", "a"]);
        assert_eq!(outbox.catch_up(), Ok(()));
        assert_eq!([next(), next()], ["b", "shed 0"]);
        assert!(
            outbox.order(detach("c")) && outbox.order(detach("d")) && outbox.order(detach("e"))
        );
        let waiting = std::thread::spawn(move || outbox.send(batch(), true));
        assert_eq!([next(), next(), next(), next()], ["c", "d", "e", "batch"]);
        assert!(waiting.join().expect("no panic"));
    }

    #[test]
    fn what_finds_no_room_is_told_before_what_follows() {
        let (queue, work) = bounded(2);
        let mut outbox = Outbox::new(queue);
        let packets = || {
            let one = || Frame::udp("10.0.0.1:1", "10.0.0.2:2");
            Work::Batch(Arc::new(batch_of([one(), one()])))
        };
        let mut offer = || outbox.offer(packets(), Duration::ZERO).is_ok();
        let next = || work.recv().map(|work| short(&work)).expect("work");
        assert_eq!([offer(), offer(), offer(), offer()], [true, true, false, false]);
        assert_eq!(next(), "batch");
        // There is room to tell it, and none for what follows.
        assert!(!offer());
        assert_eq!([next(), next()], ["batch", "shed 4"]);
        assert!(offer());
        assert_eq!([next(), next()], ["shed 2", "batch"]);
    }

    #[test]
    fn who_is_gone_is_known() {
        let (queue, work) = bounded(1);
        let mut outbox = Outbox::new(queue);
        drop(work);
        assert!(!outbox.order(Work::Flush(Arc::default())) && !outbox.send(batch(), false));
        assert_eq!(outbox.offer(batch(), Duration::ZERO), Err(Refused::Gone(())));
    }
}
