//! Modules that run afresh for a question, over what is stored.
//!
//! The monitor over HTTP and the command over a store both come here: what is
//! asked, how much of the past that is and what serves is decided once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use como_core::lookup::Lookups;
use como_core::module::{Args, Maker};
use como_core::query::{Filling, Heard, Over, Own, Past, Query, QueryError, Rates, Run, Threads};
use como_core::record::{Records, Value};
use como_core::storage::{RecordStore, StoreError, Stream, Window, block};
use como_core::supervisor::{Handle, Instance};
use como_core::time::{Span, Ts};

use crate::error::Failure;

/// The most threads that read packets for one question; all but one are shared by all questions.
const THREADS_MAX: usize = 8;

/// Finds who made the records of a stream, where that still can be found.
pub type Makers<'a> = dyn Fn(&Stream) -> Option<Maker> + 'a;

/// The past, and what a module needs to run over it.
pub struct Afresh<'a> {
    /// Records.
    pub store: Arc<dyn RecordStore>,
    /// Packets, in a folder for each instance that keeps them.
    pub packets: &'a Path,
    /// Who made the records.
    pub makers: &'a Makers<'a>,
    /// Whether an instance is one of a view.
    pub is_of_view: &'a dyn Fn(&str) -> bool,
    /// What runs, if anything does.
    pub running: Option<Running>,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// What it has in common with other runs.
    pub common: Common,
}

/// What runs, as it was before anything stored was looked at.
pub struct Running {
    /// All of it.
    pub monitor: Handle,
    /// Its clock, behind the first packet.
    pub clock: Option<Ts>,
    /// Until when all that each instance has recorded is stored.
    pub settled: BTreeMap<String, Ts>,
}

/// What all runs for questions share. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Common {
    /// What runs took so far.
    rates: Arc<Rates>,
    /// The threads that read packets beside the first of each.
    threads: Threads,
}

impl Common {
    /// Runs that know what others took, and tell nobody what they take; each reads so many parts of
    /// packets at once, if that is said.
    pub fn of(store: &dyn RecordStore, threads: Option<usize>) -> Self {
        Self::with(Rates::known_in(store), threads)
    }

    /// Runs over what a store has, which remembers what they took.
    pub fn kept_in(store: Arc<dyn RecordStore>) -> Self {
        Self::with(Rates::kept_in(store), None)
    }

    fn with(rates: Rates, threads: Option<usize>) -> Self {
        let all = || std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let threads = threads.unwrap_or_else(|| all().min(THREADS_MAX));
        Self { rates: Arc::new(rates), threads: Threads::new(threads.saturating_sub(1)) }
    }

    /// Writes down what has not been yet.
    pub fn keep(&self) {
        self.rates.keep();
    }
}

impl Afresh<'_> {
    /// Runs `instance` for a question. Where nothing stored serves, `otherwise` is why it was to be
    /// run, if that says more.
    pub fn perform(
        &self,
        question: &Query,
        instance: Instance,
        otherwise: Option<QueryError>,
    ) -> Result<Run, QueryError> {
        // A view wants nothing beside what it recorded, and to run afresh over its own packets
        // where that is of others.
        if question.alone && !(self.is_of_view)(&question.module) {
            let alone = QueryError::Alone(question.module.clone());
            // That says which filter they were measured with.
            let other = otherwise.filter(|why| matches!(why, QueryError::OtherFilter { .. }));
            return Err(other.unwrap_or(alone));
        }
        let window = self.window(question)?;
        let over = question.source.as_ref().unwrap_or(&Over::Best);
        if let Some(Running { monitor, clock, .. }) =
            self.running.as_ref().filter(|_| question.follows)
        {
            let (window, clock) = question.counted(*clock)?;
            if window.to > clock {
                return Run::follow(monitor, instance, over, window);
            }
        }
        let answered = match &otherwise {
            Some(QueryError::OtherFilter { partly, .. }) => *partly,
            _ => Span(0),
        };
        let lookups = self.lookups.clone();
        let run = self.past(|past| past.run_beyond(instance, over, window, (lookups, answered)));
        match run {
            Err(error @ QueryError::NothingServes { .. }) => Err(otherwise.unwrap_or(error)),
            other => other,
        }
    }

    /// Runs `instance` for the time that records of its `own` do not reach, where anything else
    /// serves there and `place` gives it one to run in.
    pub fn fill<P>(
        &self,
        instance: &Instance,
        own: &Own,
        place: impl FnOnce() -> Option<P>,
    ) -> Result<Option<(Filling, P)>, QueryError> {
        self.past(|past| past.fill(instance, own, &self.lookups, place))
    }

    /// Whether anything may serve there, where a question wants it to.
    pub fn has_beside(&self, question: &Query, own: &Own) -> bool {
        let is_wanted = !question.alone && !question.partly && own.lacks_any();
        is_wanted && self.past(|past| past.has_beside(own))
    }

    /// What `instance` could be run over for a question, beside records of its `own`, the rest of
    /// which is measured by another where there is one.
    pub fn explain(
        &self,
        question: &Query,
        instance: Instance,
        own: Option<(&Own, Option<&Instance>)>,
    ) -> Result<Records, QueryError> {
        let window = self.window(question)?;
        self.past(|past| match own {
            Some((own, filler)) => past.explain_beside((instance, filler), own, &self.lookups),
            None if question.alone => Err(QueryError::Alone(question.module.clone())),
            None => past.explain(instance, window, &self.lookups),
        })
    }

    fn window(&self, question: &Query) -> Result<Window, QueryError> {
        let clock = self.running.as_ref().and_then(|running| running.clock);
        self.past(|past| past.window(question, clock))
    }

    fn past<T>(&self, act: impl FnOnce(&Past<'_>) -> T) -> T {
        let own = |stream: &Stream| (self.makers)(stream).and_then(|maker| maker.replayer());
        let heard = |name: &str| {
            let Running { monitor, clock, settled } = self.running.as_ref()?;
            let any = monitor.heard(name)?;
            let settled = settled.get(name).copied().unwrap_or_default();
            // Where all sources have ended, what was open was closed behind the last packet.
            Some(Heard { until: clock.unwrap_or_default().max(settled), settled, any })
        };
        let Common { rates, threads } = self.common.clone();
        let (store, packets) = (self.store.clone(), self.packets);
        act(&Past { store, packets, own: &own, running: &heard, threads, rates })
    }
}

/// What to run for a question: `instance` with the question's own filter and arguments in place of
/// its own.
pub fn instance(mut instance: Instance, question: &Query) -> Result<Instance, Failure> {
    instance.name.clone_from(&question.module);
    if let Some(filter) = &question.filter {
        instance.filter.clone_from(filter);
    }
    let mut given = given(question)?;
    if let Some(interval) = question.interval {
        given.set("interval", interval.to_string().into());
    }
    let args = instance.kind.manifest().resolve_over(&instance.args, &given);
    instance.args = args.map_err(|error| crate::catalogue::wrong(&error))?;
    // It is run to be looked at: what it would keep is there already.
    instance.packets = None;
    Ok(instance)
}

/// A module that is known by its name alone, with intervals as long as those of its newest records
/// under that name: who asks for it beside them means intervals like theirs.
pub fn as_recorded(
    mut instance: Instance,
    store: &dyn RecordStore,
) -> Result<Instance, StoreError> {
    let manifest = instance.kind.manifest();
    let stream = store.stream(&manifest.name)?.filter(|stream| stream.module == manifest.name);
    let Some(end) = stream.and_then(|stream| stream.end) else { return Ok(instance) };
    if !manifest.args.iter().any(|arg| arg.name == "interval") {
        return Ok(instance);
    }
    // The longest intervals begin long before they end.
    for reach in [Span::from_secs(3600), Span(u64::MAX)] {
        let newest = Window { from: end - reach, to: end };
        let blocks = store.page(&manifest.name, newest, None)?;
        // What is damaged is told by who reads it; a gap has no intervals.
        let heads = blocks.iter().rev().filter_map(|stored| block::peek(&stored.bytes).ok());
        if let Some(head) = heads.into_iter().find(|head| head.len > Span(0)) {
            instance.args.set("interval", head.len.to_string().into());
            break;
        }
    }
    Ok(instance)
}

/// What to run for the time that records do not reach: the instance that is known under their name;
/// or, where there is none, one of the module that made them, with what is not known of it. Who
/// keeps packets says something else of those that are kept than of those that come: it is not run.
pub fn beside(
    known: Option<Instance>,
    made_by: impl FnOnce() -> Option<Instance>,
    (question, own): (&Query, &Own),
) -> Option<(Instance, Option<String>)> {
    let is_known = known.is_some();
    let mut made = known.or_else(made_by).filter(|made| !made.kind.manifest().keeps_packets)?;
    let names = made.kind.manifest().args.iter().map(|arg| arg.name.clone());
    let (interval, others): (Vec<_>, Vec<_>) = names.partition(|name| name == "interval");
    let is_other = !is_known || own.rollup_of.is_some();
    if is_other && !interval.is_empty() && own.len > Span(0) {
        made.args.set("interval", own.len.to_string().into());
    }
    let others = others.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let doubt =
        format!("what {others} the records of `{}` were measured with is not known", own.name);
    let is_doubted = !is_known && !others.is_empty();
    Some((instance(made, question).ok()?, is_doubted.then_some(doubt)))
}

/// The arguments in a question, not typed yet.
fn given(question: &Query) -> Result<Args, Failure> {
    let texts = question.args.iter().map(|(name, value)| format!("{name}={value}"));
    Args::parse(texts).map_err(|error| crate::catalogue::wrong(&error))
}

/// Why what `known` recorded does not answer a question: an argument in it is another than that of
/// `known`. One that its module does not take, or not so, is a failure.
pub fn other_arg(known: &Instance, question: &Query) -> Result<Option<QueryError>, Failure> {
    let (manifest, given) = (known.kind.manifest(), given(question)?);
    let wrong = |error| crate::catalogue::wrong(&error);
    let measured = manifest.resolve(&known.args).map_err(wrong)?;
    let asked = manifest.resolve_over(&known.args, &given).map_err(wrong)?;
    let mut both =
        asked.iter().filter_map(|(name, asked)| Some((name, asked, measured.get(name)?)));
    let other = both.find(|(_, asked, measured)| !is_same(asked, measured));
    Ok(other.map(|(name, asked, measured)| QueryError::OtherArg {
        module: question.module.clone(),
        name: name.to_owned(),
        asked: asked.to_string(),
        measured: Some(measured.to_string()),
    }))
}

/// The same where nobody knows any more what the records were measured with.
pub fn unknown_arg(question: &Query) -> Option<QueryError> {
    let (name, asked) = question.args.first()?.clone();
    let module = question.module.clone();
    Some(QueryError::OtherArg { module, name, asked, measured: None })
}

/// Whether two values of an argument mean the same: `60s` is `1m`.
fn is_same(a: &Value, b: &Value) -> bool {
    let span = |value: &Value| match value {
        Value::Text(text) => Span::parse(text).ok(),
        _ => None,
    };
    a == b || span(a).is_some_and(|span_of_a| span(b) == Some(span_of_a))
}
