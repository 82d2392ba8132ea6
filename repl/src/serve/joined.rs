//! Answers of records that do not reach all of the time asked for: what is stored beside them
//! serves for the rest.

use como_core::query::{Answer, Coarse, Filling, Own, Place, Query, QueryError};
use como_web::Refusal;

use super::door::{Desk, refusal};
use super::rerun::Seat;
use crate::{afresh, catalogue};

impl Desk {
    /// What runs for the time that the records of an instance do not reach, if anything does, and
    /// its place.
    pub fn fill(&self, query: &Query, own: &Own) -> Result<Option<(Filling, Seat)>, Refusal> {
        let is_wanted = !query.alone && !query.partly && own.lacks_any();
        if !is_wanted || !self.past(|afresh| afresh.has_beside(own)) {
            return Ok(None);
        }
        let known = self.monitor.instance(&query.module);
        let made_by = || Some(self.instance(catalogue::named(&own.module)?.ok()?));
        let Some((instance, doubt)) = afresh::beside(known, made_by, (query, own)) else {
            return Ok(None);
        };
        let seat = self.runs.take(&query.module)?;
        let filled = self.past(|afresh| afresh.fill(&instance, own));
        let Some(mut filling) = filled.map_err(|error| refusal(&error))? else { return Ok(None) };
        doubt.iter().for_each(|doubt| filling.reserve(doubt));
        filling.gauge().into_iter().for_each(|gauge| seat.show(gauge));
        Ok(Some((filling, seat)))
    }

    /// How far the records reach that would answer a question, where any would.
    pub fn own(&self, query: &Query) -> Result<Option<Own>, Refusal> {
        let is_afresh = query.source.is_some()
            || !query.args.is_empty()
            || self.on_demand.instance(&query.module).is_some();
        if is_afresh {
            return Ok(None);
        }
        let running = self.running();
        let feed = Some(&self.feed);
        let place = Place { store: &*self.store, feed, running: &running, packets: None };
        let own = match query.interval {
            Some(_) => Coarse::open(query, place, None).map(|answer| answer.own()),
            None => Answer::open(query, place).and_then(|answer| answer.own()),
        };
        match own {
            Ok(own) => Ok(Some(own)),
            Err(QueryError::Store(error)) => Err(refusal(&error.into())),
            // Then something else is read.
            Err(_) => Ok(None),
        }
    }
}
