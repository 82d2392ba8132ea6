//! Replay: stored records become a packet stream again.
//!
//! A record becomes a packet, or a few, that stand for what it counted. A
//! module may say how ([`crate::module::Replay`]); where the columns themselves
//! say what they hold ([`Column::of`]) it follows from them ([`mod@derive`]). What
//! a record does not say its packets do not have.
//!
//! [`Column::of`]: crate::record::Column::of

pub mod capture;
pub mod derive;
pub mod source;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::field::{Field, Fields};
use crate::filter::Expr;
use crate::module::{Fault, Replay, Replayed};
use crate::packet::{Known, Said};
use crate::record::{Records, Schema};
use crate::storage::StoreError;
use crate::time::{Interval, Ts};
pub use derive::Derived;
pub use source::OnDemand;

/// Why records cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// No column says what it holds.
    #[error(
        "its records do not say what they hold of the packets: they are of a long-term table, or \
         an `export` made them; a module that says how writes `replay(record)`"
    )]
    Unvouched,
    /// No column counts packets.
    #[error(
        "its records do not say how many packets they stand for: declare a value `count()`, or \
         write `replay(record)`"
    )]
    NoPackets,
    /// No column sums bytes.
    #[error(
        "its records do not say how many bytes they stand for: declare a value `sum(\"len\")`, or \
         write `replay(record)`"
    )]
    NoBytes,
    /// There are none at all, so that nothing says what they would hold.
    #[error("it has no records yet")]
    NoRecords,
    /// A filter asks for what they do not say.
    #[error("the filter needs `{}`, {}, which its records do not say", .0.name(), .0.doc())]
    Lacks(Field),
    /// The module's own way failed.
    #[error("its `replay` failed: {0}")]
    Fault(Fault),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Turns the records of one stream into packets.
pub struct Replayer {
    own: Option<Box<dyn Replay>>,
    // Of the schema and the filter met last.
    derived: Option<(Arc<Schema>, String, Derived)>,
    // Whether a record left open if its packets have ports.
    has_unclear: bool,
}

impl Replayer {
    /// By the module's own way, where it has one, and otherwise as the columns say.
    pub fn new(own: Option<Box<dyn Replay>>) -> Self {
        Self { own, derived: None, has_unclear: false }
    }

    /// Whether the module says itself how.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whether packets between two ports of 0 may have been taken for such without ports, as later
    /// fragments are: records of both are the same.
    pub fn has_unclear_ports(&self) -> bool {
        self.has_unclear
    }

    /// Adds the packets of a row, which was measured of the packets that `filter` passes.
    pub fn replay(
        &mut self,
        records: &Records,
        row: usize,
        filter: &str,
        out: &mut Vec<Replayed>,
    ) -> Result<(), ReplayError> {
        match &mut self.own {
            Some(own) => replay_own(own.as_mut(), records, row, out),
            None => {
                self.has_unclear |=
                    self.derived(&records.schema, filter)?.replay(records, row, out);
                Ok(())
            }
        }
    }

    /// The way that follows from the columns.
    pub fn derived(&mut self, schema: &Arc<Schema>, filter: &str) -> Result<&Derived, ReplayError> {
        // The rows of a block share their schema, so that this is quick.
        let is_same = |(of, by, _): &(Arc<Schema>, String, Derived)| {
            (Arc::ptr_eq(of, schema) || of == schema) && by == filter
        };
        let known = match self.derived.take().filter(is_same) {
            Some(known) => known,
            None => {
                // A filter that is no longer understood says nothing.
                let said = Expr::parse(filter).map(|expr| expr.says()).unwrap_or_default();
                (schema.clone(), filter.to_owned(), Derived::of(schema, said)?)
            }
        };
        Ok(&self.derived.insert(known).2)
    }
}

fn replay_own(
    own: &mut dyn Replay,
    records: &Records,
    row: usize,
    out: &mut Vec<Replayed>,
) -> Result<(), ReplayError> {
    let Some(start) = records.starts.get(row).copied() else { return Ok(()) };
    let columns = records.schema.columns.len();
    let values: Vec<_> = (0..columns).map(|column| records.value(row, column)).collect();
    let interval = Interval::holding(start, records.len);
    let packets = own.replay(interval, &records.schema, &values).map_err(ReplayError::Fault)?;
    let inside = |packet: Replayed| Replayed { ts: inside(packet.ts, start, records), ..packet };
    out.extend(packets.into_iter().map(inside));
    Ok(())
}

/// The instant in the interval of a record that is nearest to `ts`: what is replayed counts where
/// the record did.
fn inside(ts: Ts, start: Ts, records: &Records) -> Ts {
    let last = Ts(start.0.saturating_add(records.len.0.saturating_sub(1)));
    ts.clamp(start, last)
}

/// The fields that packets may have of which so much is said.
fn fields(said: &[Said]) -> Fields {
    said.iter().map(Said::known).fold(Known::NONE, Known::and).fields()
}
