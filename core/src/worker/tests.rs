//! A task that takes too much of a live worker's time takes it from nobody.

use std::time::Duration;

use super::*;
use crate::capture::outbox::Outbox;
use crate::costs::thread_cpu_ns;
use crate::field::Fields;
use crate::packet::build::{Frame, batch_of};
use crate::queue::{bounded, bounded_by};
use crate::selection::BATCH_PACKETS_MAX;
use crate::source::{Origin, Region, region_from};

/// Spends so much CPU time on each batch, and on each interval.
struct Busy([u64; 2]);

impl Module for Busy {
    fn update(&mut self, _: &Batch, _: &Selection) {
        spend(self.0[0]);
    }

    fn export(&mut self, _: Interval, _: &mut Export) {
        spend(self.0[1]);
    }
}

fn spend(ms: u64) {
    let end = thread_cpu_ns() + ms * 1_000_000;
    while thread_cpu_ns() < end {}
}

/// Has a worker do what waits for it.
fn work_off(worker: &Worker, work: &Receiver<Work>) {
    let mut watch = Stopwatch::start();
    while work.waiting() > 0 {
        let next = work.recv().expect("work");
        worker.perform(&mut worker.seats.lock(), next, false, alone, &mut watch);
    }
}

/// Nobody is passed over.
fn alone(tasks: usize) -> Turn {
    Turn { tasks, now_ns: 0, wait: false }
}

#[test]
fn what_finds_no_room_in_the_queue_is_counted_and_its_intervals_are_a_gap() {
    let (queue, work) = bounded(3);
    let (export, emitted) = bounded(1 << 10);
    let (retired, _slots) = crossbeam_channel::unbounded();
    let worker = Worker::new(export, retired, Arc::default(), Arc::default());
    let mut outbox = Outbox::new(queue);
    assert!(outbox.order(task("a", [0, 0])) && outbox.order(task("b", [0, 0])));
    let mut offer = |time_ms: u64| {
        let clock = Ts(time_ms * 1_000_000);
        let mut batch = batch_of([Frame::udp("10.0.0.1:1", "10.0.0.2:2").ts(clock)]);
        (batch.clock, batch.is_live) = (clock, true);
        outbox.offer(Work::Batch(Arc::new(batch)), Duration::ZERO).is_ok()
    };
    assert_eq!([0, 10, 25, 40].map(&mut offer), [true, false, false, false]);
    work_off(&worker, &work);
    assert!(offer(55) && offer(60));
    work_off(&worker, &work);
    drop(worker);
    let (mut counters, mut gaps, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(Emission { instance, event }) = emitted.recv() {
        match event {
            Event::Begin(of, _) => counters.push(of),
            Event::Output(Output::Gap { from, to }, _) => gaps.push((instance, from.0, to.0)),
            Event::Closed(end) if &*instance == "a" => closed.push(end.0 / 1_000_000),
            _ => {}
        }
    }
    let status = counters.iter().map(|of| of.status("", Vec::new()));
    let counts: Vec<_> = status.map(|status| (status.packets_seen, status.shed)).collect();
    assert_eq!(counts, [(3, 3), (3, 3)]);
    let gap = |name: &str| (name.into(), 10_000_000, 50_000_000);
    assert_eq!(gaps, [gap("a"), gap("b")]);
    // What came of the interval from 50 counts.
    assert_eq!(closed, [10, 60]);
}

const INTERVAL: Span = Span(10_000_000);

fn task(name: &str, busy_ms: [u64; 2]) -> Work {
    let counters = TaskCounters::new("busy", String::new(), INTERVAL, Fields::NONE);
    Work::Attach(Box::new(Task {
        name: name.into(),
        module: Box::new(Busy(busy_ms)),
        slot: 0,
        interval: INTERVAL,
        schema: Arc::default(),
        counters: Arc::new(counters),
        open: None,
        joins_late: false,
        silent_since: None,
        opened: false,
        failures: Failures::default(),
        taken: Taken::new(Fields::NONE),
        share: Share::default(),
    }))
}

/// What a worker makes of a busy task and an idle one, of batches of one packet at these times in
/// milliseconds: for each task the packets it saw and those it did not get, its gaps, and the CPU
/// time in milliseconds.
fn run(busy_ms: [u64; 2], times_ms: &[u64], is_live: bool) -> [(u64, u64, usize, f64); 2] {
    let (queue, work) = bounded(times_ms.len() + 3);
    let (export, emitted) = bounded(1 << 16);
    let (retired, _slots) = crossbeam_channel::unbounded();
    let (costs, abandoned) = Default::default();
    let order = |work| assert!(queue.send(work).is_ok());
    order(task("busy", busy_ms));
    order(task("idle", [0, 0]));
    for time in times_ms {
        let clock = Ts(time * 1_000_000);
        let mut batch = batch_of([Frame::udp("10.0.0.1:1", "10.0.0.2:2").ts(clock)]);
        (batch.clock, batch.is_live) = (clock, is_live);
        order(Work::Batch(Arc::new(batch)));
    }
    order(Work::End);
    Worker::new(export, retired, costs, abandoned).run(&work);
    let (mut begun, mut gaps) = (Vec::new(), [0; 2]);
    while let Some(emission) = emitted.recv() {
        match emission.event {
            Event::Begin(counters, _) => begun.push(counters),
            Event::Output(Output::Gap { .. }, _) => {
                gaps[usize::from(&*emission.instance == "idle")] += 1
            }
            _ => {}
        }
    }
    [0, 1].map(|at| {
        let status = begun[at].status("", Vec::new());
        (status.packets_seen, status.shed, gaps[at], status.busy_seconds)
    })
}

#[test]
fn who_takes_more_than_its_share_while_others_wait_is_passed_over() {
    let times: Vec<u64> = (0..64).map(|at| at * 10).collect();
    let [busy, idle] = run([20, 0], &times, true);
    assert_eq!((idle.0, idle.1, idle.2), (64, 0, 0));
    assert!(busy.0 + busy.1 == 64 && busy.1 > 10 && busy.2 > 0, "{busy:?}");
    assert!(busy.3 < 1.0, "{busy:?}");
    // Files wait for whoever is slow.
    let [busy, idle] = run([5, 0], &times, false);
    assert_eq!([(busy.0, busy.1, busy.2), (idle.0, idle.1, idle.2)], [(64, 0, 0); 2]);
}

#[test]
fn empty_intervals_of_one_task_are_closed_for_a_while_and_the_rest_is_a_gap() {
    let [busy, idle] = run([0, 20], &[0, 10_000], true);
    assert!(busy.2 == 1 && busy.3 < 1.0, "{busy:?}");
    assert_eq!((idle.0, idle.2), (2, 0));
}

#[test]
fn a_worker_may_be_four_full_batches_behind_or_128_of_a_quiet_wire() {
    let room = |packets, is_live| {
        let frames = (0..packets).map(|_| Frame::udp("10.0.0.1:1", "10.0.0.2:2"));
        let mut batch = batch_of(frames);
        batch.is_live = is_live;
        WORK_ROOM / Work::Batch(Arc::new(batch)).room()
    };
    assert_eq!([room(0, true), room(32, true), room(BATCH_PACKETS_MAX, true)], [128, 128, 4]);
    assert_eq!([room(0, false), room(BATCH_PACKETS_MAX, false)], [4, 4]);
}

#[test]
fn what_waits_for_a_worker_holds_so_many_bytes_and_orders_take_no_room() {
    let waiting = |region_bytes: usize, places: u32| {
        let region: Region = Arc::new(vec![0u8; region_bytes]);
        let (queue, _work) = bounded_by(WORK_ROOM, Work::room);
        let mut outbox = Outbox::new(queue);
        assert!((0..1000).all(|_| outbox.order(task("a", [0, 0]))));
        let mut offered = || {
            let mut batch = batch_of([Frame::udp("10.0.0.1:1", "10.0.0.2:2")]);
            batch.push_region(region.clone());
            for place in 0..places {
                let origin = Origin { input: Some(place), ..Origin::default() };
                batch.push_region(region_from(origin, &region));
            }
            batch.count_held();
            batch.is_live = true;
            outbox.offer(Work::Batch(Arc::new(batch)), Duration::ZERO).is_ok()
        };
        (0..).take_while(|_| offered()).count()
    };
    assert_eq!([1 << 10, 256 << 10].map(|bytes| waiting(bytes, 0)), [128, 128]);
    // Flows of one buffer, that went through many interfaces.
    assert_eq!(waiting(160 << 10, 400), 128);
    // No more than 64 MiB, and one batch more, whatever that has.
    assert_eq!([16 << 20, 63 << 20, 100 << 20].map(|bytes| waiting(bytes, 0)), [4, 2, 1]);
}
