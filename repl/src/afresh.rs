//! Modules that run afresh for a question, over what is stored.
//!
//! The monitor over HTTP and the command over a store both come here: what is
//! asked, how much of the past that is and what serves is decided once.

use std::path::Path;
use std::sync::Arc;

use como_core::lookup::Lookups;
use como_core::module::{Args, Maker};
use como_core::query::{Over, Past, Query, QueryError, Rates, Run, Threads};
use como_core::record::{Records, Value};
use como_core::storage::{RecordStore, Stream};
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
    /// What runs, if anything does, and its clock.
    pub running: Option<(Handle, Option<Ts>)>,
    /// The tables that addresses are looked up in.
    pub lookups: Arc<Lookups>,
    /// What it has in common with other runs.
    pub common: Common,
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

/// What comes of a question.
pub enum Given {
    /// What could be read to answer, where that was asked for.
    Explained(Records),
    /// The module at work.
    Run(Box<Run>),
}

impl Afresh<'_> {
    /// Runs `instance` for a question, or says what it would run over. Where nothing stored serves,
    /// `otherwise` is why it was to be run, if that says more.
    pub fn perform(
        self,
        question: &Query,
        instance: Instance,
        otherwise: Option<QueryError>,
    ) -> Result<Given, QueryError> {
        let own = |stream: &Stream| (self.makers)(stream).and_then(|maker| maker.replayer());
        let Common { rates, threads } = self.common;
        let handle = self.running.as_ref().map(|(handle, _)| handle);
        let running = |name: &str| handle.is_some_and(|handle| handle.instance(name).is_some());
        let (store, packets) = (self.store, self.packets);
        let past = Past { store, packets, own: &own, running: &running, threads, rates };
        let clock = self.running.as_ref().and_then(|(_, clock)| *clock);
        let window = past.window(question, clock)?;
        if question.explain {
            return Ok(Given::Explained(past.explain(instance, window, &self.lookups)?));
        }
        let over = question.source.as_ref().unwrap_or(&Over::Best);
        if let Some((monitor, _)) = self.running.as_ref().filter(|_| question.follows) {
            let clock = clock.unwrap_or_default();
            let window = question.window(clock)?;
            if window.to > clock {
                return Ok(Given::Run(Box::new(Run::follow(monitor, instance, over, window)?)));
            }
        }
        let answered = match &otherwise {
            Some(QueryError::OtherFilter { partly, .. }) => *partly,
            _ => Span(0),
        };
        match past.run_beyond(instance, over, window, (self.lookups, answered)) {
            Ok(run) => Ok(Given::Run(Box::new(run))),
            Err(error @ QueryError::NothingServes { .. }) => Err(otherwise.unwrap_or(error)),
            Err(error) => Err(error),
        }
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
