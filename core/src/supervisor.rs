//! The supervisor: starts the stages, passes on what the user asks, and knows
//! what everybody counted.
//!
//! Threads: one per source whose packets are not at hand, one for capture, workers that own tasks
//! and one for each task that began with the past, one for export and storage. Messages pass in one
//! direction; see [`crate::capture`].

pub mod catchup;
pub mod counters;
pub mod exporter;
mod instance;
pub mod keep;
mod late;
mod needs;
mod refusal;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use parking_lot::RwLock;

use crate::capture::feed::Feed;
use crate::capture::guest::Ticket;
use crate::capture::hand::Hand;
use crate::capture::merge::{self, Merge};
use crate::capture::outbox::Outbox;
use crate::capture::{Capture, Control, Joining};
use crate::costs::Costs;
use crate::filter::Expr;
use crate::lookup::Lookups;
use crate::module::aside::ALERTS;
use crate::module::{Maker, Setup};
use crate::queue;
use crate::source::Source;
use crate::storage::packets::Keeps;
use crate::time::Span;
use crate::worker::{Emission, Failures, Share, Taken, Task, WORK_ROOM, Work, Worker};
use counters::{Counters, SourceCounters, Status, TaskCounters};
pub use exporter::{Sink, SinkError};
pub use instance::{Backfill, Instance};
pub use late::{Heard, Late};
use needs::offer;
pub use needs::{Needs, rolls_up};
pub use refusal::AttachError;

/// How long a thread may take to begin, on however busy a machine.
const BEGIN_TIME: Duration = Duration::from_secs(30);

/// What export may be behind the workers: so many bytes of records, or so many events.
const EXPORT_BYTES: usize = 64 << 20;
const EXPORT_EVENTS: usize = 4096;

/// How a monitor runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that run modules; at least one.
    pub workers: usize,
    /// Whether to stay when all sources have ended, for queries and new modules.
    pub stay: bool,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// How long packets of one wire wait for those of another, beyond the other's own delay.
    pub window: Span,
    /// Whether modules may write files of their own, as `trace` does.
    pub writes: bool,
}

impl Default for Options {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
        let window = merge::WINDOW_DEFAULT;
        Self { workers, stay: false, lookups: Arc::default(), window, writes: true }
    }
}

/// A running monitor: its [`Handle`] and its threads. Dropping it leaves the threads to end with
/// their sources.
pub struct Monitor {
    handle: Handle,
    capture: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
    exporter: JoinHandle<Result<(), SinkError>>,
}

/// What may be asked of a running monitor, from any thread.
#[derive(Clone)]
pub struct Handle {
    control: Sender<Control>,
    counters: Arc<Counters>,
    instances: Instances,
    writes: bool,
    lookups: Arc<RwLock<Arc<Lookups>>>,
    abandoned: Arc<AtomicBool>,
}

/// What runs, by its name.
type Instances = Arc<RwLock<HashMap<String, Running>>>;

/// What runs, and what others may want of it.
struct Running {
    /// What it was started from.
    instance: Instance,
    /// Its filter and its module's, canonical.
    filter: String,
    /// Where it keeps packets, if it does.
    keeps: Option<Keeps>,
    /// How far it is, where it began with the past.
    ticket: Option<Arc<Ticket>>,
}

impl std::ops::Deref for Monitor {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

/// How a monitor ended.
#[derive(Debug)]
pub struct Ended {
    /// The final counters.
    pub status: Status,
    /// What the sink could not do, if anything.
    pub sink: Option<SinkError>,
}

impl Monitor {
    /// Starts reading `sources` with `instances` attached from the first packet on.
    pub fn start(
        options: Options,
        sources: Vec<Box<dyn Source>>,
        instances: Vec<Instance>,
        sink: Box<dyn Sink>,
    ) -> Result<Self, AttachError> {
        let counters = Arc::new(Counters::default());
        let offers: Vec<_> = sources.iter().map(|source| offer(source.description())).collect();
        let (control, orders) = unbounded();
        let handle = Handle::new(control.clone(), counters.clone(), &options);
        all_differ(&instances)?;
        // Those that begin with the past do so once all are there that keep it.
        let (late, soon): (Vec<_>, Vec<_>) =
            instances.into_iter().partition(|instance| instance.backfill.is_some());
        for instance in soon.into_iter().chain(late) {
            handle.begin(instance, &offers)?;
        }
        let (emit, emitted) = queue::bounded_by(EXPORT_BYTES, |emission: &Emission| {
            emission.bytes().max(EXPORT_BYTES / EXPORT_EVENTS)
        });
        let exporter = start_exporter((sink, emitted), control, counters.clone())?;
        let (retire, retired) = unbounded();
        let start = || {
            let costs = counters.costs().clone();
            let abandoned = handle.abandoned.clone();
            start_worker(Worker::new(emit.clone(), retire.clone(), costs, abandoned))
        };
        let started = (0..options.workers.max(1)).map(|_| start());
        let (hands, workers) = started.collect::<Result<(Vec<_>, Vec<_>), _>>()?;
        let awaits_sources = sources.is_empty();
        let feeds = feeds(sources, &counters)?;
        let capture = Capture {
            merge: Merge::new(feeds, options.window),
            control: orders,
            retired,
            retire,
            late: Vec::new(),
            export: emit,
            ended: Arc::default(),
            workers: hands,
            counters: counters.clone(),
            lookups: options.lookups,
            stay: options.stay,
            awaits_sources,
            busy: Arc::default(),
        };
        let capture = spawn("capture", move || capture.run())?;
        Ok(Self { handle, capture, workers, exporter })
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Whether all threads have ended.
    pub fn is_finished(&self) -> bool {
        self.exporter.is_finished()
    }

    /// Waits until the sources have ended, or [`Handle::stop`] was called, and all is exported.
    pub fn wait(self) -> Ended {
        // A thread that panicked has said so; the others end all the same.
        let _ = self.capture.join();
        for worker in self.workers {
            let _ = worker.join();
        }
        let sink = self.exporter.join().map_or_else(|_| Some(panicked()), Result::err);
        Ended { status: self.handle.status(), sink }
    }
}

/// Refuses instances of one name.
fn all_differ(instances: &[Instance]) -> Result<(), AttachError> {
    let mut names = HashSet::new();
    match instances.iter().find(|instance| !names.insert(instance.name.as_str())) {
        Some(instance) => Err(AttachError::Twice(instance.name.clone())),
        None => Ok(()),
    }
}

/// Starts the thread that hands over what is recorded, and stops capture where it cannot.
fn start_exporter(
    (sink, emitted): (Box<dyn Sink>, queue::Receiver<Emission>),
    stop: Sender<Control>,
    counters: Arc<Counters>,
) -> Result<JoinHandle<Result<(), SinkError>>, AttachError> {
    let exporter = spawn("export", move || {
        let ran = catch_unwind(AssertUnwindSafe(|| exporter::run(sink, &emitted, &counters)));
        let ran = ran.unwrap_or_else(|_| Err(panicked()));
        if ran.is_err() {
            // Without a sink there is nothing to measure for.
            let _ = stop.send(Control::Stop);
        }
        ran
    })?;
    Ok(exporter)
}

/// Starts the thread of a worker, with its queue.
fn start_worker(worker: Worker) -> Result<(Hand, JoinHandle<()>), AttachError> {
    let (queue, work) = queue::bounded_by(WORK_ROOM, Work::room);
    let worker = Arc::new(worker);
    let hand = Hand::new(Outbox::new(queue), worker.clone());
    Ok((hand, spawn("worker", move || worker.run(&work))?))
}

/// What has become of a sink whose thread panicked.
fn panicked() -> SinkError {
    SinkError::new("the export thread panicked")
}

impl Handle {
    fn new(control: Sender<Control>, counters: Arc<Counters>, options: &Options) -> Self {
        Self {
            control,
            counters,
            instances: Instances::default(),
            writes: options.writes,
            lookups: Arc::new(RwLock::new(options.lookups.clone())),
            abandoned: Arc::default(),
        }
    }

    /// Reads more sources, beside those that are read already. A monitor that stays and was started
    /// without any waits for them; where there are none, all is over.
    pub fn add_sources(&self, sources: Vec<Box<dyn Source>>) -> Result<(), AttachError> {
        let feeds = feeds(sources, &self.counters)?;
        self.control.send(Control::Sources(feeds)).map_err(|_| AttachError::Ended)
    }

    /// Adds an instance, live from its next interval boundary on, or from the first packet if
    /// there was none yet; in place of the running one of that name, which goes on until its own
    /// boundary.
    ///
    /// One that is to begin with the past joins as soon as it has run over that, unless it takes
    /// the place of one that runs: then the past has been measured.
    pub fn attach(&self, instance: Instance) -> Result<(), AttachError> {
        self.begin(instance, &self.counters.offers())
    }

    /// The tables that addresses are looked up in.
    pub fn lookups(&self) -> Arc<Lookups> {
        self.lookups.read().clone()
    }

    /// Looks addresses up in these tables from the next batch on. What is read of a table that is
    /// no longer there is absent.
    pub fn set_lookups(&self, lookups: Arc<Lookups>) {
        self.lookups.write().clone_from(&lookups);
        // One that has ended looks nothing up.
        let _ = self.control.send(Control::Lookups(lookups));
    }

    /// Flushes and drops the instance called `name`; whether there is one.
    pub fn detach(&self, name: &str) -> bool {
        let known = self.counters.remove_task(name);
        let gone = self.instances.write().remove(name);
        if let Some(ticket) = gone.and_then(|gone| gone.ticket) {
            ticket.void();
        }
        known && self.control.send(Control::Detach(name.into())).is_ok()
    }

    /// What runs under this name, as it was started.
    pub fn instance(&self, name: &str) -> Option<Instance> {
        self.instances.read().get(name).map(|running| running.instance.clone())
    }

    /// Whether an instance that runs was given any packet.
    pub fn heard(&self, name: &str) -> Option<bool> {
        self.instance(name)?;
        Some(self.counters.task(name).is_some_and(|task| task.has_picked()))
    }

    /// What runs under this name, for its own ways with its records.
    pub fn maker(&self, name: &str) -> Option<Maker> {
        let maker = self.instance(name)?.maker(self.lookups());
        Some(match self.counters.task(name) {
            Some(task) => maker.counted(task.answer_faults()),
            None => maker,
        })
    }

    /// What everybody has counted so far.
    pub fn status(&self) -> Status {
        self.counters.status()
    }

    /// The counters themselves, for whoever outlives this handle.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Flushes the open intervals and ends; [`Monitor::wait`] then returns.
    pub fn stop(&self) {
        // Already ended is as good.
        let _ = self.control.send(Control::Stop);
    }

    /// Ends without another record, as soon as the batches that modules are at are done: nobody
    /// wants the rest.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// A way to stop the monitor from another thread, say a signal's.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let control = self.control.clone();
        move || {
            let _ = control.send(Control::Stop);
        }
    }
}

/// Starts a thread and sees it begin: one for which there is no memory may die before it does.
fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    let (tell, begun) = crossbeam_channel::bounded(1);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever waits no longer has given all up.
        let _ = tell.send(());
        run()
    })?;
    let begun = begun.recv_timeout(BEGIN_TIME);
    begun.map_err(|_| std::io::Error::other(format!("the {name} thread does not begin")))?;
    Ok(thread)
}

/// Takes sources over, each with a thread of its own unless its packets are at hand.
fn feeds(sources: Vec<Box<dyn Source>>, counters: &Counters) -> std::io::Result<Vec<Feed>> {
    let feed = |source: Box<dyn Source>| {
        let counted = Arc::new(SourceCounters::new(source.description()));
        let number = counters.add_source(counted.clone());
        Feed::start(source, number, counted, counters.costs().clone())
    };
    sources.into_iter().map(feed).collect()
}

/// An instance as it would run, for who asks it to say something without packets.
pub(crate) fn task(instance: Instance) -> Result<Task, AttachError> {
    let (lookups, costs) = Default::default();
    let around = Around { lookups: &lookups, costs: &costs, writes: false };
    Ok(prepare(instance, false, around)?.task)
}

/// What an instance finds around it when it is started.
#[derive(Clone, Copy)]
struct Around<'a> {
    lookups: &'a Arc<Lookups>,
    costs: &'a Arc<Costs>,
    writes: bool,
}

/// Starts an instance's module and compiles its filters.
fn prepare(
    instance: Instance,
    joins_late: bool,
    Around { lookups, costs, writes }: Around<'_>,
) -> Result<Joining, AttachError> {
    if instance.name == ALERTS {
        return Err(AttachError::Reserved);
    }
    let setup = Setup { writes, costs: costs.clone(), ..instance.setup(lookups.clone()) };
    let started = instance.kind.start(&setup)?;
    let parse = |text: &str| {
        Expr::parse(text).map_err(|error| AttachError::Filter {
            instance: instance.name.clone(),
            text: text.to_owned(),
            error: Box::new(error),
        })
    };
    let filter = parse(&started.filter)?.and(parse(&instance.filter)?);
    let module = &instance.kind.manifest().name;
    let needs = needs::demand(&filter, started.demand).needs();
    let task = Task {
        name: instance.name.into(),
        module: started.module,
        slot: 0,
        interval: started.interval,
        schema: started.schema.unwrap_or_default(),
        counters: Arc::new(TaskCounters::new(module, filter.to_string(), started.interval, needs)),
        open: None,
        joins_late,
        silent_since: None,
        opened: false,
        failures: Failures::default(),
        taken: Taken::new(needs),
        share: Share::default(),
    };
    Ok(Joining { task, filter, demand: started.demand, apart: started.apart })
}

#[cfg(test)]
pub(crate) mod tests;
