//! Questions that stored records do not answer: the module runs afresh, a few of them at once.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use como_core::module::{Kind, Maker};
use como_core::query::{Gauge, Query, QueryError, Steps};
use como_core::record::{Output, Records};
use como_core::render::{self, Format};
use como_core::storage::Stream;
use como_core::supervisor::Instance;
use como_web::{Answer, Refusal};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::broken;
use super::door::{Desk, bad, refusal};
use crate::afresh::{Afresh, Running};
use crate::{afresh, catalogue};

/// How many modules may run for questions at once.
const RUNS_MAX: usize = 4;

/// Who runs for a question now. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Runs(Arc<Mutex<Seats>>);

#[derive(Default)]
struct Seats {
    next: u64,
    taken: BTreeMap<u64, Taken>,
}

/// One who runs.
struct Taken {
    module: String,
    since: Instant,
    // None before it has begun.
    gauge: Option<Arc<Gauge>>,
}

/// The place of one of them, until it is dropped.
pub struct Seat {
    runs: Runs,
    number: u64,
}

impl Runs {
    /// A place for a module to run in, if there is one.
    pub fn take(&self, module: &str) -> Result<Seat, Refusal> {
        let mut seats = self.0.lock();
        if seats.taken.len() >= RUNS_MAX {
            let text =
                format!("{RUNS_MAX} modules run for questions already: ask again in a while");
            return Err(Refusal::new(503, "Service Unavailable", text));
        }
        let number = seats.next;
        seats.next += 1;
        let taken = Taken { module: module.to_owned(), since: Instant::now(), gauge: None };
        seats.taken.insert(number, taken);
        Ok(Seat { runs: self.clone(), number })
    }

    /// All of them as `/status` shows them: who, for how long, and how far.
    pub fn status(&self) -> Value {
        let seats = self.0.lock();
        seats.taken.iter().map(|(number, taken)| taken.status(*number)).collect()
    }
}

impl Taken {
    fn status(&self, number: u64) -> Value {
        let far = self.gauge.as_ref().map(|gauge| gauge.far()).unwrap_or_default();
        json!({
            "run": number,
            "module": self.module,
            "seconds": self.since.elapsed().as_secs_f64(),
            "read_bytes": far.read_bytes,
            "size_bytes": far.size_bytes,
            "packets": far.packets,
        })
    }
}

impl Seat {
    /// Shows how far a run is to whoever asks.
    pub fn show(&self, gauge: Arc<Gauge>) {
        if let Some(taken) = self.runs.0.lock().taken.get_mut(&self.number) {
            taken.gauge = Some(gauge);
        }
    }

    /// What `/status` calls it.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.runs.0.lock().taken.remove(&self.number);
    }
}

impl Desk {
    /// Runs the module asked for over what is stored, or says what it would run over. Where nothing
    /// stored serves, `otherwise` is why it was to be run, if that says more.
    pub fn rerun(
        &self,
        query: &Query,
        format: Format,
        otherwise: Option<QueryError>,
    ) -> Result<Answer, Refusal> {
        self.run(query, format, otherwise)?.map_err(|error| refusal(&error))
    }

    /// The same, with the core's own reason where it is not run.
    fn run(
        &self,
        query: &Query,
        format: Format,
        otherwise: Option<QueryError>,
    ) -> Result<Result<Answer, QueryError>, Refusal> {
        let known = self.monitor.instance(&query.module);
        let known = known.or_else(|| self.on_demand.instance(&query.module));
        let kind = match &known {
            Some(instance) => instance.kind.clone(),
            // A name, never a path: whoever asks has no say in what files are read here.
            None => match catalogue::named(&query.module) {
                Some(kind) => kind.map_err(|failure| bad(failure.text()))?,
                None => return Err(bad(format!("there is no module `{}` to run", query.module))),
            },
        };
        let known = match known {
            Some(known) => known,
            None => afresh::as_recorded(self.instance(kind), &*self.store)
                .map_err(|error| refusal(&error.into()))?,
        };
        let instance = afresh::instance(known, query);
        let instance = instance.map_err(|failure| bad(failure.text()))?;
        let maker = instance.maker(self.monitor.lookups());
        let seat = self.runs.take(&query.module)?;
        if query.explain {
            let own = self.own(query)?;
            let filler = own.as_ref().and_then(|own| self.filler(query, own));
            let filler = filler.as_ref().map(|(filler, _)| filler);
            let own = own.as_ref().map(|own| (own, filler));
            let records = self.past(|afresh| afresh.explain(query, instance, own));
            return Ok(records.map(|records| explained(records, format)));
        }
        let run = self.past(|afresh| afresh.perform(query, instance, otherwise));
        Ok(run.map(|run| {
            seat.show(run.gauge());
            let (maker, missed) = (Some(maker), run.missed().map(|missed| missed.to_string()));
            Answer { missed, ..answered(run, seat, (format, maker)) }
        }))
    }

    /// An instance of a module that is nobody's.
    pub fn instance(&self, kind: Arc<dyn Kind>) -> Instance {
        Instance { limits: *self.limits.read(), ..Instance::of(kind) }
    }

    /// With what is stored here, and what a module needs to run over it.
    pub fn past<T>(&self, act: impl FnOnce(&Afresh<'_>) -> T) -> T {
        let makers = |stream: &Stream| {
            let maker = self.monitor.maker(&stream.name);
            maker.or_else(|| {
                let kind = catalogue::named(&stream.module)?.ok()?;
                Some(self.instance(kind).maker(self.monitor.lookups()))
            })
        };
        act(&Afresh {
            store: self.store.clone(),
            packets: &self.packets,
            makers: &makers,
            is_of_view: &|name| self.views.have(name),
            running: Some(Running {
                monitor: self.monitor.clone(),
                clock: self.feed.clock(),
                settled: self.keeping.read().settled_until.clone(),
            }),
            lookups: self.monitor.lookups(),
            common: self.common.clone(),
        })
    }

    /// The answer of a module that runs afresh in place of `error`, if there is one.
    pub fn instead(
        &self,
        query: &Query,
        format: Format,
        error: QueryError,
    ) -> Result<Answer, Refusal> {
        match error {
            QueryError::OtherFilter { partly, .. } => match self.run(query, format, Some(error))? {
                // Nothing stored says more than the records do of a part of the time.
                Err(QueryError::OtherFilter { .. }) if partly.0 > 0 && !query.partly => {
                    self.records(Query { partly: true, ..query.clone() }, format)
                }
                answer => answer.map_err(|error| refusal(&error)),
            },
            QueryError::UnknownModule { name, .. }
                if !query.alone && catalogue::names().contains(&name) =>
            {
                self.rerun(query, format, None)
            }
            error => Err(refusal(&error)),
        }
    }
}

/// The answer of a module at work, which has a seat until it ends.
pub fn answered<S: Steps + Send + 'static>(
    mut steps: S,
    seat: Seat,
    (format, maker): (Format, Option<Maker>),
) -> Answer {
    let sources = crate::query::sources(steps.sources());
    let run = Some(seat.number);
    let body = move |out: &mut dyn Write| {
        let _seat = seat;
        let mut renderer = crate::output::shown(format, maker.as_ref());
        let written = steps.write(renderer.as_mut(), out, || Ok(()));
        written.map(drop).map_err(|error| broken::off(error, renderer.as_mut(), out))
    };
    let mime = format.mime().to_owned();
    Answer { mime, sources: Some(sources), missed: None, run, body: Box::new(body) }
}

/// What could be read to answer, as an answer.
pub fn explained(records: Records, format: Format) -> Answer {
    let body = move |out: &mut dyn Write| {
        let mut renderer = crate::output::shown(format, None);
        render::whole(renderer.as_mut(), &Output::Records(records), out)
    };
    let mime = format.mime().to_owned();
    Answer { mime, sources: None, missed: None, run: None, body: Box::new(body) }
}
