//! What an instance's own records do not reach: its module runs afresh over whatever serves there.
//!
//! The two meet where an interval begins. The records' first interval, and
//! their last, may have been measured in part: where something else has all of
//! it, that is run over in its place.

use std::sync::Arc;

use super::price::Asked;
use super::reach::{is_small, length};
use super::{Candidate, Look, Past, Which};
use crate::lookup::Lookups;
use crate::query::joined::{Filling, Own, Rest};
use crate::query::{QueryError, redefined};
use crate::record::{Output, Records};
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
        let mut before = serving(own.before(interval, lens[0]), first)?;
        let since = before.as_ref().map_or(Ts(0), |(_, window, _)| window.to);
        let mut behind = serving(own.behind(interval, lens[1], since), last)?;
        if let Some(stored) = own.stored {
            self.compare(&mut before, own, stored)?;
            self.compare(&mut behind, own, last_of(stored, interval))?;
        }
        Ok([before, behind])
    }

    /// Takes note of it where what is run measures something else than the first of the records of
    /// a window, beside which its own stand, did: the module was redeployed since.
    fn compare(
        &self,
        served: &mut Option<Served>,
        own: &Own,
        window: Window,
    ) -> Result<(), QueryError> {
        let Some((chosen, _, instance)) = served else { return Ok(()) };
        let Some(records) = self.first_of(&own.name, window)? else { return Ok(()) };
        let measured = crate::supervisor::task(instance.clone())?.schema;
        chosen.doubt = redefined::beside(&records.schema, &measured).or(chosen.doubt.take());
        Ok(())
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
            if is_small(length(&lacks), length(&beside)) {
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
            || streams()
                .into_iter()
                .filter(|stream| stream.name != own.name)
                .any(|stream| stream.span().and_then(|span| span.common(window)).is_some())
    }

    /// How long the first interval of an instance's records is, and the last one if it is as long
    /// as those asked for.
    fn lens(&self, own: &Own, interval: Span) -> Result<[Span; 2], QueryError> {
        let Some(stored) = own.stored.filter(|_| !own.is_merged) else { return Ok([own.len; 2]) };
        let records = self.first_of(&own.name, last_of(stored, interval))?;
        Ok([own.len, records.map_or(Span(0), |records| records.len)])
    }

    /// The first records of a stream in a window.
    fn first_of(&self, name: &str, window: Window) -> Result<Option<Records>, QueryError> {
        let mut scan = Scan::new(&*self.store, name, window);
        while let Some(found) = scan.find().transpose()? {
            if let Found::Part(part) = found
                && let Output::Records(records) = part.output
            {
                return Ok(Some(records));
            }
        }
        Ok(None)
    }
}

/// The last interval of a length of what is stored.
fn last_of(stored: Window, interval: Span) -> Window {
    Window { from: Ts(stored.to.0.saturating_sub(interval.0)), ..stored }
}
