//! Records of an instance as a candidate: whether they can be replayed, and what they do not say.

use std::collections::BTreeMap;

use super::unfit::{Unfit, texts};
use super::{Candidate, Look, Past, lacking};
use crate::field::Kind;
use crate::filter::Expr;
use crate::packet::Said;
use crate::query::rates::Amount;
use crate::record::Schema;
use crate::replay::derive::is_port;
use crate::replay::{Derived, OnDemand, ReplayError, Replayer};
use crate::source::{Source, Treatment};
use crate::storage::scan::{first_cut, times_of};
use crate::storage::{Stream, Window};
use crate::supervisor::Needs;
use crate::time::{Interval, Span, Ts};

impl Past<'_> {
    /// Records of an instance.
    pub(super) fn replayed(&self, stream: Stream, filter: &Expr, look: Look<'_>) -> Candidate {
        let Look { needs, window, .. } = look;
        let mut candidate = Candidate::new(stream.name.clone(), false);
        let span = stream.span();
        candidate.stored = span;
        candidate.covered = span.and_then(|span| span.common(window));
        candidate.bytes = share(stream.bytes, span, candidate.covered);
        let records = share(stream.rows.unwrap_or(0), span, candidate.covered);
        candidate.amount = Some(Amount { bytes: candidate.bytes, records, packets: None });
        candidate.stream = Some(stream.clone());
        let heard = self.heard(&candidate);
        candidate.fit(&texts(stream.eras(heard)), heard, filter);
        if let Some(why) = look.passes_over(&candidate) {
            return candidate.refuse(why);
        }
        match self.open_records(&stream, window) {
            Ok((source, aligned)) => {
                candidate.covered = span.and_then(|span| span.common(aligned));
                candidate.refusal = lacking(&source, needs);
                let inexact = inexact(&source, needs)
                    .or_else(|| untold(&source, filter))
                    .or_else(|| unkeyed(&source, needs));
                inexact.into_iter().for_each(|why| candidate.reserve(why));
                if candidate.refusal.is_none() && candidate.reservation.is_none() {
                    // What cannot be read is complained of when it is replayed.
                    let cut = first_cut(&*self.store, &stream.name, aligned, |_| true);
                    let why = |since| format!("only some of its records from {since} on were kept");
                    cut.ok().flatten().into_iter().for_each(|since| candidate.reserve(why(since)));
                }
                let step = source.description().resolution;
                candidate.step = step;
                candidate.unsaid = self.unsaid(&stream, aligned);
                candidate.note_shed(&stream, aligned);
                candidate.aligned = (aligned != window).then(|| {
                    let Window { from, to } = candidate.covered.unwrap_or(aligned);
                    format!("it is of whole intervals of {step}, from {from} until {to}")
                });
                let source = source.telling(candidate.losses.clone());
                let source = if reads_ports(needs) { source } else { source.without_ports() };
                // What is left out is a gap that the answer names.
                let is_said = !candidate.unsaid.is_empty();
                let source = if is_said { source.in_silence() } else { source };
                candidate.source = Some(Box::new(source));
            }
            Err(error) => candidate.refusal = Some(error.to_string()),
        }
        candidate
    }

    /// The times whose records say less than is needed to replay them, because the module was
    /// another one then.
    fn unsaid(&self, stream: &Stream, window: Window) -> Unfit {
        let (mut unsaid, own) = (Unfit::default(), (self.own)(stream));
        let schemas = self.store.schemas(&stream.name).unwrap_or_default();
        let says = |schema: &Schema| Derived::of(schema, Said::default());
        let lacking: BTreeMap<u64, ReplayError> = schemas
            .iter()
            .filter_map(|(_, schema)| Some((schema.hash(), says(schema).err()?)))
            .collect();
        if own.is_some() || lacking.is_empty() {
            return unsaid;
        }
        let is_lacking = |hash| lacking.contains_key(&hash);
        // What cannot be read is complained of when it is replayed.
        let times = times_of(&*self.store, &stream.name, window, is_lacking).unwrap_or_default();
        for (time, hash) in times {
            let why = || lacking.get(&hash).map(ReplayError::to_string).unwrap_or_default();
            unsaid.leave_out(time, why);
        }
        unsaid
    }

    /// Records of an instance to be replayed, and what they are of: whole intervals, all that
    /// touch the window.
    fn open_records(
        &self,
        stream: &Stream,
        window: Window,
    ) -> Result<(OnDemand, Window), ReplayError> {
        let open = |window| {
            let replayer = Replayer::new((self.own)(stream));
            let title = format!("records of {}", stream.name);
            OnDemand::open(title, self.store.clone(), stream.clone(), window, replayer)
        };
        let source = open(window)?;
        let aligned = aligned(window, source.description().resolution);
        // Where it ends, an interval that begins in the window is whole already.
        Ok(if aligned.from == window.from { (source, aligned) } else { (open(aligned)?, aligned) })
    }
}

/// The intervals of a length that touch a window. Where it has no end, it is to have none.
fn aligned(window: Window, len: Span) -> Window {
    let last = Ts(window.to.0.saturating_sub(1));
    let from = Interval::holding(window.from, len).start();
    let to =
        if window.to == Window::ALL.to { window.to } else { Interval::holding(last, len).end() };
    Window { from, to }
}

/// The part of `bytes`, spread over `span`, that lies in `covered`.
pub(super) fn share(bytes: u64, span: Option<Window>, covered: Option<Window>) -> u64 {
    let (Some(span), Some(covered)) = (span, covered) else { return 0 };
    let (part, all) = ((covered.to - covered.from).0, (span.to - span.from).0);
    (u128::from(bytes) * u128::from(part) / u128::from(all.max(1))) as u64
}

/// Why records say less than is asked for.
fn inexact(source: &dyn Source, needs: &Needs) -> Option<String> {
    let description = source.description();
    let step = description.resolution;
    if needs.singly {
        return Some("it says what packets come to, not what each was".to_owned());
    }
    let refused = description.lineage.iter().find_map(|treatment| match treatment {
        Treatment::SomeRecords => Some("only some of its records were kept".to_owned()),
        Treatment::Networks(_) if wants_hosts(needs) => {
            Some("its addresses are those of networks".to_owned())
        }
        _ => None,
    });
    let unsaid = needs.if_any.iter().find(|field| !description.offers.has(**field));
    let unsaid = unsaid.map(|field| format!("it does not say `{}`, {}", field.name(), field.doc()));
    refused.or(unsaid).or_else(|| {
        let fits = needs.interval.0.is_multiple_of(step.0.max(1));
        (!fits).then(|| format!("its records are of {step} and {} are asked for", needs.interval))
    })
}

/// Why the packets of records do not tell whether a filter picks them.
fn untold(source: &dyn Source, filter: &Expr) -> Option<String> {
    let term = filter.unanswered(source.description().offers)?;
    Some(format!("it does not say which packets are those of `{term}`"))
}

/// Why records lack packets that count: those without a field of their key.
fn unkeyed(source: &OnDemand, needs: &Needs) -> Option<String> {
    let field = source.keyed().without(needs.brought).next()?;
    Some(format!("it has only packets with `{}`, {}", field.name(), field.doc()))
}

fn reads_ports(needs: &Needs) -> bool {
    needs.fields.iter().chain(&needs.if_any).any(|field| is_port(*field))
}

fn wants_hosts(needs: &Needs) -> bool {
    needs.fields.iter().chain(&needs.if_any).any(|field| field.kind() == Kind::Addr)
}
