//! Hands: workers as capture sees them, and what it does of their work itself.
//!
//! Of files, where modules take little beside reading, capture has them take each batch before it
//! reads the next: the batch is still in its caches, and nobody is woken. A wire waits for nobody.

use std::sync::Arc;

use super::outbox::Outbox;
use crate::batch::Batch;
use crate::costs::Stopwatch;
use crate::worker::Worker;

/// Modules that take up to this share of the time that reading takes are light, as a fraction:
/// with another thread, all would be done sooner by so much at most.
const LIGHT: (u64, u64) = (2, 3);

/// A worker.
pub struct Hand {
    /// Its queue.
    pub queue: Outbox,
    worker: Arc<Worker>,
}

impl Hand {
    /// The worker at the other end of this queue.
    pub fn new(queue: Outbox, worker: Arc<Worker>) -> Self {
        Self { queue, worker }
    }

    /// Whether its thread has done all that it was given.
    pub fn is_done(&self) -> bool {
        self.queue.is_done()
    }
}

/// What capture and the workers have used since the tasks last changed, in nanoseconds.
#[derive(Default)]
pub struct Balance {
    // What they had used by then.
    own_before: u64,
    tasks_before: u64,
    // What capture has used for tasks.
    lent: u64,
}

impl Balance {
    /// Begins anew, with other tasks.
    pub fn begin(&mut self, workers: &[Hand], watch: &Stopwatch) {
        let (own_before, tasks_before) = (watch.used_ns(), busy_ns(workers));
        *self = Self { own_before, tasks_before, lent: 0 };
    }

    /// Whether the tasks are so light that another thread is hardly worth it.
    pub fn is_light(&self, workers: &[Hand], watch: &Stopwatch) -> bool {
        self.is_light_at(watch.used_ns(), busy_ns(workers))
    }

    fn is_light_at(&self, own: u64, tasks: u64) -> bool {
        let own = own.saturating_sub(self.own_before).saturating_sub(self.lent);
        let tasks = tasks.saturating_sub(self.tasks_before);
        tasks.saturating_mul(LIGHT.1) <= own.saturating_mul(LIGHT.0)
    }

    /// Has a worker that waits take a batch on this thread.
    pub fn do_here(&mut self, hand: &Hand, batch: &Batch, watch: &mut Stopwatch) {
        let before = watch.used_ns();
        hand.worker.take(batch, watch);
        self.lent += watch.used_ns() - before;
    }
}

fn busy_ns(workers: &[Hand]) -> u64 {
    workers.iter().fold(0, |sum, hand| sum.saturating_add(hand.worker.busy_ns()))
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use crossbeam_channel::{Receiver, Sender, unbounded};

    use super::*;
    use crate::module::{Export, Module};
    use crate::packet::build::{Frame, batch_of};
    use crate::queue;
    use crate::selection::Selection;
    use crate::supervisor::{task, tests::counting_with};
    use crate::time::Interval;
    use crate::worker::Work;

    #[test]
    fn tasks_are_light_as_long_as_they_take_two_thirds_of_what_reading_takes() {
        let mut balance = Balance { own_before: 1000, tasks_before: 50, lent: 0 };
        assert!(balance.is_light_at(1000, 50) && balance.is_light_at(1300, 250));
        assert!(!balance.is_light_at(1300, 251));
        // What was done for them is no reading.
        balance.lent = 200;
        assert!(!balance.is_light_at(1300, 250) && balance.is_light_at(1500, 250));
    }

    /// Tells where it is, and goes on when it is told to.
    struct Where(Sender<ThreadId>, Receiver<()>);

    impl Module for Where {
        fn update(&mut self, _: &Batch, _: &Selection) {
            self.0.send(thread::current().id()).expect("somebody to tell");
            self.1.recv_timeout(Duration::from_secs(10)).expect("a word");
        }

        fn export(&mut self, _: Interval, _: &mut Export) {}
    }

    #[test]
    fn only_who_waits_has_its_work_done_here() {
        let (tell, told) = unbounded();
        let (go, goes) = unbounded();
        let instance = counting_with(move || Box::new(Where(tell.clone(), goes.clone())));
        let (export, _emitted) = queue::bounded(100);
        let worker = Worker::new(export, unbounded().0, Arc::default(), Arc::default());
        let (queue, work) = queue::bounded(8);
        let mut hand = Hand::new(Outbox::new(queue), Arc::new(worker));
        let worker = hand.worker.clone();
        let running = thread::spawn(move || worker.run(&work));
        let batch = Arc::new(batch_of([Frame::udp("10.0.0.1:1", "10.0.0.2:2")]));

        let task = task(instance).expect("a task");
        assert!(hand.queue.order(Work::Attach(Box::new(task))));
        assert!(hand.queue.send(Work::Batch(batch.clone()), true));
        assert_eq!(told.recv(), Ok(running.thread().id()));
        assert!(!hand.is_done());
        go.send(()).expect("a module that waits");
        while !hand.is_done() {
            thread::yield_now();
        }
        go.send(()).expect("a module that will wait");
        Balance::default().do_here(&hand, &batch, &mut Stopwatch::start());
        assert_eq!(told.recv(), Ok(thread::current().id()));
        assert!(hand.is_done() && hand.queue.send(Work::End, true));
        running.join().expect("no panic");
    }
}
