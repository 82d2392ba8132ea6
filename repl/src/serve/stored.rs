//! Answers of stored records, and of those that come, with what runs afresh for the time that they
//! do not reach.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use como_core::module::Maker;
use como_core::query::{Answer, Coarse, Filling, Place, Query, QueryError, Quiet, Steps};
use como_core::record::Schema;
use como_core::render::{Format, Renderer};
use como_core::storage::{Coverage, Feed, RecordStore};
use como_core::supervisor::Handle;
use como_web::{Answer as HttpAnswer, Refusal};

use super::broken;
use super::door::{Desk, bad, refusal};
use super::joined::Filled;
use super::rerun::{Seat, answered};
use crate::afresh;

/// How long who follows an instance that was removed waits for its last records.
const LEAVING: Duration = Duration::from_secs(3);

impl Desk {
    /// Answers with stored records, and those that come.
    pub fn records(&self, query: Query, format: Format) -> Result<HttpAnswer, Refusal> {
        if query.interval.is_some() {
            return self.coarse(query, format);
        }
        let records = self.at_hand();
        // What is wrong with the query is found now, while the answer's status can still say so.
        let mut answer = match Answer::open(&query, records.place()) {
            Ok(answer) => answer,
            Err(error) => return self.instead(&query, format, error),
        };
        let own = answer.own().map_err(|error| refusal(&error))?;
        let (columns, covered) = (answer.columns(), answer.sources().to_vec());
        let (filling, mut seat, missed) = match self.fill(&query, &own) {
            Filled::By(filling, seat) => (Some(filling), Some(seat), None),
            alone => (None, None, alone.missed(answer.missed())),
        };
        let sources = filling.as_ref().map(|filling| filling.sources(&covered));
        let sources = crate::query::sources(&sources.unwrap_or_else(|| covered.clone()));
        // What is no instance, as alerts and rollups, is never removed.
        let follows = answer.follows() && self.monitor.instance(&query.module).is_some();
        drop(answer);
        let run = seat.as_ref().map(Seat::number);
        // All of a plot is held before any of it is written.
        if format == Format::Gnuplot && seat.is_none() {
            seat = Some(self.runs.take(&query.module)?);
        }
        let maker = self.monitor.maker(&query.module);
        let waits =
            Waits { monitor: self.monitor.clone(), name: query.module.clone(), since: None };
        let waits = follows.then_some(waits);
        let filling = filling.map(|filling| (*filling, columns, covered));
        let telling = Telling { records, query, format, maker, filling, seat, waits };
        Ok(HttpAnswer {
            mime: format.mime().to_owned(),
            sources: Some(sources),
            missed,
            run,
            body: Box::new(move |out: &mut dyn Write| telling.write(out)),
        })
    }

    /// The records there are, and those that come.
    fn at_hand(&self) -> Records {
        Records {
            store: self.store.clone(),
            feed: self.feed.clone(),
            running: self.running(),
            packets: self.packets.clone(),
        }
    }

    /// Why what is recorded does not answer, if for an argument.
    pub fn other_arg(&self, query: &Query) -> Result<Option<QueryError>, Refusal> {
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
        let records = self.at_hand();
        let own = maker.as_ref().and_then(|maker| maker.merger());
        let answer = match Coarse::open(&query, records.place(), own) {
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
        let (ours, merging) = (records.clone(), maker.clone());
        let made = Quiet::new(&answer, move |given| {
            let own = merging.and_then(|maker| maker.merger());
            let Some(filling) = filling else {
                return given.all(&mut Coarse::open(&query, ours.place(), own)?);
            };
            let begin = Box::new(|query: &Query| Coarse::begun(query, ours.place(), own));
            given.all(&mut filling.join(&query, (columns, &covered), begin))
        });
        let made = made.map_err(|error| refusal(&error))?;
        let answered = answered(made, seat, (format, maker));
        let sources = sources.map(|sources| crate::query::sources(&sources)).or(answered.sources);
        Ok(HttpAnswer { missed, sources, ..answered })
    }
}

/// Where the records of all instances are. Cheap to clone.
#[derive(Clone)]
struct Records {
    store: Arc<dyn RecordStore>,
    feed: Feed,
    running: Vec<(String, String)>,
    packets: PathBuf,
}

impl Records {
    fn place(&self) -> Place<'_> {
        let feed = Some(&self.feed);
        let packets = Some(&*self.packets);
        Place { store: &*self.store, feed, running: &self.running, packets }
    }
}

/// An answer of records that has its status, and is to be written.
struct Telling {
    records: Records,
    query: Query,
    format: Format,
    maker: Option<Maker>,
    // What runs beside them, with the columns and the sources of theirs.
    filling: Option<(Filling, Option<Arc<Schema>>, Vec<Coverage>)>,
    seat: Option<Seat>,
    // Where what comes is followed.
    waits: Option<Waits>,
}

impl Telling {
    /// Writes it. Where it breaks off, it says so.
    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let mut renderer = crate::output::shown(self.format, self.maker.as_ref());
        let told = self.tell(renderer.as_mut(), out);
        told.map_err(|error| broken::off(error, renderer.as_mut(), out))
    }

    fn tell(self, renderer: &mut dyn Renderer, out: &mut dyn Write) -> Result<(), QueryError> {
        let Self { records, query, format, filling, seat, mut waits, .. } = self;
        let goes_on = || waits.as_mut().map_or(Ok(()), Waits::goes_on);
        let Some((filling, columns, covered)) = filling else {
            let mut answer = Answer::open(&query, records.place())?;
            return answer.write(renderer, out, goes_on).map(drop);
        };
        // Who follows what comes goes on long after what ran for it.
        let is_over = format != Format::Gnuplot && filling.ends_first();
        let (leaving, _staying) = if is_over { (seat, None) } else { (None, seat) };
        let open = Box::new(|query: &Query| {
            drop(leaving);
            Answer::begun(query, records.place())
        });
        filling.join(&query, (columns, &covered), open).write(renderer, out, goes_on).map(drop)
    }
}

/// One who waits for what comes of an instance.
struct Waits {
    monitor: Handle,
    name: String,
    // When it was first not found to run.
    since: Option<Instant>,
}

impl Waits {
    /// Fails where nothing comes any more: it does not run, and stopped long ago.
    fn goes_on(&mut self) -> Result<(), QueryError> {
        match self.monitor.instance(&self.name) {
            Some(_) => self.since = None,
            None => {
                self.since.get_or_insert_with(Instant::now);
            }
        }
        match self.since.is_some_and(|since| since.elapsed() > LEAVING) {
            true => Err(QueryError::Left),
            false => Ok(()),
        }
    }
}
