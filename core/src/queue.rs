//! Bounded queues between the stages' threads, made for few wake-ups.
//!
//! Waking a thread costs more than a stage's work on a batch, so a side that
//! has to wait is woken when there is work for a while: a blocked sender when
//! the queue is half empty, a waiting receiver when it is half full. What
//! cannot wait is sent with [`Sender::send`], which wakes the receiver at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// How long what was sent without haste may lie before a waiting receiver looks.
const HASTE_NONE: Duration = Duration::from_millis(5);

/// Makes a queue with room for so many items, at least one.
pub fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    bounded_by(room, |_| 1)
}

/// Makes a queue with room for items of so much weight together; it takes another as long as it
/// has any room, so that none is too heavy.
pub fn bounded_by<T>(room: usize, weigh: fn(&T) -> usize) -> (Sender<T>, Receiver<T>) {
    let state = State {
        items: VecDeque::new(),
        weight: 0,
        senders: 1,
        received: true,
        receiver: Waiting::No,
        senders_wait: 0,
        unhurried: false,
    };
    let shared = Arc::new(Shared {
        room: room.max(1),
        weigh,
        state: Mutex::new(state),
        filled: Condvar::new(),
        emptied: Condvar::new(),
    });
    (Sender { shared: shared.clone() }, Receiver { shared })
}

struct Shared<T> {
    room: usize,
    weigh: fn(&T) -> usize,
    state: Mutex<State<T>>,
    filled: Condvar,
    emptied: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    // Of all items together.
    weight: usize,
    senders: usize,
    // Whether the receiver is still there.
    received: bool,
    receiver: Waiting,
    senders_wait: usize,
    // The last item was sent without haste, so that more of that kind is likely.
    unhurried: bool,
}

/// Whether the receiver waits, and for what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    No,
    /// It looks again by itself soon.
    Briefly,
    /// It has to be woken.
    Asleep,
}

/// Why an item was not sent; it is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// There was no room in time.
    Full(T),
    /// The receiver has gone.
    Gone(T),
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// Nothing was sent in time.
    Late,
    /// The queue is empty and all senders have gone.
    Gone,
}

/// The sending end. Items of one sender stay in order.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Waits for room, and has the receiver look at once.
    pub fn send(&self, item: T) -> Result<(), Refused<T>> {
        self.put(item, None, true)
    }

    /// Waits for room; the receiver may look a few milliseconds later.
    pub fn send_unhurried(&self, item: T) -> Result<(), Refused<T>> {
        self.put(item, None, false)
    }

    /// Waits for room, but no longer than `patience`.
    pub fn send_within(&self, item: T, patience: Duration) -> Result<(), Refused<T>> {
        self.put(item, Some(patience), true)
    }

    /// Whether everything that was sent has been done: nothing waits here, and the receiver is back
    /// for more. So it stays until the next is sent, if this is the only sender.
    pub fn is_done(&self) -> bool {
        let mut state = self.shared.state.lock();
        let done = state.items.is_empty() && state.receiver != Waiting::No;
        // It need not look again by itself.
        state.unhurried &= !done;
        done
    }

    fn put(&self, item: T, patience: Option<Duration>, haste: bool) -> Result<(), Refused<T>> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        let deadline = patience.map(|p| Instant::now() + p);
        while state.received && state.weight >= shared.room {
            state.senders_wait += 1;
            let late = wait(&shared.emptied, &mut state, deadline);
            state.senders_wait -= 1;
            if late && state.weight >= shared.room {
                return Err(Refused::Full(item));
            }
        }
        if !state.received {
            return Err(Refused::Gone(item));
        }
        state.weight = state.weight.saturating_add((shared.weigh)(&item));
        state.items.push_back(item);
        state.unhurried = !haste;
        let wake = match state.receiver {
            Waiting::No => false,
            Waiting::Briefly => haste || state.weight >= shared.room.div_ceil(2),
            Waiting::Asleep => true,
        };
        if wake {
            state.receiver = Waiting::No;
            shared.filled.notify_one();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().senders += 1;
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.state.lock().senders -= 1;
        self.shared.filled.notify_one();
    }
}

/// The receiving end.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// Waits for an item; `None` once all senders have gone and the queue is empty.
    pub fn recv(&self) -> Option<T> {
        self.take(None).ok()
    }

    /// How many items wait.
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().items.len()
    }

    /// Waits for an item until `deadline`.
    pub fn recv_until(&self, deadline: Instant) -> Result<T, Nothing> {
        self.take(Some(deadline))
    }

    fn take(&self, deadline: Option<Instant>) -> Result<T, Nothing> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                state.weight = state.weight.saturating_sub((shared.weigh)(&item));
                if state.senders_wait > 0 && state.weight <= shared.room / 2 {
                    shared.emptied.notify_all();
                }
                return Ok(item);
            }
            if state.senders == 0 {
                return Err(Nothing::Gone);
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                return Err(Nothing::Late);
            }
            let look = state.unhurried.then(|| Instant::now() + HASTE_NONE);
            let until = [deadline, look].into_iter().flatten().min();
            state.receiver = if look.is_some() { Waiting::Briefly } else { Waiting::Asleep };
            if wait(&shared.filled, &mut state, until) && state.items.is_empty() {
                // What comes next is the first for a while.
                state.unhurried = false;
            }
            state.receiver = Waiting::No;
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.received = false;
        let left = std::mem::take(&mut state.items);
        drop(state);
        self.shared.emptied.notify_all();
        // Freed outside the lock: an item may hold the sender of another queue.
        drop(left);
    }
}

/// Waits for a sign, or until the deadline; whether that has passed.
fn wait<S>(sign: &Condvar, state: &mut MutexGuard<S>, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(deadline) => sign.wait_until(state, deadline).timed_out(),
        None => {
            sign.wait(state);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_arrive_in_order_and_then_the_end() {
        let (send, receive) = bounded(3);
        let sending = std::thread::spawn(move || {
            (0..1000)
                .try_for_each(|i| if i % 7 == 0 { send.send(i) } else { send.send_unhurried(i) })
        });
        let got: Vec<i32> = std::iter::from_fn(|| receive.recv()).collect();
        assert_eq!(got, (0..1000).collect::<Vec<_>>());
        assert_eq!(sending.join().expect("no panic"), Ok(()));
    }

    #[test]
    fn every_sender_is_heard() {
        let (send, receive) = bounded(2);
        let sending: Vec<_> = (0..4)
            .map(|_| {
                let send = send.clone();
                std::thread::spawn(move || (1..=100).try_for_each(|i| send.send_unhurried(i)))
            })
            .collect();
        drop(send);
        assert_eq!(std::iter::from_fn(|| receive.recv()).sum::<i32>(), 4 * 5050);
        sending.into_iter().for_each(|s| assert_eq!(s.join().expect("no panic"), Ok(())));
    }

    #[test]
    fn a_full_queue_gives_back_what_it_has_no_room_for() {
        let (send, receive) = bounded(1);
        assert_eq!(send.send(1), Ok(()));
        assert_eq!(send.send_within(2, Duration::ZERO), Err(Refused::Full(2)));
        assert_eq!(receive.recv(), Some(1));
        assert_eq!(send.send_within(3, Duration::ZERO), Ok(()));
    }

    #[test]
    fn heavy_items_wait_longer_and_one_alone_always_passes() {
        let (send, receive) = bounded_by(10, |item: &usize| *item);
        assert_eq!(send.send(100), Ok(()));
        assert_eq!(send.send_within(1, Duration::ZERO), Err(Refused::Full(1)));
        assert_eq!(receive.recv(), Some(100));
        for _ in 0..5 {
            assert_eq!(send.send_within(2, Duration::ZERO), Ok(()));
        }
        assert_eq!(send.send_within(2, Duration::ZERO), Err(Refused::Full(2)));
        assert_eq!(receive.recv(), Some(2));
        assert_eq!(send.send_within(9, Duration::ZERO), Ok(()));
        assert_eq!(send.send_within(1, Duration::ZERO), Err(Refused::Full(1)));
    }

    #[test]
    fn nobody_waits_for_one_who_has_gone() {
        let (send, receive) = bounded(1);
        assert_eq!(send.send(1), Ok(()));
        let blocked = std::thread::spawn({
            let send = send.clone();
            move || send.send(2)
        });
        drop(receive);
        assert_eq!(blocked.join().expect("no panic"), Err(Refused::Gone(2)));
        assert_eq!(send.send(3), Err(Refused::Gone(3)));
        let (send, receive) = bounded::<u8>(1);
        assert_eq!(receive.recv_until(Instant::now()), Err(Nothing::Late));
        drop(send);
        assert_eq!(receive.recv_until(Instant::now()), Err(Nothing::Gone));
    }

    #[test]
    fn what_was_sent_without_haste_is_seen_though_nothing_follows() {
        let (send, receive) = bounded(8);
        let receiving = std::thread::spawn(move || (receive.recv(), receive.recv()));
        assert_eq!(send.send_unhurried(1), Ok(()));
        assert_eq!(send.send_unhurried(2), Ok(()));
        assert_eq!(receiving.join().expect("no panic"), (Some(1), Some(2)));
    }
}
