//! Guests: tasks that come late, each with a worker of its own.
//!
//! A task that runs over kept packets first is told at which batch it joins.
//! From there on batches wait for it, so many and no more: one for which they
//! do not wait long enough is to go round once more, and nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::outbox::Outbox;
use crate::batch::Batch;
use crate::costs::let_others_first;
use crate::field::Demand;
use crate::filter::Expr;
use crate::queue::{self, Refused};
use crate::storage::packets::Spot;
use crate::time::Span;
use crate::worker::{Emission, Task, Work, Worker};

/// Batches that wait for a guest.
pub const QUEUE: usize = 64;

/// How long files wait for a guest that is run for a question.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a guest asks of the capture stage.
pub struct Guest {
    /// The instance; none where no order is to reach it by name.
    pub name: Option<Arc<str>>,
    /// The instance that keeps the packets it has run over.
    pub keeper: Arc<str>,
    /// Which packets it is for.
    pub filter: Expr,
    /// The columns it reads.
    pub demand: Demand,
    /// How long its intervals are.
    pub interval: Span,
    /// How far it is.
    pub ticket: Arc<Ticket>,
    /// Where its records go; none where to those of all others.
    pub export: Option<queue::Sender<Emission>>,
    /// Who is told its slot in the plan.
    pub seated: Sender<usize>,
    /// Who is told where the packets of the first batch that waits for it are kept.
    pub mark: Sender<Spot>,
    /// The task, as soon as it has seen all packets before those.
    pub task: Receiver<Box<Task>>,
}

/// How far a guest is: shared by all who wait for it.
#[derive(Debug)]
pub struct Ticket {
    state: AtomicU8,
    // Whether it goes on where batches are missing, as every worker does.
    sheds: bool,
}

/// Batches wait for it.
const WAITED_FOR: u8 = 0;
/// Too many waited: those that follow do not.
const BEHIND: u8 = 1;
/// It takes batches as they come.
const JOINED: u8 = 2;
/// Nobody wants it any more.
const VOID: u8 = 3;

impl Ticket {
    /// One for a task that goes on where batches are missing, once it has joined, or that does not.
    pub fn new(sheds: bool) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(WAITED_FOR), sheds })
    }

    /// Whether it is run for a question, and not as a part of the monitor.
    pub fn is_for_question(&self) -> bool {
        !self.sheds
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::SeqCst) == state
    }

    /// Has it join, unless it fell behind or nobody wants it.
    pub fn join(&self) -> bool {
        self.change(WAITED_FOR, JOINED)
    }

    /// Has one that fell behind before it joined be waited for again.
    pub fn go_round(&self) {
        self.change(BEHIND, WAITED_FOR);
    }

    /// Says that nobody wants it; whether that is in time, before it joined.
    pub fn void(&self) -> bool {
        let early = self.change(WAITED_FOR, VOID) || self.change(BEHIND, VOID);
        if !early && !self.sheds {
            self.state.store(VOID, Ordering::SeqCst);
        }
        early
    }

    /// Whether nobody wants it any more.
    pub fn is_void(&self) -> bool {
        self.is(VOID)
    }

    /// Whether batches came faster than it took them.
    pub fn is_behind(&self) -> bool {
        self.is(BEHIND)
    }

    /// Whether what it has open is a whole interval in the end.
    pub fn is_joined(&self) -> bool {
        self.is(JOINED)
    }

    /// Notes that a batch found no place; whether it goes on without.
    fn lacks_batch(&self) -> bool {
        if self.change(WAITED_FOR, BEHIND) || self.is_void() {
            return false;
        }
        self.sheds || !self.change(JOINED, BEHIND)
    }
}

/// Starts the thread on which a guest is served, as soon as its task is there.
pub fn host(
    worker: Worker,
    work: queue::Receiver<Work>,
    slot: usize,
    (ticket, task): (Arc<Ticket>, Receiver<Box<Task>>),
) -> std::io::Result<()> {
    let run = move || {
        if ticket.is_for_question() {
            let_others_first();
        }
        match task.recv() {
            Ok(task) => worker.run_guest(&work, *task, &ticket),
            Err(_) => worker.miss_guest(slot),
        }
    };
    std::thread::Builder::new().name("guest".to_owned()).spawn(run).map(drop)
}

/// Where batches wait for a guest.
pub struct Berth {
    queue: Outbox,
    ticket: Arc<Ticket>,
}

impl Berth {
    /// A place for the guest with this ticket, and the end at which it is served.
    pub fn new(ticket: Arc<Ticket>) -> (Self, queue::Receiver<Work>) {
        let (queue, work) = queue::bounded(QUEUE);
        (Self { queue: Outbox::new(queue), ticket }, work)
    }

    /// Whether it is this guest's.
    pub fn is_of(&self, ticket: &Arc<Ticket>) -> bool {
        Arc::ptr_eq(&self.ticket, ticket)
    }

    /// Hands an order on; one that is gone needs none. False where nothing is to follow: who runs
    /// for a question that is read slowly is not waited for.
    pub fn order(&mut self, work: Work) -> bool {
        if !self.ticket.is_for_question() {
            return self.queue.order(work);
        }
        match self.queue.offer(work, Duration::ZERO) {
            Ok(()) => true,
            Err(Refused::Gone(())) => false,
            Err(Refused::Full(())) => self.ticket.lacks_batch(),
        }
    }

    /// Has it flush, as [`Berth::order`]; one that is a part of the monitor is `busy` until that is
    /// exported.
    pub fn flush(&mut self, busy: &Arc<()>) -> bool {
        let held = if self.ticket.is_for_question() { Arc::default() } else { busy.clone() };
        self.order(Work::Flush(held))
    }

    /// Hands on the orders that wait, as far as there is room. False where nothing is to follow.
    pub fn catch_up(&mut self) -> bool {
        !matches!(self.queue.catch_up(), Err(Refused::Gone(())))
    }

    /// Has it end behind all that it was given; one that is a part of the monitor is waited for.
    pub fn end(&mut self) {
        match self.ticket.is_for_question() {
            true => drop(self.queue.offer(Work::End, Duration::ZERO)),
            false => drop(self.queue.send(Work::End, true)),
        }
    }

    /// Hands an order on if there is room for it.
    pub fn ask(&mut self, work: Work) {
        let _ = self.queue.offer(work, Duration::ZERO);
    }

    /// Hands a batch on, which on a wire waits for nobody. False where nothing is to follow; the
    /// guest misses a batch that `shed` is called for.
    pub fn offer(&mut self, batch: &Arc<Batch>, live: bool, shed: impl FnOnce()) -> bool {
        let work = Work::Batch(batch.clone());
        let sent = match (live, self.ticket.sheds) {
            (true, _) => self.queue.offer(work, Duration::ZERO),
            (false, true) => return self.queue.send(work, false),
            (false, false) => self.queue.offer(work, PATIENCE),
        };
        match sent {
            Ok(()) => true,
            Err(Refused::Gone(())) => false,
            Err(Refused::Full(())) => {
                let goes_on = self.ticket.lacks_batch();
                if goes_on {
                    shed();
                }
                goes_on
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offers batches until one is refused, and tells how many were taken and how many shed.
    fn offered(berth: &mut Berth, most: usize) -> (usize, usize) {
        let (mut taken, mut shed) = (0, 0);
        for _ in 0..most {
            if !berth.offer(&Arc::default(), true, || shed += 1) {
                break;
            }
            taken += 1;
        }
        (taken, shed)
    }

    #[test]
    fn one_that_is_waited_for_too_long_goes_round_and_one_that_joined_sheds() {
        let ticket = Ticket::new(true);
        let (mut berth, _work) = Berth::new(ticket.clone());
        assert_eq!(offered(&mut berth, 1000), (QUEUE, 0));
        assert!(ticket.is_behind() && !ticket.join());
        ticket.go_round();
        let (mut berth, work) = Berth::new(ticket.clone());
        assert_eq!(offered(&mut berth, QUEUE), (QUEUE, 0));
        assert!(ticket.join());
        assert_eq!(offered(&mut berth, 5), (5, 5));
        assert!(!ticket.void() && ticket.is_joined());
        drop(work);
        assert_eq!(offered(&mut berth, 5), (0, 0));
    }

    #[test]
    fn one_that_runs_for_a_question_ends_where_batches_are_missing() {
        let ticket = Ticket::new(false);
        let (mut berth, _work) = Berth::new(ticket.clone());
        assert!(ticket.join());
        assert_eq!(offered(&mut berth, 1000), (QUEUE, 0));
        assert!(ticket.is_behind() && !ticket.is_joined());
        let ticket = Ticket::new(false);
        let (mut berth, _work) = Berth::new(ticket.clone());
        assert_eq!(offered(&mut berth, QUEUE), (QUEUE, 0));
        assert!(ticket.join() && !berth.flush(&Arc::default()) && ticket.is_behind());
        let ticket = Ticket::new(false);
        assert!(ticket.join() && !ticket.void() && ticket.is_void());
    }
}
