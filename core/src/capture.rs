//! The capture stage: one thread that merges sources, cuts batches, decodes
//! each once for all tasks, evaluates all filters, and hands batches to workers.
//!
//! It never waits for disk or users. Workers' queues are bounded: when one is
//! full a monitor of files waits, a live one sheds for that worker alone.

pub mod assemble;
pub mod clock;
pub mod feed;
pub mod merge;
pub mod offers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::batch::Batch;
use crate::costs::{Category, Costs, Stopwatch};
use crate::field::Demand;
use crate::filter::{Expr, Plan};
use crate::intern::Interner;
use crate::lookup::Lookups;
use crate::queue::{Refused, Sender};
use crate::supervisor::counters::Counters;
use crate::time::{Interval, SECOND, Span, Ts};
use crate::worker::{Task, Work};
use assemble::Assembler;
use feed::Feed;
use merge::{Merge, Next, Run};

/// How long a wire may be silent, beyond its delay, before intervals close without it.
const GRACE: Span = Span(SECOND);

/// What the supervisor asks of the capture stage.
pub enum Control {
    /// Start this task, in place of the one of the same name if there is one.
    Attach(Box<Joining>),
    /// Flush and drop the task of this name.
    Detach(Arc<str>),
    /// Read one more source.
    Source(Box<Feed>),
    /// Look addresses up in these tables from now on.
    Lookups(Arc<Lookups>),
    /// Flush everything and end.
    Stop,
}

/// A task about to join.
pub struct Joining {
    /// The task.
    pub task: Task,
    /// Which packets it is for.
    pub filter: Expr,
    /// The columns it reads beyond its filter's.
    pub demand: Demand,
}

/// What capture remembers of a task that a worker runs.
struct Placed {
    name: Arc<str>,
    slot: usize,
    worker: usize,
    interval: Span,
    demand: Demand,
}

/// The capture thread.
pub struct Capture {
    /// The sources.
    pub merge: Merge,
    /// What the supervisor asks.
    pub control: Receiver<Control>,
    /// Slots of tasks that have gone, told by workers.
    pub retired: Receiver<usize>,
    /// The workers' queues.
    pub workers: Vec<Sender<Work>>,
    /// What everybody counts into.
    pub counters: Arc<Counters>,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// Whether to go on when no task is left or no source has anything.
    pub stay: bool,
}

/// What changes from one turn to the next.
struct State {
    plan: Plan,
    interner: Interner,
    placed: Vec<Placed>,
    demand: Demand,
    bpf: Option<String>,
    // Of the last batch.
    clock: Ts,
    // When the last packets came, and what the stream's clock said then.
    heard: Option<(Instant, Ts)>,
    watch: Stopwatch,
    costs: Arc<Costs>,
}

impl State {
    /// Whether a batch of this clock begins a new interval for every task.
    fn all_begin(&self, clock: Ts) -> bool {
        let begins = |p: &Placed| clock >= Interval::holding(self.clock, p.interval).end();
        self.placed.iter().all(begins)
    }
}

impl Capture {
    /// Runs until the sources have ended or the supervisor says stop.
    pub fn run(mut self) {
        let mut state = State {
            plan: Plan::default(),
            interner: Interner::default(),
            placed: Vec::new(),
            demand: Demand::NONE,
            bpf: None,
            clock: Ts(0),
            heard: None,
            watch: Stopwatch::start(),
            costs: self.counters.costs().clone(),
        };
        let mut assembler = Assembler::default();
        // How many batches there were when all sources had ended and everything was flushed.
        let mut flushed = 0;
        loop {
            match self.obey(&mut state, &mut assembler) {
                Obeyed::Stop => {
                    self.close(&mut state, &mut assembler);
                    break;
                }
                Obeyed::Nothing => {}
            }
            match self.merge.advance() {
                Next::Run(run) => self.assemble(&run, &mut state, &mut assembler),
                Next::Held => self.cut(&mut state, &mut assembler),
                Next::Quiet => self.rest(&mut state, &mut assembler),
                Next::End if self.stay => self.idle(&mut state, &mut assembler, &mut flushed),
                Next::End => break,
            }
            for error in self.merge.take_errors() {
                tracing::error!("{}", crate::source::with_causes(&error));
            }
        }
        self.finish(&mut state, &mut assembler);
        state.watch.charge(&state.costs, Category::Core);
        for worker in &self.workers {
            // A worker that is gone has nothing left to flush.
            let _ = worker.send(Work::End);
        }
    }

    /// Hands out a run of packets, as far as it fills batches.
    fn assemble(&mut self, run: &Run, state: &mut State, assembler: &mut Assembler) {
        let live = self.merge.is_live();
        assembler.begin(run, live);
        while let Some(batch) = assembler.fill(self.merge.chunk(run.source)) {
            self.send(state, batch, assembler);
        }
    }

    /// Hands out what is at hand of wires that go on: it has been taken from them.
    fn close(&mut self, state: &mut State, assembler: &mut Assembler) {
        self.merge.close();
        while let Next::Run(run) = self.merge.advance() {
            self.assemble(&run, state, assembler);
        }
    }

    /// Hands out what is left of the sources that have ended.
    fn finish(&mut self, state: &mut State, assembler: &mut Assembler) {
        for batch in assembler.finish() {
            self.send(state, batch, assembler);
        }
    }

    /// All sources have ended and the monitor stays: what they gave is flushed, once.
    fn idle(&mut self, state: &mut State, assembler: &mut Assembler, flushed: &mut u64) {
        self.finish(state, assembler);
        if assembler.seq() > *flushed {
            *flushed = assembler.seq();
            for worker in &self.workers {
                // A worker that is gone has nothing left to flush.
                let _ = worker.send(Work::Flush);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }

    /// Does what the supervisor asked since the last turn.
    fn obey(&mut self, state: &mut State, assembler: &mut Assembler) -> Obeyed {
        while let Ok(slot) = self.retired.try_recv() {
            state.plan.remove(slot);
            state.placed.retain(|p| p.slot != slot);
            self.replan(state, assembler);
        }
        while let Ok(control) = self.control.try_recv() {
            self.cut(state, assembler);
            match control {
                Control::Stop => return Obeyed::Stop,
                Control::Detach(name) => {
                    for placed in state.placed.iter().filter(|p| p.name == name) {
                        let _ = self.workers[placed.worker].send(Work::Detach(name.clone()));
                    }
                }
                Control::Attach(joining) => self.place(state, *joining),
                Control::Lookups(lookups) => self.lookups = lookups,
                Control::Source(feed) => {
                    feed.push_filter(state.bpf.as_deref());
                    self.merge.add(*feed);
                }
            }
            self.replan(state, assembler);
        }
        Obeyed::Nothing
    }

    /// Gives a task to the worker of its namesake, or to the one with the fewest tasks.
    fn place(&mut self, state: &mut State, joining: Joining) {
        let Joining { mut task, filter, demand } = joining;
        let load = |w: &usize| state.placed.iter().filter(|p| p.worker == *w).count();
        let namesake = state.placed.iter().find(|p| p.name == task.name).map(|p| p.worker);
        let worker = namesake.or_else(|| (0..self.workers.len()).min_by_key(load)).unwrap_or(0);
        let slot = state.plan.add(&filter);
        task.slot = slot;
        let (name, interval) = (task.name.clone(), task.interval);
        state.placed.push(Placed { name, slot, worker, interval, demand });
        // A worker only ends after capture has.
        let _ = self.workers[worker].send(Work::Attach(Box::new(task)));
    }

    /// Brings boundaries and demand up to date with the tasks.
    fn replan(&mut self, state: &mut State, assembler: &mut Assembler) {
        assembler.clock.set_lens(state.placed.iter().map(|p| p.interval));
        let demands = state.placed.iter().map(|p| p.demand);
        state.demand = demands.fold(state.plan.demand(), Demand::and);
        let bpf = state.plan.bpf();
        if bpf != state.bpf {
            self.merge.push_filter(bpf.as_deref());
            state.bpf = bpf;
        }
    }

    /// Prepares a batch for all tasks and hands it out.
    fn send(&mut self, state: &mut State, mut batch: Batch, assembler: &mut Assembler) {
        if state.all_begin(batch.clock) {
            state.interner.renew();
        }
        state.clock = batch.clock;
        if !batch.is_empty() {
            state.heard = assembler.clock.now().map(|clock| (Instant::now(), clock));
        }
        batch.set_lookups(&self.lookups);
        batch.offers = self.merge.offers().clone();
        batch.decode(state.demand);
        state.interner.fill(&mut batch, state.demand);
        state.watch.charge(&state.costs, Category::Core);
        state.plan.run(&mut batch);
        state.watch.charge(&state.costs, Category::Filter);
        self.counters.note_batch(&batch);
        let batch = Arc::new(batch);
        for (at, worker) in self.workers.iter().enumerate() {
            if !state.placed.iter().any(|p| p.worker == at) {
                continue;
            }
            let work = Work::Batch(batch.clone());
            if !self.merge.is_live() {
                let _ = worker.send_unhurried(work);
            } else if let Err(Refused::Full(_)) = worker.send_within(work, Duration::ZERO) {
                self.counters.note_shed(&batch);
            }
        }
        assembler.keep(batch);
        if assembler.is_empty() {
            self.merge.settle();
        }
    }

    /// Sends the batch that is being built.
    fn cut(&mut self, state: &mut State, assembler: &mut Assembler) {
        if let Some(batch) = assembler.cut() {
            self.send(state, batch, assembler);
        }
    }

    /// Nothing arrived for a while: what is at hand goes out, and on a wire time goes on.
    fn rest(&mut self, state: &mut State, assembler: &mut Assembler) {
        self.cut(state, assembler);
        // Of anything but a wire, silence may as well mean that packets are long in coming.
        if self.merge.is_live()
            && let Some((when, clock)) = state.heard
        {
            // Packet time goes on as fast as ours, wherever it stands.
            let silent = u64::try_from(when.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Some(batch) = assembler.tick(clock + Span(silent) - GRACE - self.merge.delay()) {
                self.send(state, batch, assembler);
            }
        }
    }
}

/// Whether the capture thread goes on.
enum Obeyed {
    Nothing,
    Stop,
}
