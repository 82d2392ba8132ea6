//! Catching up: a task runs over kept packets first, and joins the stream at one batch.
//!
//! It reads what an instance of `trace` has kept until there is nothing more. Then capture sets a
//! batch number: the batches from it on wait for the task, and whoever keeps packets tells how far
//! it has written those of the batches before. The task reads up to there and no further, and goes
//! on with what waits. So each packet is seen once, whatever comes meanwhile; and all that waits
//! for the task is a few batches, because the rest is in the window.

mod since;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::batch::Batch;
use crate::capture::assemble::{Assembler, Trust};
use crate::capture::guest::{Guest, Ticket};
use crate::capture::merge::Run;
use crate::capture::offers::Offers;
use crate::capture::{Control, Joining};
use crate::costs::{Category, Costs, Stopwatch, let_others_first};
use crate::field::Demand;
use crate::filter::{Expr, Plan};
use crate::intern::Interner;
use crate::lookup::Lookups;
use crate::queue;
use crate::source::{Chunk, Turn};
use crate::storage::losses::Losses;
use crate::storage::packets::{CopyError, Keeps, Lane, Spot};
use crate::time::{Interval, Span, Ts};
use crate::worker::{Emission, Task};
pub(crate) use since::Since;

/// How often a task that fell behind while it joined goes round before it gives up.
const ROUNDS_MAX: u32 = 20;

/// How long who is asked in vain is left alone.
const REST: Duration = Duration::from_millis(20);

/// How long it may take before it is looked at how fast it is.
const TRIAL: Duration = Duration::from_secs(5);

/// The end of all that is kept.
const HEAD: Spot = Spot { segment: u64::MAX, at: 0 };

/// Why a task did not catch up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Missed {
    /// Nobody wants it any more.
    #[error("nobody waits for it any more")]
    Unwanted,
    /// It would take too long.
    #[error(
        "to read what `{keeper}` keeps takes more than half as long as it took to happen: ask for \
         a shorter time, or for another filter"
    )]
    Slow {
        /// Who keeps the packets.
        keeper: String,
    },
    /// The stream is faster than the task.
    #[error("packets come faster than it takes them")]
    Behind,
    /// Nobody tells where packets are kept.
    #[error("`{keeper}` does not keep packets any more, or lost some")]
    Keeper {
        /// Who kept them.
        keeper: String,
    },
    /// Other packets were kept.
    #[error("`{keeper}` kept only the packets of `{filter}` until {until}: ask from then on")]
    Filter {
        /// Who keeps them.
        keeper: String,
        /// The filter of that time.
        filter: String,
        /// Until when.
        until: Ts,
    },
    /// Packets were let go before they were read.
    #[error("`{keeper}` let packets go before they were read")]
    Gone {
        /// Who kept them.
        keeper: String,
    },
    /// The packets cannot be read.
    #[error(transparent)]
    Read(#[from] CopyError),
    /// Some of the packets were changed before they were kept.
    #[error("`{keeper}` has not kept all packets as they were: {how}")]
    Changed {
        /// Who kept them.
        keeper: String,
        /// What was done to them.
        how: String,
    },
    /// It came to a sudden end.
    #[error("its thread ended, or could not be started")]
    Thread,
    /// The window cannot be looked at.
    #[error("cannot read the packets of `{keeper}`: {error}")]
    Look {
        /// Who keeps them.
        keeper: String,
        /// What the system answered.
        error: io::Error,
    },
}

/// Hears what becomes of a task that catches up; where nobody says it, that its thread ended.
pub(crate) struct Told(Option<Box<Hear>>);

type Hear = dyn FnOnce(Result<(), Missed>) + Send;

impl Told {
    /// Who hears it.
    pub(crate) fn new(hear: impl FnOnce(Result<(), Missed>) + Send + 'static) -> Self {
        Self(Some(Box::new(hear)))
    }

    fn say(&mut self, caught_up: Result<(), Missed>) {
        if let Some(hear) = self.0.take() {
            hear(caught_up);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.say(Err(Missed::Thread));
    }
}

/// A task that is to run over kept packets and then to join.
pub struct CatchUp {
    pub(crate) joining: Joining,
    pub(crate) keeper: Arc<str>,
    pub(crate) keeps: Keeps,
    pub(crate) since: Since,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) control: Sender<Control>,
    /// Where records go; none where to those of all others.
    pub(crate) export: Option<queue::Sender<Emission>>,
    pub(crate) told: Told,
}

/// What capture gives to a task that catches up.
pub struct Scene {
    /// Where records go.
    pub export: queue::Sender<Emission>,
    /// What the sources offer.
    pub offers: Arc<Offers>,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// Whether there are wires among the sources.
    pub is_live: bool,
    /// What is believed of leaps in their times.
    pub trust: Trust,
    /// Whether capture has ended.
    pub ended: Arc<AtomicBool>,
    /// What is charged.
    pub costs: Arc<Costs>,
    /// Held by a part of the monitor until it has joined.
    pub busy: Arc<()>,
}

impl CatchUp {
    /// Begins, on a thread of its own.
    pub fn start(self, scene: Scene) {
        let name = self.joining.task.name.clone();
        let thread = std::thread::Builder::new().name("catch up".to_owned());
        if let Err(error) = thread.spawn(move || self.run(&scene)) {
            tracing::error!("module `{name}`: cannot start a thread: {error}");
        }
    }

    fn run(mut self, scene: &Scene) {
        let_others_first();
        let mut told = std::mem::replace(&mut self.told, Told(None));
        let caught_up = self.catch_up(scene);
        told.say(match scene.ended.load(Ordering::SeqCst) {
            true => Err(Missed::Unwanted),
            false => caught_up,
        });
    }

    fn catch_up(self, scene: &Scene) -> Result<(), Missed> {
        self.wait_for_keeper(scene)?;
        let Self { joining, keeper, keeps, since, ticket, control, export, .. } = self;
        let (name, filter) = (joining.task.name.clone(), joining.filter.clone());
        let interval = joining.task.interval;
        let beginning = since
            .begin(interval, &keeps)
            .map_err(|error| Missed::Look { keeper: keeper.to_string(), error })?;
        let beginning = since.behind_others(&joining, &keeper, &keeps, beginning)?;
        if since.has_shed(beginning.from) {
            joining.task.counters.note_past_lacks();
        }
        let kept = opened(&keeper, &keeps, beginning.from, interval)?;
        let mut pump = Pump::new(joining, scene, export.clone());
        (pump.task.open, pump.task.joins_late) = (beginning.open, beginning.joins_late);
        pump.task.begin(&pump.export);
        let (chunk, pace) = (Chunk::default(), Pace::default());
        let name = (!ticket.is_for_question()).then_some(name);
        let knock = Knock { name, filter, demand: pump.own, interval, export, control };
        let reading = Reading { kept, chunk, keeper, ticket, pace };
        reading.join(pump, &knock)
    }

    /// Waits until what was kept is written, so that it is there to be looked at.
    fn wait_for_keeper(&self, scene: &Scene) -> Result<(), Missed> {
        let unwanted = || self.ticket.is_void() || scene.ended.load(Ordering::SeqCst);
        let written = || {
            let (mark, written) = crossbeam_channel::bounded(1);
            let _ = self.control.send(Control::Mark(self.keeper.clone(), mark));
            written.recv().ok()
        };
        match (0..ROUNDS_MAX).any(|_| unwanted() || written().is_some() || rest()) && !unwanted() {
            true => Ok(()),
            false => Err(missed(&self.keeper, unwanted())),
        }
    }
}

/// What is kept from an instant on, unless it was changed before.
fn opened(keeper: &str, keeps: &Keeps, from: Ts, interval: Span) -> Result<Lane, Missed> {
    let mut kept = Lane::following(&keeps.dir, from)?;
    // Nobody is told but the log; what is lost is a gap.
    kept.tell(interval, Losses::default());
    match kept.changed().filter(|_| keeps.changed.is_none()) {
        Some(how) => Err(Missed::Changed { keeper: keeper.to_owned(), how }),
        None => Ok(kept),
    }
}

/// How capture is asked to keep the batches from one on for a task.
struct Knock {
    name: Option<Arc<str>>,
    filter: Expr,
    demand: Demand,
    interval: Span,
    export: Option<queue::Sender<Emission>>,
    control: Sender<Control>,
}

/// What capture answers: the slot of its filter, where what comes next is kept, and where the task
/// is handed over.
struct Answer {
    slot: usize,
    spot: Spot,
    hand_over: Sender<Box<Task>>,
}

impl Knock {
    /// Asks once; none where nobody has an answer.
    fn once(&self, keeper: &Arc<str>, ticket: &Arc<Ticket>) -> Option<Answer> {
        let (seated, slot) = crossbeam_channel::bounded(1);
        let (mark, spot) = crossbeam_channel::bounded(1);
        let (hand_over, task) = crossbeam_channel::bounded(1);
        let guest = Guest {
            name: self.name.clone(),
            keeper: keeper.clone(),
            filter: self.filter.clone(),
            demand: self.demand,
            interval: self.interval,
            ticket: ticket.clone(),
            export: self.export.clone(),
            seated,
            mark,
            task,
        };
        // Where capture has ended nobody answers.
        let _ = self.control.send(Control::Join(Box::new(guest)));
        Some(Answer { slot: slot.recv().ok()?, spot: spot.recv().ok()?, hand_over })
    }
}

/// The window as it is read.
struct Reading {
    kept: Lane,
    chunk: Chunk,
    keeper: Arc<str>,
    ticket: Arc<Ticket>,
    pace: Pace,
}

/// How fast the past is read: when that began, and with what packet.
#[derive(Default)]
struct Pace(Option<(Instant, Ts)>);

impl Pace {
    /// Whether reading to `clock` has taken more than half as long as that took to happen.
    fn is_slow(&mut self, clock: Ts, now: Instant) -> bool {
        if clock == Ts(0) {
            return false;
        }
        let (begun, from) = *self.0.get_or_insert((now, clock));
        is_slow(now.duration_since(begun), clock - from)
    }
}

/// Lets those work who are asked in vain; never what was hoped for.
fn rest() -> bool {
    std::thread::sleep(REST);
    false
}

fn missed(keeper: &str, is_unwanted: bool) -> Missed {
    match is_unwanted {
        true => Missed::Unwanted,
        false => Missed::Keeper { keeper: keeper.to_owned() },
    }
}

impl Reading {
    /// Reads up to where capture begins to keep batches for the task, and hands it over there.
    fn join(mut self, mut pump: Pump<'_>, knock: &Knock) -> Result<(), Missed> {
        for _ in 0..ROUNDS_MAX {
            self.read(&mut pump, HEAD)?;
            let Some(Answer { slot, spot, hand_over }) = knock.once(&self.keeper, &self.ticket)
            else {
                if self.is_unwanted(&pump) {
                    return Err(Missed::Unwanted);
                }
                // Whoever keeps packets has no time to say where they are.
                rest();
                continue;
            };
            self.read(&mut pump, spot)?;
            pump.finish();
            if self.kept.gone() > 0 {
                return Err(Missed::Gone { keeper: self.keeper.to_string() });
            }
            if self.ticket.join() {
                pump.task.slot = slot;
                // What is kept next is kept apart, so nothing was heard since.
                pump.task.silent_since = (spot.at == 0).then_some(pump.heard);
                // One that ends meanwhile needs no task.
                let _ = hand_over.send(pump.task);
                return Ok(());
            }
            self.ticket.go_round();
        }
        Err(Missed::Behind)
    }

    fn is_unwanted(&self, pump: &Pump<'_>) -> bool {
        pump.scene.ended.load(Ordering::SeqCst) || self.ticket.is_void()
    }

    /// Has the task see all packets up to a spot.
    fn read(&mut self, pump: &mut Pump<'_>, until: Spot) -> Result<(), Missed> {
        loop {
            if self.is_unwanted(pump) {
                return Err(Missed::Unwanted);
            }
            match self.kept.read(&mut self.chunk, until)? {
                Turn::More => pump.feed(&mut self.chunk),
                Turn::Idle => return Err(self.lost()),
                Turn::End => return Ok(()),
            }
            if pump.scene.is_live && self.pace.is_slow(pump.clock, Instant::now()) {
                return Err(Missed::Slow { keeper: self.keeper.to_string() });
            }
        }
    }

    fn lost(&self) -> Missed {
        missed(&self.keeper, self.ticket.is_void())
    }
}

/// Whether reading so much of the past takes more than half as long as it took to happen.
fn is_slow(took: Duration, covered: Span) -> bool {
    took > TRIAL && u128::from(covered.0) < 2 * took.as_nanos()
}

/// What capture and a worker do, for one task and packets of the past.
struct Pump<'a> {
    task: Box<Task>,
    plan: Plan,
    // What the task reads beside its filter, and together with it.
    own: Demand,
    demand: Demand,
    interner: Interner,
    assembler: Assembler,
    // Of the last batch; and the first instant behind the last packet.
    clock: Ts,
    heard: Ts,
    scene: &'a Scene,
    export: queue::Sender<Emission>,
    watch: Stopwatch,
}

impl<'a> Pump<'a> {
    fn new(joining: Joining, scene: &'a Scene, export: Option<queue::Sender<Emission>>) -> Self {
        let Joining { mut task, filter, demand, .. } = joining;
        let mut plan = Plan::default();
        task.slot = plan.add(&filter);
        let mut assembler = Assembler::default();
        assembler.clock.set_lens([task.interval]);
        Self {
            demand: demand.and(plan.demand()),
            own: demand,
            task: Box::new(task),
            plan,
            interner: Interner::apart(),
            assembler,
            clock: Ts(0),
            heard: Ts(0),
            scene,
            export: export.unwrap_or_else(|| scene.export.clone()),
            watch: Stopwatch::start(),
        }
    }

    fn feed(&mut self, chunk: &mut Chunk) {
        self.watch.charge(&self.scene.costs, Category::Sniffer);
        chunk.marks = chunk.packets.iter().fold(0, |marks, packet| marks | packet.marks);
        let run = Run {
            source: 0,
            from: 0,
            to: chunk.packets.len(),
            ordered: chunk.packets.is_sorted_by_key(|packet| packet.ts),
        };
        let last = chunk.packets.iter().map(|packet| packet.ts).max();
        self.heard = self.heard.max(last.map_or(Ts(0), |last| Ts(last.0.saturating_add(1))));
        for between in chunk.take_between() {
            for batch in self.assembler.go_on(between) {
                self.take(batch);
            }
        }
        self.assembler.begin(&run, self.scene.trust);
        while let Some(batch) = self.assembler.fill(chunk) {
            self.take(batch);
        }
        chunk.clear();
    }

    /// Hands out what is left. What comes next is the stream's own.
    fn finish(&mut self) {
        for batch in self.assembler.finish() {
            self.take(batch);
        }
    }

    fn take(&mut self, mut batch: Batch) {
        if batch.clock >= Interval::holding(self.clock, self.task.interval).end() {
            self.interner.renew();
        }
        self.clock = batch.clock;
        batch.set_lookups(&self.scene.lookups);
        batch.offers = self.scene.offers.clone();
        batch.decode(self.demand);
        self.interner.fill(&mut batch, self.demand);
        self.watch.charge(&self.scene.costs, Category::Core);
        self.plan.run(&mut batch);
        self.watch.charge(&self.scene.costs, Category::Filter);
        self.task.take(&batch, &self.export);
        let spent_ns = self.watch.charge(&self.scene.costs, Category::Callbacks);
        self.task.counters.note_busy(spent_ns);
        self.assembler.keep(Arc::new(batch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_slower_than_twice_as_fast_as_it_happened_is_slow() {
        let (soon, late) = (Duration::from_secs(4), Duration::from_secs(10));
        assert!(!is_slow(soon, Span::from_secs(1)));
        assert!(is_slow(late, Span::from_secs(19)));
        assert!(!is_slow(late, Span::from_secs(20)));
    }

    #[test]
    fn the_pace_counts_from_the_first_packet() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let after = |secs| begun + Duration::from_secs(secs);
        assert!(!pace.is_slow(Ts(0), begun));
        assert!(!pace.is_slow(Ts::new(1_700_000_000, 0), after(1)));
        assert!(!pace.is_slow(Ts::new(1_700_000_020, 0), after(11)));
        assert!(pace.is_slow(Ts::new(1_700_000_019, 0), after(11)));
    }

    #[test]
    fn who_waits_hears_also_of_a_thread_that_says_nothing() {
        let (send, heard) = crossbeam_channel::bounded(2);
        drop(Told::new(move |caught_up| send.send(caught_up.is_ok()).expect("it waits")));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [false]);
    }
}
