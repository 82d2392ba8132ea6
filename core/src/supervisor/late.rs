//! Instances that join while others run: at their next boundary, or with the past behind them.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::catchup::{CatchUp, Missed, Since, Told};
use super::counters::{Counters, TaskCounters};
use super::needs::{Offer, suits};
use super::{Around, AttachError, Backfill, Handle, Instance, Running, prepare};
use crate::capture::guest::Ticket;
use crate::capture::{Control, Joining};
use crate::filter::Expr;
use crate::module::Alert;
use crate::module::aside::stream;
use crate::queue::{self, Nothing};
use crate::record::Output;
use crate::source::Covered;
use crate::storage::packets::Keeps;
use crate::time::Ts;
use crate::worker::{Emission, Event};

/// An instance that keeps packets, and where.
pub(crate) type Found = (Arc<str>, Keeps);

/// Whether a filter passes all packets that another picks, as far as their texts tell.
fn lets_through(filter: &str, picked: &str) -> bool {
    Expr::parse(picked).is_ok_and(|picked| picked.is_kept_by(filter))
}

/// What the reader of a question may be behind: so many bytes of records, or so many events.
const QUEUE_BYTES: usize = 16 << 20;
const QUEUE: usize = 16;

impl Handle {
    /// Starts an instance, where the sources offer this.
    pub(super) fn begin(&self, instance: Instance, offers: &[Offer]) -> Result<(), AttachError> {
        self.keeps_apart(&instance)?;
        let joins_late = self.counters.clock().is_some();
        let lookups = self.lookups();
        let around =
            Around { lookups: &lookups, costs: self.counters.costs(), writes: self.writes };
        let joining = prepare(instance.clone(), joins_late, around)?;
        suits(&joining, offers, &lookups)?;
        let name = joining.task.name.clone();
        let mut running = Running {
            filter: joining.filter.to_string(),
            keeps: joining.task.module.keeps(),
            instance,
            ticket: None,
        };
        let counters = joining.task.counters.clone();
        let backfill = running.instance.backfill.clone();
        let is_free = self.makes_way(&name, backfill.is_some());
        let joining = match backfill.filter(|_| is_free) {
            Some(backfill) => match self.keeper(Some(&name), &running.filter) {
                Ok((keeper, keeps)) => {
                    counters.note_past("being filled in");
                    let ticket = Ticket::new(true);
                    running.ticket = Some(ticket.clone());
                    let again = running.instance.clone();
                    let late = self.backfilled(backfill, joining, (keeper, keeps), ticket, again);
                    Control::CatchUp(Box::new(late))
                }
                Err(why) => {
                    tracing::warn!("module `{name}`: its past is not filled in: {why}");
                    counters.note_past(format!("not filled in: {why}"));
                    Control::Attach(Box::new(joining))
                }
            },
            None => Control::Attach(Box::new(joining)),
        };
        self.control.send(joining).map_err(|_| AttachError::Ended)?;
        self.instances.write().insert(name.to_string(), running);
        self.counters.put_task(&name, counters);
        Ok(())
    }

    /// Refuses an instance whose records would go where rows of another's outputs go, or the other
    /// way round.
    fn keeps_apart(&self, new: &Instance) -> Result<(), AttachError> {
        let instances = self.instances.read();
        let others = instances.values().map(|running| &running.instance);
        for other in others.filter(|other| other.name != new.name) {
            for (owner, named) in [(other, new), (new, other)] {
                let outputs = &owner.kind.manifest().outputs;
                let is_named = |output: &&String| stream(&owner.name, output) == named.name;
                if let Some(output) = outputs.iter().find(is_named) {
                    let (instance, output) = (owner.name.clone(), output.clone());
                    return Err(AttachError::Output { instance, output });
                }
            }
        }
        Ok(())
    }

    /// Whether no task of this name measures what comes. One that still runs over the past is
    /// dropped for its successor, and for one that has the past filled in one that is parked.
    fn makes_way(&self, name: &Arc<str>, fills_in: bool) -> bool {
        let instances = self.instances.read();
        let Some(running) = instances.get(&**name) else { return true };
        if running.ticket.as_ref().is_some_and(|ticket| ticket.void()) {
            return true;
        }
        let parked = fills_in && self.counters.task(name).is_some_and(|task| task.is_parked());
        if parked {
            // Capture has gone where nobody hears it.
            let _ = self.control.send(Control::Detach(name.clone()));
        }
        parked
    }

    /// Who keeps, beside the one who asks, all packets that a filter picks as they came.
    pub(crate) fn keeper(&self, asking: Option<&str>, filter: &str) -> Result<Found, String> {
        let instances = self.instances.read();
        let mut why = "nothing keeps packets: an instance of `trace` does".to_owned();
        let mut found: Option<(&str, &Running, &Keeps)> = None;
        for (name, running) in instances.iter().filter(|(name, _)| Some(&***name) != asking) {
            let Some(keeps) = &running.keeps else { continue };
            match &keeps.changed {
                Some(changed) => {
                    why = format!("`{name}` does not keep packets as they are: {changed}")
                }
                None if lets_through(&running.filter, filter) => {
                    // Of several the first by name, so that it is always the same.
                    if found.is_none_or(|(other, ..)| name.as_str() < other) {
                        found = Some((name, running, keeps));
                    }
                }
                None => why = format!("`{name}` keeps only the packets of `{}`", running.filter),
            }
        }
        found.map(|(name, _, keeps)| (name.into(), keeps.clone())).ok_or(why)
    }

    /// The same of one who is named, and what is wrong with what it keeps, if anything.
    pub(crate) fn keeper_named(
        &self,
        name: &str,
        filter: &str,
    ) -> Result<(Found, Option<String>), String> {
        let instances = self.instances.read();
        let running = instances.get(name);
        let Some(keeps) = running.and_then(|running| running.keeps.clone()) else {
            return Err(format!("`{name}` keeps no packets now, as an instance of `trace` does"));
        };
        let other = running.filter(|running| !lets_through(&running.filter, filter));
        let other = other.map(|r| format!("it has only the packets of `{}`", r.filter));
        let changed = keeps.changed.as_ref().map(|how| format!("what it kept was changed: {how}"));
        Ok(((name.into(), keeps), other.or(changed)))
    }

    /// What is to run over the past and then to join; in vain, it joins as others do.
    fn backfilled(
        &self,
        Backfill { span, stored, shed }: Backfill,
        joining: Joining,
        (keeper, keeps): (Arc<str>, Keeps),
        ticket: Arc<Ticket>,
        again: Instance,
    ) -> CatchUp {
        // What another keeper lacks is nothing to who reads this one.
        let shed = shed.get(&*keeper).copied();
        let (handle, counters) = (self.clone(), joining.task.counters.clone());
        let (wanted, from) = (ticket.clone(), keeper.clone());
        let has_shed = move |handle: &Self, counters: &TaskCounters| {
            // Its records say so.
            if handle.counters.task(&from).is_some_and(|keeper| keeper.has_shed()) {
                counters.note_past_lacks();
            }
            counters.has_past_lacks().then(|| format!("`{from}` has shed some of its packets"))
        };
        has_shed(self, &counters);
        let told = Told::new(move |caught_up| {
            let name = &again.name;
            match caught_up {
                Ok(()) => {
                    tracing::info!("module `{name}` has caught up and measures what comes");
                    let what = match has_shed(&handle, &counters) {
                        Some(why) => {
                            tracing::warn!("module `{name}`: its past is inexact: {why}");
                            format!("filled in, inexact: {why}")
                        }
                        None => "filled in".to_owned(),
                    };
                    counters.note_past(what);
                }
                Err(Missed::Unwanted) => {}
                Err(_) if wanted.is_void() => {}
                Err(why) => {
                    let why = crate::source::with_causes(&why);
                    tracing::warn!("module `{name}`: its past is filled in only in part: {why}");
                    let instance = Instance { backfill: None, ..again.clone() };
                    handle.begin_in_vain(instance, &why);
                }
            }
        });
        CatchUp {
            joining,
            keeper,
            keeps,
            since: Since::Back { span, stored, clock: self.counters.clock(), shed },
            ticket,
            control: self.control.clone(),
            export: None,
            told,
        }
    }

    /// Has an instance whose past was not filled in join as others do.
    fn begin_in_vain(&self, instance: Instance, why: &str) {
        let name = instance.name.clone();
        match self.begin(instance, &self.counters.offers()) {
            Ok(()) => {
                if let Some(task) = self.counters.task(&name) {
                    task.note_past(format!("filled in only in part: {why}"));
                }
            }
            Err(AttachError::Ended) => {}
            Err(error) => tracing::error!("module `{name}` does not run: {error}"),
        }
    }

    /// Runs an instance over the packets that another keeps, from `from` on, and then over what
    /// comes. It is no part of the monitor and ends with the one who asks.
    pub(crate) fn follow(
        &self,
        instance: Instance,
        (keeper, keeps): Found,
        from: Ts,
    ) -> Result<Late, AttachError> {
        let lookups = self.lookups();
        let around = Around { lookups: &lookups, costs: self.counters.costs(), writes: false };
        let joining = prepare(instance, false, around)?;
        suits(&joining, &self.counters.offers(), &lookups)?;
        let ticket = Ticket::new(false);
        let (export, emissions) = queue::bounded_by(QUEUE_BYTES, |emission: &Emission| {
            emission.bytes().max(QUEUE_BYTES / QUEUE)
        });
        let (missed, why) = bounded(1);
        let task = joining.task.counters.clone();
        let late = CatchUp {
            joining,
            keeper,
            keeps,
            since: Since::Instant(from),
            ticket: ticket.clone(),
            control: self.control.clone(),
            export: Some(export),
            told: Told::new(move |caught_up| match caught_up {
                Ok(()) | Err(Missed::Unwanted) => {}
                // Who asked may have gone.
                Err(error) => drop(missed.send(error)),
            }),
        };
        let control = self.control.clone();
        control.send(Control::CatchUp(Box::new(late))).map_err(|_| AttachError::Ended)?;
        Ok(Late { emissions, missed: why, ticket, control, task, counters: self.counters.clone() })
    }
}

/// An instance at work for one who asked, over the past and then over what comes. Dropping it ends
/// it.
pub struct Late {
    emissions: queue::Receiver<Emission>,
    missed: Receiver<Missed>,
    ticket: Arc<Ticket>,
    control: Sender<Control>,
    task: Arc<TaskCounters>,
    counters: Arc<Counters>,
}

/// What one who asked hears of an instance that runs for it.
pub enum Heard {
    /// It recorded something, of the sources with these numbers.
    Output(Output, Arc<[u16]>),
    /// It raised alerts.
    Alerts(Vec<Alert>),
    /// All that it records before this instant has been said.
    Closed(Ts),
    /// Nothing in time.
    Nothing,
    /// It has ended with the monitor.
    End,
    /// It did not come as far as the present.
    Missed(Missed),
}

impl Late {
    /// What its records cover that are of the sources of these numbers; without any, what those
    /// will cover that come.
    pub fn covered(&self, numbers: &[u16]) -> Vec<Covered> {
        match numbers {
            [] => self.counters.covered(&self.counters.suiting(self.task.needs())),
            numbers => self.counters.covered(numbers),
        }
    }

    /// What went wrong in the module for which it is parked; or at all, where that is asked.
    pub fn failed(&self, at_all: bool) -> Option<String> {
        self.task.failed(at_all)
    }

    /// What comes next, until `deadline`.
    pub fn hear(&self, deadline: Instant) -> Heard {
        loop {
            match self.emissions.recv_until(deadline).map(|emission| emission.event) {
                Ok(Event::Output(output, sources)) => return Heard::Output(output, sources),
                Ok(Event::Closed(until)) => return Heard::Closed(until),
                Ok(Event::Asides(asides)) if !asides.alerts.is_empty() => {
                    return Heard::Alerts(asides.alerts);
                }
                // Whoever asks for records is told of nothing else.
                Ok(Event::Begin(..) | Event::Opened(_) | Event::Asides(_) | Event::Flushed(_)) => {}
                Err(Nothing::Late) => return Heard::Nothing,
                Err(Nothing::Gone) => {
                    return match self.missed.recv() {
                        Ok(missed) => Heard::Missed(missed),
                        Err(_) if self.ticket.is_behind() => Heard::Missed(Missed::Behind),
                        Err(_) => Heard::End,
                    };
                }
            }
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.ticket.void();
        // Where capture has gone, so have its batches.
        let _ = self.control.send(Control::Leave(self.ticket.clone()));
    }
}
