//! Workers: threads that own tasks and run their modules over batches.
//!
//! A task belongs to one worker, whose lock nobody ever waits for: capture takes it only while the
//! thread waits for work. A module that panics, or keeps failing, is parked: it gets no more
//! packets, the others do.

mod emission;
mod failures;
mod guarded;
mod share;
mod shed;
mod taken;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::capture::clock::LEAP_MAX;
use crate::capture::guest::Ticket;
use crate::costs::{Category, Costs, Stopwatch};
use crate::module::{Export, Module};
use crate::queue::{Receiver, Sender};
use crate::record::{Output, Schema};
use crate::selection::Selection;
use crate::storage::Window;
use crate::supervisor::counters::{Loss, TaskCounters};
use crate::time::{Interval, Span, Ts};
pub use emission::{Emission, Event};
pub use failures::Failures;
pub(crate) use guarded::guarded;
pub use share::Share;
use share::{Had, Turn, WAIT_MIN};
pub use shed::Shed;
pub use taken::Taken;
pub use work::{WORK_ROOM, Work};

/// Empty intervals in a row that are exported as such; more are one gap.
const ZEROS_MAX: u64 = 3600;

/// One running module.
pub struct Task {
    /// The instance's name.
    pub name: Arc<str>,
    /// The module.
    pub module: Box<dyn Module>,
    /// Where the shared plan puts what its filter picks.
    pub slot: usize,
    /// How long its intervals are.
    pub interval: Span,
    /// What its records look like.
    pub schema: Arc<Schema>,
    /// What it counts into.
    pub counters: Arc<TaskCounters>,
    /// The open interval; none before the first packet.
    pub open: Option<Interval>,
    /// Joined while others ran: starts at the boundary after the first batch it sees.
    pub joins_late: bool,
    /// The time from which on nothing was heard until its next batch, if that is so.
    pub silent_since: Option<Ts>,
    /// Whether it has said where its first interval begins.
    pub opened: bool,
    /// What has failed in a row.
    pub failures: Failures,
    /// The sources whose packets it takes.
    pub taken: Taken,
    /// What it takes of its worker's time.
    pub share: Share,
}

/// What a worker thread needs beside its queue.
pub struct Worker {
    export: Sender<Emission>,
    // Where slots of dropped tasks go.
    retired: crossbeam_channel::Sender<usize>,
    costs: Arc<Costs>,
    // Whether nobody wants any more what it measures, so that it drops its work.
    abandoned: Arc<AtomicBool>,
    seats: Mutex<Vec<Seat>>,
    // What its tasks have used.
    busy_ns: AtomicU64,
}

/// A running task and the one that waits for its place.
struct Seat {
    task: Task,
    successor: Option<Box<Task>>,
}

impl Worker {
    /// One without tasks, whose records go to `export`, and that drops its work once it is
    /// `abandoned`.
    pub fn new(
        export: Sender<Emission>,
        retired: crossbeam_channel::Sender<usize>,
        costs: Arc<Costs>,
        abandoned: Arc<AtomicBool>,
    ) -> Self {
        let (seats, busy_ns) = Default::default();
        Self { export, retired, costs, abandoned, seats, busy_ns }
    }

    /// Does what comes until told to end, or until capture is gone.
    pub fn run(&self, work: &Receiver<Work>) {
        let mut watch = self.serve(work, false);
        let seats = std::mem::take(&mut *self.seats.lock());
        if !self.is_abandoned() {
            seats.into_iter().for_each(|seat| self.dismiss(seat));
        }
        watch.charge(&self.costs, Category::Callbacks);
    }

    /// Runs one task that comes with an open interval, until it is detached or capture is gone.
    pub fn run_guest(self, work: &Receiver<Work>, task: Task, ticket: &Ticket) {
        self.seats.lock().push(Seat { task, successor: None });
        self.serve(work, true);
        for seat in std::mem::take(&mut *self.seats.lock()) {
            match ticket.is_joined() {
                true => self.dismiss(seat),
                // What it lacks batches of, or what nobody wants, is no record.
                false => self.retire(seat.task.slot),
            }
        }
    }

    /// Gives up the slot of a guest that never came.
    pub fn miss_guest(&self, slot: usize) {
        self.retire(slot);
    }

    /// Has its tasks take a batch on the calling thread, whose time `watch` keeps. Only for who
    /// knows that the worker's own thread waits for work.
    pub fn take(&self, batch: &Batch, watch: &mut Stopwatch) {
        if !self.is_abandoned() {
            self.turn_all(&mut self.seats.lock(), batch, None, watch);
        }
    }

    /// How much time its tasks have used, in nanoseconds.
    pub fn busy_ns(&self) -> u64 {
        self.busy_ns.load(Relaxed)
    }

    /// Does what comes; `alone` where there is nothing to do without a task.
    fn serve(&self, work: &Receiver<Work>, alone: bool) -> Stopwatch {
        let (mut watch, mut had) = (Stopwatch::start(), Had::default());
        while let Some(next) = had.idle(|| work.recv()) {
            watch.charge(&self.costs, Category::Core);
            let turn = |tasks| Turn { tasks, now_ns: had.ns(), wait: work.waiting() >= WAIT_MIN };
            if !self.perform(&mut self.seats.lock(), next, alone, turn, &mut watch) {
                break;
            }
        }
        watch
    }

    /// Whether anything is to follow.
    fn perform(
        &self,
        seats: &mut Vec<Seat>,
        work: Work,
        alone: bool,
        turn: impl FnOnce(usize) -> Turn,
        watch: &mut Stopwatch,
    ) -> bool {
        match work {
            Work::End => return false,
            _ if self.is_abandoned() => {}
            Work::Batch(batch) => {
                let shared = batch.is_live && seats.len() > 1;
                let turn = shared.then(|| turn(seats.len()));
                self.turn_all(seats, &batch, turn, watch);
            }
            Work::Shed(shed) => seats.iter_mut().for_each(|seat| seat.task.lack(&shed)),
            Work::Attach(task) => self.seat(seats, task),
            Work::Detach(name) => {
                for seat in seats.extract_if(.., |s| s.task.name == name) {
                    self.dismiss(seat);
                }
                return !alone || !seats.is_empty();
            }
            Work::Mark(name, told) => {
                if let Some(seat) = seats.iter_mut().find(|s| s.task.name == name) {
                    seat.task.mark(told);
                }
            }
            Work::Flush(held) => {
                seats.iter_mut().for_each(|seat| self.flush(seat));
                let emission = Emission { instance: Arc::default(), event: Event::Flushed(held) };
                // Where export has gone, nobody takes anything.
                let _ = self.export.send(emission);
            }
        }
        true
    }

    /// Has each task take a batch, which they share a `turn` over where it is of a live stream.
    fn turn_all(
        &self,
        seats: &mut [Seat],
        batch: &Batch,
        turn: Option<Turn>,
        watch: &mut Stopwatch,
    ) {
        if let [alone] = seats {
            alone.task.share.forgive();
        }
        for seat in seats {
            if !seat.task.share.turn(turn) {
                seat.task.shed(batch);
                continue;
            }
            self.turn(seat, batch);
            let spent_ns = watch.charge_busy(&self.costs, Category::Callbacks);
            seat.task.counters.note_busy(spent_ns);
            seat.task.share.spend(spent_ns);
            self.busy_ns.fetch_add(spent_ns, Relaxed);
        }
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    fn seat(&self, seats: &mut Vec<Seat>, task: Box<Task>) {
        match seats.iter_mut().find(|s| s.task.name == task.name) {
            Some(seat) if seat.task.open.is_some() => {
                if let Some(unused) = seat.successor.replace(task) {
                    self.retire(unused.slot);
                }
            }
            Some(seat) => self.succeed(seat, *task),
            None => {
                task.begin(&self.export);
                seats.push(Seat { task: *task, successor: None });
            }
        }
    }

    /// Puts a task into the seat of one that has flushed.
    fn succeed(&self, seat: &mut Seat, task: Task) {
        task.begin(&self.export);
        let old = std::mem::replace(&mut seat.task, task);
        self.retire(old.slot);
    }

    /// Closes what the batch's clock has passed, then lets the task have its packets.
    fn turn(&self, seat: &mut Seat, batch: &Batch) {
        let ended = seat.task.open.map(Interval::end).filter(|end| batch.clock >= *end);
        if let Some(end) = ended
            && seat.successor.is_some()
        {
            // The successor begins where its predecessor ends.
            let is_silent = seat.task.silent_since.is_some();
            self.flush(seat);
            let next = Interval::holding(batch.clock, seat.task.interval);
            seat.task.follow(Window { from: end, to: next.start() }, is_silent, &self.export);
        }
        seat.task.take(batch, &self.export);
    }

    /// Closes what is open for good, and lets the one that waits have the place.
    fn flush(&self, seat: &mut Seat) {
        seat.task.close(&self.export, true);
        if let Some(mut task) = seat.successor.take() {
            task.joins_late = false;
            self.succeed(seat, *task);
        }
    }

    fn dismiss(&self, Seat { mut task, successor }: Seat) {
        task.close(&self.export, true);
        self.retire(task.slot);
        if let Some(unused) = successor {
            self.retire(unused.slot);
        }
    }

    fn retire(&self, slot: usize) {
        // Capture may have ended before us; then no plan is left to mend.
        let _ = self.retired.send(slot);
    }
}

impl Task {
    /// Closes what the batch's clock has passed, and takes its packets.
    pub(crate) fn take(&mut self, batch: &Batch, export: &Sender<Emission>) {
        self.begin_turn();
        self.say_opened(export);
        if let Some(from) = self.silent_since.take() {
            self.miss(Window { from, to: batch.clock }, export);
        }
        if let Some(unheard) = batch.unheard {
            self.miss(unheard, export);
        }
        let is_open = self.reach(batch.clock, export);
        self.say_opened(export);
        self.taken.note(&batch.offers);
        if is_open && !batch.is_empty() {
            self.update(batch);
        }
    }

    /// Says once where the first interval begins.
    fn say_opened(&mut self, export: &Sender<Emission>) {
        if let Some(open) = self.open.filter(|_| !self.opened) {
            self.opened = true;
            self.tell(export, Event::Opened(open.start()));
        }
    }

    /// Makes sure that the open interval holds `clock`; whether it does.
    fn reach(&mut self, clock: Ts, export: &Sender<Emission>) -> bool {
        let next = Interval::holding(clock, self.interval);
        let Some(open) = self.open else {
            if self.joins_late {
                self.joins_late = false;
                self.open = Some(next.next());
                return false;
            }
            self.open = Some(next);
            return true;
        };
        if clock < open.start() {
            return false;
        }
        if clock < open.end() {
            return true;
        }
        self.close(export, false);
        self.pass(open.end(), next.start(), export);
        self.open = Some(next);
        true
    }

    /// Accounts for a time in which nothing was heard: whole intervals of it are one gap.
    fn miss(&mut self, unheard: Window, export: &Sender<Emission>) {
        let to = Interval::holding(unheard.to, self.interval).start();
        let last = Ts(unheard.from.0.saturating_sub(1));
        let Some(mut open) = self.open.filter(|open| open.end() <= to) else { return };
        let is_begun = last >= open.start();
        if is_begun {
            // Until then there were packets, or none.
            self.reach(last, export);
            match self.open {
                Some(reached) if reached.end() <= to => open = reached,
                _ => return,
            }
            self.close(export, false);
        }
        let from = if is_begun { open.end() } else { open.start() };
        if from < to {
            self.emit(export, Output::Gap { from, to }, Arc::default());
        }
        self.open = Some(Interval::holding(to, self.interval));
    }

    /// Accounts for the time between two intervals with packets: zeros, or one gap.
    fn pass(&mut self, from: Ts, to: Ts, export: &Sender<Emission>) {
        if is_gap(from, to, self.interval) {
            self.emit(export, Output::Gap { from, to }, Arc::default());
            return;
        }
        let mut empty = Interval::holding(from, self.interval);
        if empty.start() < from {
            // A predecessor of another length ended in the middle of it.
            empty = empty.next();
        }
        while empty.start() < to {
            if self.share.is_over() {
                self.counters.note_shed(&self.name, 0, Loss::Share);
                self.emit(export, Output::Gap { from: empty.start(), to }, Arc::default());
                return;
            }
            self.open = Some(empty);
            if !self.close(export, false) {
                return;
            }
            empty = empty.next();
        }
    }

    fn update(&mut self, batch: &Batch) {
        if self.is_parked() {
            return;
        }
        let all;
        let picked = match batch.pick(self.slot) {
            Some(picked) => picked,
            None => {
                all = Selection::all(batch.len());
                &all
            }
        };
        let suiting = self.taken.among(batch, picked);
        let picked = suiting.as_ref().unwrap_or(picked);
        let module = &mut self.module;
        let counted = guarded(|| {
            if !module.checks() {
                module.update(batch, picked);
                return picked.count();
            }
            let mut kept = picked.clone();
            module.check(batch, &mut kept);
            module.update(batch, &kept);
            kept.count()
        });
        let counted = self.judge(true, counted).unwrap_or(0);
        self.counters.note_update(batch.len() as u64, counted as u64);
        self.note_state();
    }

    /// Exports the open interval, if there is one. `last` when nothing will follow. False where
    /// nobody takes records any more.
    fn close(&mut self, export: &Sender<Emission>, last: bool) -> bool {
        let Some(open) = self.open.take() else { return true };
        let covered = self.taken.close();
        if self.is_parked() {
            return true;
        }
        let mut out = Export::new(open, self.schema.clone());
        if last {
            out = out.closing();
            self.begin_turn();
        }
        let module = &mut self.module;
        let written = guarded(|| {
            if last {
                module.settle();
            }
            module.export(open, &mut out);
        });
        let is_whole = self.judge(false, written).is_some();
        self.note_state();
        self.pass_on(export);
        // What it had written when it panicked is a part of nobody knows what.
        let written = if is_whole { out.into_records() } else { Vec::new() };
        self.counters.note_interval(open, written.iter().map(|r| r.rows() as u64).sum());
        for records in written {
            self.schema = records.schema.clone();
            self.emit(export, Output::Records(records), covered.clone());
        }
        self.tell(export, Event::Closed(open.end()))
    }

    pub(crate) fn begin(&self, export: &Sender<Emission>) {
        self.tell(export, Event::Begin(self.counters.clone(), self.schema.clone()));
    }

    fn emit(&self, export: &Sender<Emission>, output: Output, covered: Arc<[u16]>) {
        self.tell(export, Event::Output(output, covered));
    }

    /// Whether it is heard, if only some milliseconds later: the export thread outlives the
    /// workers unless it failed, and then said so.
    fn tell(&self, export: &Sender<Emission>, event: Event) -> bool {
        export.send_unhurried(Emission { instance: self.name.clone(), event }).is_ok()
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.failures.are_too_many()
    }
}

/// Whether a span without packets is one gap, rather than zeros of every interval of this length.
pub(crate) fn is_gap(from: Ts, to: Ts, interval: Span) -> bool {
    let silent = to - from;
    silent > LEAP_MAX || silent.0 / interval.0.max(1) > ZEROS_MAX
}

#[cfg(test)]
mod tests;
