//! What an instance's own records do not reach: its module runs afresh over whatever serves there.
//!
//! The two meet where an interval begins. The records' first interval, and
//! their last, may have been measured in part: where something else has all of
//! it, that is run over in its place.

use std::sync::Arc;

use super::price::Asked;
use super::reach::{EDGES, length};
use super::{Candidate, Look, Past, Which};
use crate::lookup::Lookups;
use crate::query::QueryError;
use crate::query::joined::{Filling, Own, Rest};
use crate::record::Output;
use crate::storage::scan::Found;
use crate::storage::{Scan, Window, packets};
use crate::supervisor::{Instance, Needs};
use crate::time::{Span, Ts};

/// What serves for a time, which time that is, and what is run over it.
type Served = (Candidate, Window, Instance);

impl Past<'_> {
    /// Runs a module for the time before the records that it made, and behind them, where anything
    /// else that is stored serves for any of it, and `place` gives it one to run in.
    pub fn fill<P>(
        &self,
        instance: &Instance,
        own: &Own,
        lookups: &Arc<Lookups>,
        place: impl FnOnce() -> Option<P>,
    ) -> Result<Option<(Filling, P)>, QueryError> {
        let start = |part: Option<Served>| {
            let Some((chosen, window, instance)) = part else { return Ok(None) };
            let needs = Needs::of(instance.clone())?;
            let asked = Asked { instance: &instance, needs: &needs, window, lookups };
            let run = self.run_over(chosen, asked, false)?;
            Ok::<_, QueryError>(Some((run, window)))
        };
        let [before, behind] = self.rests(instance, own, lookups)?;
        if before.is_none() && behind.is_none() {
            return Ok(None);
        }
        let Some(place) = place() else { return Ok(None) };
        let (before, behind) = (start(before)?, start(behind)?);
        Ok(Some((Filling { before, behind, window: own.window, asked: own.asked }, place)))
    }

    /// Whether anything is stored that may serve for the time that an instance's records do not
    /// reach.
    pub fn has_beside(&self, own: &Own) -> bool {
        own.lacks_any()
            && match own.stored {
                Some(stored) => own.window.without(stored).any(|rest| self.has_any(own, rest)),
                None => self.has_any(own, own.window),
            }
    }

    /// What serves for the time before the records and for that behind them, and which time that
    /// is.
    pub(super) fn rests(
        &self,
        instance: &Instance,
        own: &Own,
        lookups: &Arc<Lookups>,
    ) -> Result<[Option<Served>; 2], QueryError> {
        if !own.lacks_any() {
            return Ok([None, None]);
        }
        let of = |is_first| Instance {
            filter: own.filter(is_first).unwrap_or(&instance.filter).to_owned(),
            ..instance.clone()
        };
        let serving = |rest: Option<Rest>, instance: Instance| {
            let Some(rest) = rest.filter(|rest| self.has_any(own, rest.window)) else {
                return Ok(None);
            };
            let serving = self.serving(rest, &instance, own, lookups)?;
            Ok::<_, QueryError>(serving.map(|(chosen, window)| (chosen, window, instance)))
        };
        let (first, last) = (of(true), of(false));
        let interval = Needs::of(first.clone())?.interval;
        let lens = self.lens(own, interval)?;
        let before = serving(own.before(interval, lens[0]), first)?;
        let since = before.as_ref().map_or(Ts(0), |(_, window, _)| window.to);
        let behind = serving(own.behind(interval, lens[1], since), last)?;
        Ok([before, behind])
    }

    /// What serves best for a time beside the records, and for how much of it.
    fn serving(
        &self,
        rest: Rest,
        instance: &Instance,
        own: &Own,
        lookups: &Arc<Lookups>,
    ) -> Result<Option<(Candidate, Window)>, QueryError> {
        let needs = Needs::of(instance.clone())?;
        if needs.missing_table(lookups).is_some() {
            return Ok(None);
        }
        let best = |window| {
            let asked = Asked { instance, needs: &needs, window, lookups };
            let mut all =
                self.look(Look { needs: &needs, window, at: Which::Beside(&own.name) })?;
            all.retain(|one| {
                one.refusal.is_none() && one.reservation.is_none() && one.reached_ns() > 0
            });
            if all.len() > 1 {
                self.price(&mut all, asked, |_| true);
            }
            Ok::<_, QueryError>(all.into_iter().next())
        };
        let Some(chosen) = best(rest.window)? else { return Ok(None) };
        if rest.wide != rest.window
            && let Some(mut wider) = best(rest.wide)?
            && wider.name == chosen.name
        {
            self.look_for_gaps(&mut wider);
            let beside: Vec<Window> = rest.wide.without(rest.window).collect();
            let lacks = wider.lacks(&beside);
            // Where it lacks a moment the records do so too, unless they say more than they might.
            if length(&lacks).saturating_mul(EDGES) <= length(&beside) {
                lacks.first().into_iter().for_each(|lack| wider.edge_lacks(*lack));
                return Ok(Some((wider, rest.wide)));
            }
        }
        Ok(Some((chosen, rest.window)))
    }

    /// Whether anything but an instance's own records lies in a time.
    fn has_any(&self, own: &Own, window: Window) -> bool {
        let of_packets = |dir: &std::path::PathBuf| {
            let span = packets::covered(dir).ok().flatten();
            span.is_some_and(|(first, last)| first < window.to && last >= window.from)
        };
        let streams = || self.store.streams().unwrap_or_default();
        super::folders(self.packets).iter().any(of_packets)
            || streams().into_iter().filter(|stream| stream.name != own.name).any(|stream| {
                let span = stream.first.zip(stream.end).map(|(from, to)| Window { from, to });
                span.and_then(|span| span.common(window)).is_some()
            })
    }

    /// How long the first interval of an instance's records is, and the last one if it is as long
    /// as those asked for.
    fn lens(&self, own: &Own, interval: Span) -> Result<[Span; 2], QueryError> {
        let Some(stored) = own.stored.filter(|_| !own.is_merged) else { return Ok([own.len; 2]) };
        let last = Ts(stored.to.0.saturating_sub(interval.0));
        let mut scan = Scan::new(&*self.store, &own.name, Window { from: last, ..stored });
        while let Some(found) = scan.find().transpose()? {
            if let Found::Part(part) = found
                && let Output::Records(records) = part.output
            {
                return Ok([own.len, records.len]);
            }
        }
        Ok([own.len, Span(0)])
    }
}
