//! Questions for the packets of an instance that keeps none: its records, replayed.

use std::io::Write;
use std::sync::Arc;

use super::answer::{Place, find, parsed};
use super::{Query, QueryError};
use crate::field::Fields;
use crate::filter::{Expr, Plan};
use crate::lookup::Lookups;
use crate::module::Replay;
use crate::replay::{OnDemand, ReplayError, Replayer, capture};
use crate::source::Source;
use crate::storage::packets::Capture;
use crate::storage::{Feed, RecordStore};

/// One answer in packets made from records.
pub struct Replayed {
    // None where nothing was recorded yet.
    source: Option<OnDemand>,
    filter: Option<Expr>,
    lookups: Arc<Lookups>,
    capture: Capture,
    module: String,
}

impl Replayed {
    /// Begins to answer from `store`, which is that of `place`; the filter looks addresses up in
    /// the tables given. `own` is the module's own way to turn its records into packets. What is
    /// wrong with the query, and with records that cannot be replayed, is found here.
    pub fn open(
        (query, capture, lookups): (&Query, Capture, Arc<Lookups>),
        place: Place<'_>,
        store: Arc<dyn RecordStore>,
        own: Option<Box<dyn Replay>>,
    ) -> Result<Self, QueryError> {
        let filter = query.filter.as_deref().map(parsed).transpose()?;
        let stream = find(&query.module, &place)?;
        let clock = place.feed.and_then(Feed::clock).or(stream.end).unwrap_or_default();
        let window = Query { wait: false, ..query.clone() }.window(clock)?;
        let fails = |why| QueryError::NoReplay { module: query.module.clone(), why };
        let name = query.module.clone();
        let source = match OnDemand::open(name, store, stream, window, Replayer::new(own)) {
            Ok(source) => Some(source),
            Err(ReplayError::NoRecords) => None,
            Err(ReplayError::Store(error)) => return Err(error.into()),
            Err(why) => return Err(fails(why)),
        };
        let offers = source.as_ref().map_or(Fields::ALL, |source| source.description().offers);
        let mut plan = Plan::default();
        if let Some(filter) = &filter {
            plan.add(filter);
        }
        match plan.demand().needs().without(offers).next() {
            Some(field) => Err(fails(ReplayError::Lacks(field))),
            None => Ok(Self { source, filter, lookups, capture, module: query.module.clone() }),
        }
    }

    /// Writes the capture, and returns how many packets it has.
    pub fn write(self, out: &mut dyn Write) -> Result<u64, QueryError> {
        let Self { source, filter, lookups, capture, module } = self;
        let written = match source {
            Some(source) => capture::write(source, (filter.as_ref(), &lookups), capture, out),
            None => capture::write_nothing(capture, out),
        };
        written.map_err(|error| match error {
            capture::WriteError::Write(error) => QueryError::Write(error),
            capture::WriteError::Copy(error) => QueryError::Packets(error),
            capture::WriteError::Replay(ReplayError::Store(error)) => error.into(),
            capture::WriteError::Replay(why) => QueryError::NoReplay { module, why },
        })
    }
}
