//! The desk behind the HTTP door: status and queries from the running monitor and its store.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use como_core::query::{Answer, Coarse, Packets, Place, Query, QueryError, Quiet, Replayed, Steps};
use como_core::render::Format;
use como_core::storage::packets::{Capture, CopyError, Effort};
use como_core::storage::{Feed, RecordStore};
use como_core::supervisor::Handle;
use como_core::supervisor::counters::TaskStatus;
use como_core::supervisor::keep::Keeping;
use como_core::time::Ts;
use como_web::{Answer as HttpAnswer, Body, Door, Refusal, Script};
use parking_lot::{Mutex, RwLock};

use super::SharedLimits;
use super::deploy::Refused;
use super::joined::Filled;
use super::ondemand::OnDemand;
use super::rerun::{Runs, Seat, answered};
use super::views::Views;
use crate::afresh::{self, Common};
use crate::columnar;

/// How long who follows an instance that was removed waits for its last records.
const LEAVING: Duration = Duration::from_secs(3);

/// What answers with packets took, by instance.
pub type Looked = Arc<Mutex<BTreeMap<String, Effort>>>;

/// Everything that answers are made of. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Desk {
    /// The monitor.
    pub monitor: Handle,
    /// Scripts that were refused.
    pub refused: Refused,
    /// What is stored.
    pub store: Arc<dyn RecordStore>,
    /// Where packets are kept.
    pub packets: PathBuf,
    /// What answers with packets took so far, by instance.
    pub looked: Looked,
    /// What comes.
    pub feed: Feed,
    /// What is safe.
    pub keeping: Arc<RwLock<Keeping>>,
    /// What runs only when it is asked.
    pub on_demand: OnDemand,
    /// Modules that run for questions.
    pub runs: Runs,
    /// What those share.
    pub common: Common,
    /// What one of them may use, where it is no instance's.
    pub limits: SharedLimits,
    /// What groups of users see.
    pub views: Views,
    /// When the monitor started, by the wall clock.
    pub started: SystemTime,
}

impl Desk {
    /// The running instances and their filters.
    pub fn running(&self) -> Vec<(String, String)> {
        self.monitor.status().tasks.into_iter().map(|task| (task.name, task.filter)).collect()
    }

    /// Answers with packets themselves.
    fn packets(&self, query: &Query, capture: Capture) -> Result<HttpAnswer, Refusal> {
        let running = self.running();
        let (feed, packets) = (Some(&self.feed), Some(self.packets.as_path()));
        let place = Place { store: &*self.store, feed, running: &running, packets };
        let lookups = self.monitor.lookups();
        let body: Body = match Packets::open(query, capture, place, lookups.clone()) {
            Ok(answer) => {
                let (name, looked) = (query.module.clone(), self.looked.clone());
                Box::new(move |out| {
                    let copied = answer.write(out).map_err(broken)?;
                    looked.lock().entry(name).or_default().add(copied.effort);
                    Ok(())
                })
            }
            Err(QueryError::NoPackets { .. }) => {
                let own = self.monitor.maker(&query.module).and_then(|maker| maker.replayer());
                let asked = (query, capture, lookups);
                let answer = Replayed::open(asked, place, self.store.clone(), own);
                let answer = answer.map_err(|error| refusal(&error))?;
                Box::new(move |out| answer.write(out).map(drop).map_err(broken))
            }
            Err(error) => return Err(refusal(&error)),
        };
        Ok(HttpAnswer {
            mime: capture.mime().to_owned(),
            sources: None,
            missed: None,
            run: None,
            body,
        })
    }
}

impl Desk {
    /// Answers with stored records, and those that come.
    pub fn records(&self, query: Query, format: Format) -> Result<HttpAnswer, Refusal> {
        if query.interval.is_some() {
            return self.coarse(query, format);
        }
        let running = self.running();
        // What is wrong with the query is found now, while the answer's status can still say so.
        let feed = Some(&self.feed);
        let place = Place { store: &*self.store, feed, running: &running, packets: None };
        let mut answer = match Answer::open(&query, place) {
            Ok(answer) => answer,
            Err(error) => return self.instead(&query, format, error),
        };
        let own = answer.own().map_err(|error| refusal(&error))?;
        let (columns, covered) = (answer.columns(), answer.sources().to_vec());
        let (filling, seat, missed) = match self.fill(&query, &own) {
            Filled::By(filling, seat) => (Some(filling), Some(seat), None),
            alone => (None, None, alone.missed(answer.missed())),
        };
        let sources = filling.as_ref().map(|filling| filling.sources(&covered));
        let sources = crate::query::sources(&sources.unwrap_or_else(|| covered.clone()));
        // What is no instance, as alerts and rollups, is never removed.
        let follows = answer.follows() && self.monitor.instance(&query.module).is_some();
        drop(answer);
        let (store, feed) = (self.store.clone(), self.feed.clone());
        let maker = self.monitor.maker(&query.module);
        // All of a plot is held before any of it is written.
        let is_held = format == Format::Gnuplot && seat.is_none();
        let run = seat.as_ref().map(Seat::number);
        let held = is_held.then(|| self.runs.take(&query.module)).transpose()?;
        let monitor = self.monitor.clone();
        let body = move |out: &mut dyn Write| {
            // Who follows what comes goes on long after what ran for it.
            let is_over = format != Format::Gnuplot
                && filling.as_ref().is_some_and(|filling| filling.ends_first());
            let seat = Cell::new(seat.or(held));
            let feed = Some(&feed);
            let place = Place { store: &*store, feed, running: &running, packets: None };
            let mut renderer = crate::output::shown(format, maker.as_ref());
            let mut waits = Waits { monitor, name: &query.module, since: None };
            let goes_on = || !follows || waits.goes_on();
            let written = match filling {
                None => Answer::open(&query, place)
                    .and_then(|mut answer| answer.write(renderer.as_mut(), out, goes_on)),
                Some(filling) => filling
                    .join(
                        &query,
                        (columns, &covered),
                        Box::new(|query| {
                            if is_over {
                                drop(seat.take());
                            }
                            Answer::begun(query, place)
                        }),
                    )
                    .write(renderer.as_mut(), out, goes_on),
            };
            written.map_err(broken)?;
            waits.ended()
        };
        let mime = format.mime().to_owned();
        Ok(HttpAnswer { mime, sources: Some(sources), missed, run, body: Box::new(body) })
    }

    /// Why what is recorded does not answer, if for an argument.
    fn other_arg(&self, query: &Query) -> Result<Option<QueryError>, Refusal> {
        if query.args.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.monitor.instance(&query.module) {
            return afresh::other_arg(&known, query).map_err(|failure| bad(failure.text()));
        }
        let stream = self.store.stream(&query.module).map_err(|error| refusal(&error.into()))?;
        Ok(stream.and_then(|_| afresh::unknown_arg(query)))
    }

    /// Answers with records of longer intervals.
    fn coarse(&self, query: Query, format: Format) -> Result<HttpAnswer, Refusal> {
        let maker = self.monitor.maker(&query.module);
        let running = self.running();
        let (store, feed) = (self.store.clone(), self.feed.clone());
        let place = Place { store: &*store, feed: Some(&feed), running: &running, packets: None };
        let own = maker.as_ref().and_then(|maker| maker.merger());
        let answer = match Coarse::open(&query, place, own) {
            Ok(answer) => answer,
            Err(error) => return self.instead(&query, format, error),
        };
        let (columns, covered) = (answer.columns(), answer.sources().to_vec());
        let (filling, seat, missed) = match self.fill(&query, &answer.own()) {
            Filled::By(filling, seat) => (Some(filling), Some(seat), None),
            alone => (None, None, alone.missed(answer.missed())),
        };
        let sources = filling.as_ref().map(|filling| filling.sources(&covered));
        // Merging takes time and memory, as running a module does.
        let seat = seat.map_or_else(|| self.runs.take(&query.module), Ok)?;
        let (ours, merging) = ((store.clone(), feed.clone(), running.clone()), maker.clone());
        let made = Quiet::new(&answer, move |given| {
            let (store, feed, running) = ours;
            let place =
                Place { store: &*store, feed: Some(&feed), running: &running, packets: None };
            let own = merging.and_then(|maker| maker.merger());
            let Some(filling) = filling else {
                return given.all(&mut Coarse::open(&query, place, own)?);
            };
            let begin = Box::new(|query: &Query| Coarse::begun(query, place, own));
            given.all(&mut filling.join(&query, (columns, &covered), begin))
        });
        let made = made.map_err(|error| refusal(&error))?;
        let answered = answered(made, seat, (format, maker), |error, _| Err(broken(error)));
        let sources = sources.map(|sources| crate::query::sources(&sources)).or(answered.sources);
        Ok(HttpAnswer { missed, sources, ..answered })
    }
}

/// One who waits for what comes of an instance.
struct Waits<'a> {
    monitor: Handle,
    name: &'a str,
    // When it was first not found to run.
    since: Option<Instant>,
}

impl Waits<'_> {
    /// Whether it was waited for to the end.
    fn ended(self) -> io::Result<()> {
        match self.since.filter(|since| since.elapsed() > LEAVING) {
            Some(_) => Err(io::Error::other("what was followed does not run any more")),
            None => Ok(()),
        }
    }

    /// Whether something may come still: it runs, or has not long stopped.
    fn goes_on(&mut self) -> bool {
        match self.monitor.instance(self.name) {
            Some(_) => self.since = None,
            None => {
                self.since.get_or_insert_with(Instant::now);
            }
        }
        self.since.is_none_or(|since| since.elapsed() <= LEAVING)
    }
}

impl Desk {
    /// What the store has acknowledged. Its trouble is also that of a disk that takes no packets.
    fn kept(&self, tasks: &[TaskStatus]) -> serde_json::Value {
        let mut kept = serde_json::json!(&*self.keeping.read());
        let of_packets = || tasks.iter().find_map(|task| task.trouble.clone());
        if let Some(trouble) = kept.get_mut("trouble").filter(|trouble| trouble.is_null()) {
            *trouble = of_packets().into();
        }
        kept
    }
}

impl Door for Desk {
    fn status(&self) -> String {
        let capture = self.monitor.status();
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = Ts::new(started.as_secs(), 0).to_string();
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "node": super::node(),
            "started": started,
            "store": self.kept(&capture.tasks),
            "capture": capture,
            "window": &*self.looked.lock(),
            "refused": &*self.refused.read(),
            "on_demand": self.on_demand.status(),
            "runs": self.runs.status(),
            "views": self.views.status(),
        })
        .to_string()
    }

    fn modules(&self) -> Vec<(String, String)> {
        let status = self.monitor.status();
        let doc = |module: &str, filter: &str| match filter {
            "" | "all" => module.to_owned(),
            filter => format!("{module}, {filter}"),
        };
        let running = status.tasks.iter().map(|t| (t.name.clone(), doc(&t.module, &t.filter)));
        let on_demand = self.on_demand.list().into_iter();
        let on_demand = on_demand.map(|(name, module, filter)| {
            (name, format!("{}, runs on demand", doc(&module, &filter)))
        });
        running.chain(on_demand).collect()
    }

    fn query(&self, module: &str, parameters: &[(String, String)]) -> Result<HttpAnswer, Refusal> {
        let pairs = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let query =
            Query::parse(pairs.chain([("module", module)])).map_err(|error| refusal(&error))?;
        if let Some(capture) = query.format.as_deref().and_then(Capture::named) {
            query.allows_packets().map_err(|error| refusal(&error))?;
            return self.packets(&query, capture);
        }
        let format = format(&query)?;
        let is_on_demand = self.on_demand.instance(module).is_some();
        if query.source.is_some() || query.explain || is_on_demand {
            return self.rerun(&query, format, None);
        }
        match self.other_arg(&query)? {
            Some(other) => self.rerun(&query, format, Some(other)),
            None => self.records(query, format),
        }
    }

    fn behind(&self, part: &str) -> Option<Box<dyn Door>> {
        Some(Box::new(self.viewed(part)?))
    }

    fn script(
        &self,
        script: Script,
        parameters: &[(String, String)],
    ) -> Result<HttpAnswer, Refusal> {
        self.posted(script, parameters)
    }
}

/// An answer that ends early: the client has gone, or something went wrong here.
pub fn broken(error: QueryError) -> io::Error {
    match error {
        QueryError::Write(error) => error,
        error => {
            tracing::warn!("an answer broke off: {}", crate::error::with_causes(&error));
            io::Error::other(error)
        }
    }
}

/// The format of an answer in records, where this build has it.
pub fn format(query: &Query) -> Result<Format, Refusal> {
    let format = Format::named(query.format.as_deref().unwrap_or("ndjson"));
    let format = format.map_err(|error| bad(error.to_string()))?;
    match columnar::knows(format) {
        true => Ok(format),
        false => Err(Refusal::new(501, "Not Implemented", columnar::MISSING)),
    }
}

pub fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "Bad Request", text)
}

pub fn refusal(error: &QueryError) -> Refusal {
    let text = error.to_string();
    match error {
        QueryError::UnknownModule { .. } => Refusal::new(404, "Not Found", text),
        QueryError::Packets(CopyError::Read { .. }) | QueryError::Store(_) => {
            Refusal::new(503, "Service Unavailable", text)
        }
        _ => bad(text),
    }
}
