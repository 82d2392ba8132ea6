//! Answers of records that do not reach all of the time asked for: what is stored beside them
//! serves for the rest.

use como_core::query::{Answer, Coarse, Filling, Missed, Own, Place, Query, QueryError};
use como_web::Refusal;

use como_core::supervisor::Instance;

use super::door::{Desk, refusal};
use super::rerun::Seat;
use crate::{afresh, catalogue};

/// What runs beside records, with its place; or why that is not measured which could be.
pub enum Filled {
    /// It runs.
    By(Box<Filling>, Seat),
    /// The records are all there is.
    Nothing,
    /// The records are given alone.
    Not(String),
}

impl Filled {
    /// What is to be said of records that are given alone, of which it is known that they `missed`
    /// all that was asked for.
    pub fn missed(self, missed: Option<Missed>) -> Option<String> {
        let why = match self {
            Self::Not(why) => Some(why),
            _ => None,
        };
        let all: Vec<String> =
            missed.map(|missed| missed.to_string()).into_iter().chain(why).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Desk {
    /// What runs for the time that the records of an instance do not reach. What is stored is given
    /// also where nothing can.
    pub fn fill(&self, query: &Query, own: &Own) -> Filled {
        let Some((instance, doubt)) = self.filler(query, own) else { return Filled::Nothing };
        let mut full = None;
        let place = || self.runs.take(&query.module).map_err(|refusal| full = Some(refusal)).ok();
        let filled = self.past(|afresh| afresh.fill(&instance, own, place));
        let not = |why: &str| {
            Filled::Not(format!("what its records do not reach is not measured afresh: {why}"))
        };
        match (filled, full) {
            (Ok(Some((mut filling, seat))), _) => {
                doubt.iter().for_each(|doubt| filling.reserve(doubt));
                filling.gauge().into_iter().for_each(|gauge| seat.show(gauge));
                Filled::By(Box::new(filling), seat)
            }
            (Ok(None), Some(full)) => not(&full.text),
            (Ok(None), None) => Filled::Nothing,
            (Err(error), _) => {
                let why = crate::error::with_causes(&error);
                tracing::warn!("nothing is measured beside records of `{}`: {why}", own.name);
                not(&why)
            }
        }
    }

    /// What is to run for that time, where anything may serve there, and what is not known of it.
    pub fn filler(&self, query: &Query, own: &Own) -> Option<(Instance, Option<String>)> {
        if !self.past(|afresh| afresh.has_beside(query, own)) {
            return None;
        }
        let known = self.monitor.instance(own.instance());
        let made_by = || Some(self.instance(catalogue::named(&own.module)?.ok()?));
        afresh::beside(known, made_by, (query, own))
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
        let packets = Some(&*self.packets);
        let place = Place { store: &*self.store, feed, running: &running, packets };
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
