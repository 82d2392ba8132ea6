//! The capture stage: one thread that merges sources, cuts batches, decodes
//! each once for all tasks, evaluates all filters, and hands batches to workers.
//!
//! It never waits for disk or users. Workers' queues are bounded: when one is
//! full a monitor of files waits, a live one sheds for that worker alone, and
//! orders wait for their turn.

pub mod assemble;
pub mod clock;
pub mod feed;
pub mod guest;
pub mod hand;
pub mod merge;
pub mod offers;
pub mod outbox;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::batch::Batch;
use crate::costs::{Category, Costs, Stopwatch};
use crate::field::Demand;
use crate::filter::{Expr, Plan};
use crate::intern::Interner;
use crate::lookup::Lookups;
use crate::queue::{Refused, Sender};
use crate::storage::packets::Spot;
use crate::supervisor::catchup::{CatchUp, Scene};
use crate::supervisor::counters::Counters;
use crate::time::{Interval, SECOND, Span, Ts};
use crate::worker::{Emission, Task, Work, Worker};
use assemble::Assembler;
use feed::Feed;
use guest::{Berth, Guest, Ticket};
use hand::{Balance, Hand};
use merge::{Merge, Next, Run};

/// How long a wire may be silent, beyond its delay, before intervals close without it.
const GRACE: Span = Span(SECOND);

/// What the supervisor asks of the capture stage.
pub enum Control {
    /// Start this task, in place of the one of the same name if there is one.
    Attach(Box<Joining>),
    /// Flush and drop the task of this name.
    Detach(Arc<str>),
    /// Have the task of this name tell where it stands in the packets that it keeps.
    Mark(Arc<str>, crossbeam_channel::Sender<Spot>),
    /// Have a task run over kept packets, on a thread of its own.
    CatchUp(Box<CatchUp>),
    /// Keep batches for a task that has run over the packets before them.
    Join(Box<Guest>),
    /// Keep no more batches for the task of this ticket.
    Leave(Arc<Ticket>),
    /// Read more sources; none of them where there are to be none.
    Sources(Vec<Feed>),
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
    /// Whether its intervals may be measured apart from each other.
    pub apart: bool,
}

/// What capture remembers of a task that a worker runs.
struct Placed {
    // None where no order is to reach it by name.
    name: Option<Arc<str>>,
    slot: usize,
    lane: Lane,
    interval: Span,
    demand: Demand,
}

/// Who runs a task.
#[derive(Clone)]
enum Lane {
    Worker(usize),
    Guest(Arc<Ticket>),
}

impl Placed {
    fn is_named(&self, name: &Arc<str>) -> bool {
        self.name.as_ref() == Some(name)
    }

    fn is_with(&self, worker: usize) -> bool {
        matches!(self.lane, Lane::Worker(at) if at == worker)
    }
}

/// The capture thread.
pub struct Capture {
    /// The sources.
    pub merge: Merge,
    /// What the supervisor asks.
    pub control: Receiver<Control>,
    /// Slots of tasks that have gone, told by workers.
    pub retired: Receiver<usize>,
    /// Where workers tell them.
    pub retire: crossbeam_channel::Sender<usize>,
    /// Tasks that are to run over kept packets as soon as there is a source.
    pub late: Vec<CatchUp>,
    /// Where records go.
    pub export: Sender<Emission>,
    /// Whether it has ended, for tasks that still run over kept packets.
    pub ended: Arc<AtomicBool>,
    /// The workers.
    pub workers: Vec<Hand>,
    /// What everybody counts into.
    pub counters: Arc<Counters>,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// Whether to go on when no task is left or no source has anything.
    pub stay: bool,
    /// Whether its first sources are still to be added.
    pub awaits_sources: bool,
    /// Held by all who are to record something of what the sources gave: flushes until they are
    /// exported, and tasks that run over kept packets.
    pub busy: Arc<()>,
}

/// What changes from one turn to the next.
struct State {
    plan: Plan,
    interner: Interner,
    placed: Vec<Placed>,
    berths: Vec<Berth>,
    // How many batches there were when all sources had ended and everything was flushed.
    flushed: Option<u64>,
    demand: Demand,
    bpf: Option<String>,
    // Of the last batch.
    clock: Ts,
    // When the last packets came, and what the stream's clock said then.
    heard: Option<(Instant, Ts)>,
    watch: Stopwatch,
    costs: Arc<Costs>,
    balance: Balance,
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
            berths: Vec::new(),
            flushed: None,
            demand: Demand::NONE,
            bpf: None,
            clock: Ts(0),
            heard: None,
            watch: Stopwatch::start(),
            costs: self.counters.costs().clone(),
            balance: Balance::default(),
        };
        let mut assembler = Assembler::default();
        loop {
            match self.obey(&mut state, &mut assembler) {
                Obeyed::Stop => {
                    self.close(&mut state, &mut assembler);
                    break;
                }
                Obeyed::Nothing => {}
            }
            match self.merge.advance(&mut state.watch) {
                Next::Run(run) => self.assemble(&run, &mut state, &mut assembler),
                Next::Held | Next::Quiet if self.merge.is_whole() => {}
                Next::Held => self.cut(&mut state, &mut assembler),
                Next::Quiet => self.rest(&mut state, &mut assembler),
                Next::End if self.stay => self.idle(&mut state, &mut assembler),
                Next::End => break,
            }
            for error in self.merge.take_errors() {
                tracing::error!("{}", crate::source::with_causes(&error));
            }
        }
        self.finish(&mut state, &mut assembler);
        state.watch.charge(&state.costs, Category::Core);
        self.ended.store(true, Ordering::SeqCst);
        for worker in &mut self.workers {
            // A worker that is gone has nothing left to flush.
            worker.queue.send(Work::End, true);
        }
        state.berths.iter_mut().for_each(|berth| berth.end());
    }

    /// Hands out a run of packets, as far as it fills batches.
    fn assemble(&mut self, run: &Run, state: &mut State, assembler: &mut Assembler) {
        for between in self.merge.between(run.source) {
            for batch in assembler.go_on(between) {
                self.send(state, batch, assembler);
            }
        }
        assembler.begin(run, self.merge.trust(run.source));
        while let Some(batch) = assembler.fill(self.merge.chunk(run.source)) {
            self.send(state, batch, assembler);
        }
    }

    /// Hands out what is at hand of wires that go on: it has been taken from them.
    fn close(&mut self, state: &mut State, assembler: &mut Assembler) {
        self.merge.close();
        while let Next::Run(run) = self.merge.advance(&mut state.watch) {
            self.assemble(&run, state, assembler);
        }
    }

    /// Hands out what is left of the sources that have ended.
    fn finish(&mut self, state: &mut State, assembler: &mut Assembler) {
        for batch in assembler.finish() {
            self.send(state, batch, assembler);
        }
    }

    /// All sources have ended and the monitor stays: what they gave is flushed, once, and it is
    /// over when that has been exported.
    fn idle(&mut self, state: &mut State, assembler: &mut Assembler) {
        self.finish(state, assembler);
        if state.flushed != Some(assembler.seq()) {
            state.flushed = Some(assembler.seq());
            for worker in &mut self.workers {
                // A worker that is gone has nothing left to flush.
                worker.queue.order(Work::Flush(self.busy.clone()));
            }
            state.berths.retain_mut(|berth| berth.flush(&self.busy));
        }
        let is_busy = Arc::strong_count(&self.busy) > 1;
        self.counters.set_over(!self.awaits_sources && !is_busy);
        std::thread::sleep(Duration::from_millis(20));
    }

    /// Does what the supervisor asked since the last turn.
    fn obey(&mut self, state: &mut State, assembler: &mut Assembler) -> Obeyed {
        for worker in &mut self.workers {
            // What finds no room waits for the next turn.
            let _ = worker.queue.catch_up();
        }
        state.berths.retain_mut(Berth::catch_up);
        while let Ok(slot) = self.retired.try_recv() {
            state.plan.remove(slot);
            state.placed.retain(|p| p.slot != slot);
            self.replan(state, assembler);
        }
        let mut is_changed = false;
        while let Ok(control) = self.control.try_recv() {
            self.cut(state, assembler);
            is_changed = true;
            match control {
                Control::Stop => return Obeyed::Stop,
                Control::Detach(name) => {
                    let named = state.placed.iter().filter(|p| p.is_named(&name));
                    for lane in named.map(|p| p.lane.clone()).collect::<Vec<_>>() {
                        self.order(state, &lane, Work::Detach(name.clone()));
                    }
                }
                Control::Mark(keeper, told) => self.mark(state, keeper, told),
                Control::CatchUp(late) => self.late.push(*late),
                Control::Join(guest) => self.join(state, *guest),
                Control::Leave(ticket) => state.berths.retain(|berth| !berth.is_of(&ticket)),
                Control::Attach(joining) => self.place(state, *joining),
                Control::Lookups(lookups) => self.lookups = lookups,
                Control::Sources(feeds) => {
                    self.awaits_sources = false;
                    for mut feed in feeds {
                        self.counters.set_over(false);
                        feed.push_filter(state.bpf.as_deref());
                        self.merge.add(feed);
                    }
                }
            }
        }
        // Once for all of them, however many came: of all filters a program for kernels is made.
        if is_changed {
            self.replan(state, assembler);
        }
        // What becomes a part of the monitor counts as of the sources that there are.
        let (begin, wait) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|late| late.ticket.is_for_question() || !self.merge.is_empty());
        self.late = wait;
        Vec::into_iter(begin).for_each(|late| self.catch_up(late));
        Obeyed::Nothing
    }

    /// Gives a task to the worker of its namesake, or to the one with the fewest tasks.
    fn place(&mut self, state: &mut State, joining: Joining) {
        let Joining { mut task, filter, demand, .. } = joining;
        let load = |w: &usize| state.placed.iter().filter(|p| p.is_with(*w)).count();
        // A guest that has not joined is given up for this one.
        let takes = |p: &&Placed| match &p.lane {
            Lane::Worker(_) => true,
            Lane::Guest(ticket) => ticket.is_joined(),
        };
        let namesake = state.placed.iter().filter(|p| p.is_named(&task.name)).find(takes);
        let lane = namesake
            .map(|p| p.lane.clone())
            .unwrap_or_else(|| Lane::Worker((0..self.workers.len()).min_by_key(load).unwrap_or(0)));
        let slot = state.plan.add(&filter);
        task.slot = slot;
        let (name, interval) = (task.name.clone(), task.interval);
        self.order(state, &lane, Work::Attach(Box::new(task)));
        state.placed.push(Placed { name: Some(name), slot, lane, interval, demand });
    }

    /// Hands an order to whoever runs a task.
    fn order(&mut self, state: &mut State, lane: &Lane, work: Work) {
        match lane {
            // A worker only ends after capture has.
            Lane::Worker(at) => {
                if let Some(worker) = self.workers.get_mut(*at) {
                    worker.queue.order(work);
                }
            }
            Lane::Guest(ticket) => {
                // The newest: one that went round has left another behind.
                if let Some(berth) = state.berths.iter_mut().rfind(|berth| berth.is_of(ticket)) {
                    berth.order(work);
                }
            }
        }
    }

    /// Has a task run over kept packets.
    fn catch_up(&self, late: CatchUp) {
        let is_for_question = late.ticket.is_for_question();
        late.start(Scene {
            busy: if is_for_question { Arc::default() } else { self.busy.clone() },
            export: self.export.clone(),
            offers: self.merge.offers().clone(),
            lookups: self.lookups.clone(),
            is_live: self.merge.is_live(),
            trust: self.merge.trust_of_all(),
            ended: self.ended.clone(),
            costs: self.counters.costs().clone(),
        });
    }

    /// Keeps the batches from the next one on for a guest, and has whoever keeps their packets
    /// tell where those are.
    fn join(&mut self, state: &mut State, guest: Guest) {
        let slot = state.plan.add(&guest.filter);
        let (berth, work) = Berth::new(guest.ticket.clone());
        let export = guest.export.unwrap_or_else(|| self.export.clone());
        let costs = self.counters.costs().clone();
        let worker = Worker::new(export, self.retire.clone(), costs, Arc::default());
        if let Err(error) = guest::host(worker, work, slot, (guest.ticket.clone(), guest.task)) {
            tracing::error!("cannot start a thread: {error}");
            return state.plan.remove(slot);
        }
        let Guest { name, interval, demand, ticket, .. } = guest;
        state.placed.push(Placed { name, slot, lane: Lane::Guest(ticket), interval, demand });
        state.berths.push(berth);
        // If all sources have ended, what it has open is flushed as everybody's was.
        state.flushed = None;
        // Who asked may have gone.
        let _ = guest.seated.send(slot);
        self.mark(state, guest.keeper, guest.mark);
    }

    /// Has a task tell where it stands in the packets that it keeps; one that is not there, or has
    /// too much to do, is silent.
    fn mark(&mut self, state: &mut State, keeper: Arc<str>, told: crossbeam_channel::Sender<Spot>) {
        let Some(placed) = state.placed.iter().find(|p| p.is_named(&keeper)) else { return };
        let work = Work::Mark(keeper.clone(), told);
        match &placed.lane {
            Lane::Worker(at) => {
                if let Some(worker) = self.workers.get_mut(*at) {
                    // Silence is an answer.
                    let _ = worker.queue.offer(work, Duration::ZERO);
                }
            }
            Lane::Guest(ticket) => {
                if let Some(berth) = state.berths.iter_mut().rfind(|berth| berth.is_of(ticket)) {
                    berth.ask(work);
                }
            }
        }
    }

    /// Brings boundaries and demand up to date with the tasks.
    fn replan(&mut self, state: &mut State, assembler: &mut Assembler) {
        assembler.clock.set_lens(state.placed.iter().map(|p| p.interval));
        let demands = state.placed.iter().map(|p| p.demand);
        state.demand = demands.fold(state.plan.demand(), Demand::and);
        state.balance.begin(&self.workers, &state.watch);
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
        // A wire may have been waited for.
        match self.merge.is_live() {
            true => state.watch.charge(&state.costs, Category::Core),
            false => state.watch.charge_busy(&state.costs, Category::Core),
        };
        state.plan.run(&mut batch);
        state.watch.charge_busy(&state.costs, Category::Filter);
        self.counters.note_batch(&batch);
        let live = self.merge.is_live();
        batch.is_live = live;
        if live {
            batch.count_held();
        }
        let batch = Arc::new(batch);
        let here = !live && state.balance.is_light(&self.workers, &state.watch);
        for (at, worker) in self.workers.iter_mut().enumerate() {
            if !state.placed.iter().any(|p| p.is_with(at)) {
                continue;
            }
            if here && worker.is_done() {
                state.balance.do_here(worker, &batch, &mut state.watch);
                continue;
            }
            let work = Work::Batch(batch.clone());
            if !live {
                worker.queue.send(work, false);
            } else if let Err(Refused::Full(())) = worker.queue.offer(work, Duration::ZERO) {
                self.counters.note_shed(&batch);
            }
        }
        let shed = || self.counters.note_shed(&batch);
        state.berths.retain_mut(|berth| berth.offer(&batch, live, shed));
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
