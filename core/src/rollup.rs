//! Rollups: records of short intervals merged into records of longer ones.
//!
//! What a column holds decides: counts and sums add up, extremes stay, a key
//! tells rows apart. Of what says too little of itself (a mean, a sketch) the
//! state is merged that rests beside it; where there is none, and the module does
//! not merge its records itself, they are refused. Records of which some
//! rows were cut give records marked as cut, never as if they were whole.

mod group;
mod plan;

use crate::module::Merge;
use crate::record::{Output, Records, Schema};
use crate::table::States;
use crate::time::{Interval, Span, Ts};
use group::{Group, Room};
use plan::Plan;

/// A rollup: how long its intervals are, and how long its records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// The length of an interval.
    pub len: Span,
    /// How long its records are kept; for ever where none.
    pub age: Option<Span>,
}

/// The stream of an instance's rollup to intervals of a length.
pub fn name(instance: &str, len: Span) -> String {
    format!("{instance}@{len}")
}

/// The length of a rollup's intervals, if `stream` is one of `instance`.
pub fn len_of(instance: &str, stream: &str) -> Option<Span> {
    let text = stream.strip_prefix(instance)?.strip_prefix('@')?;
    Span::parse(text).ok().filter(|len| len.0 > 0 && len.to_string() == text)
}

/// Why records do not make records of longer intervals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollupError {
    /// A column does not merge.
    #[error("column `{column}` cannot be merged, {holds}{}", way_out(*.since, .holds))]
    Column {
        /// The column.
        column: String,
        /// What it has.
        holds: Holds,
        /// Since when it merges, where that is known and any does.
        since: Option<Ts>,
    },
    /// Intervals do not add up.
    #[error("its records are of {len}, which do not add up to {into}; ask for a multiple of {len}")]
    Length {
        /// How long they are.
        len: Span,
        /// How long they are to be.
        into: Span,
    },
    /// The records are of no interval.
    #[error("its records are of single instants, which make no longer intervals; leave that out")]
    Instants,
    /// The module's own way failed.
    #[error("its own `merge` failed: {0}; try it with `como check`")]
    Own(String),
    /// It was tried often enough.
    #[error("{}", given_up(.0))]
    GivenUp(Box<RollupError>),
}

/// What a column has that does not merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// What the module makes itself.
    Own,
    /// Values of which too little is kept.
    Values(String),
    /// Values whose state is too large to be kept.
    TooLarge(String),
}

impl std::fmt::Display for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("it has values that the module makes itself"),
            Self::Values(of) => write!(f, "of its `{of}` no more was kept than the value"),
            Self::TooLarge(of) => write!(f, "what makes its `{of}` is more than is kept"),
        }
    }
}

/// What to try stands last.
fn given_up(why: &RollupError) -> String {
    let (why, given_up) = (why.to_string(), "not tried again until the module is deployed again");
    match why.rsplit_once("; ") {
        Some((what, hint)) => format!("{what}, and keeps failing: {given_up}; {hint}"),
        None => format!("{why}, and keeps failing: {given_up}"),
    }
}

fn way_out(since: Option<Ts>, holds: &Holds) -> String {
    match (since, holds) {
        (Some(since), _) => format!(" before {since}: ask for a time since then"),
        (None, Holds::Values(_)) => {
            "; give the module a `rollup`, and what comes from then on can be".to_owned()
        }
        (None, _) => {
            "; ask for the module's own interval, or let the module say how: merge(a, b)".to_owned()
        }
    }
}

/// Whether such records make records of intervals of length `into`.
pub fn check_records(
    records: &Records,
    into: Span,
    own: Option<&dyn Merge>,
) -> Result<(), RollupError> {
    check(&records.schema, records.len, into, own)?;
    match own {
        Some(_) => Ok(()),
        None => group::has_states(records, &States::of(&records.schema, 0)),
    }
}

/// Whether records of a schema and length make records of intervals of length `into`, where their
/// states are kept.
pub fn check(
    schema: &Schema,
    len: Span,
    into: Span,
    own: Option<&dyn Merge>,
) -> Result<(), RollupError> {
    adds_up(len, into)?;
    Plan::of(schema, own.map(|own| own.key())).map(drop)
}

fn adds_up(len: Span, into: Span) -> Result<(), RollupError> {
    match len.0 {
        0 => Err(RollupError::Instants),
        len_ns if into.0.is_multiple_of(len_ns) => Ok(()),
        _ => Err(RollupError::Length { len, into }),
    }
}

/// Schemas that the records of one interval may have; those of more are left out, and it is cut.
const SCHEMAS_MAX: usize = 64;

/// How many rows are merged in the time of one call, where the module says itself how.
const ROWS_PER_CALL: usize = 1 << 8;

/// Records in the order of time, in pieces that are each merged in the time of one call.
pub fn pieces(mut records: Records) -> impl Iterator<Item = Records> {
    records.sort();
    let starts = (0..records.rows()).step_by(ROWS_PER_CALL);
    starts.map(move |at| records.slice(at..at + ROWS_PER_CALL))
}

/// Merges the records of one stream, which come in the order of time.
pub struct Merger {
    into: Span,
    own: Option<Box<dyn Merge>>,
    open: Option<Open>,
    // Gaps that began in what is open.
    gaps: Vec<Output>,
}

/// The interval that is open: one group for each schema its records have.
struct Open {
    interval: Interval,
    groups: Vec<Group>,
    // Whether records of it did not merge, and were left out.
    spoilt: bool,
}

impl Merger {
    /// A merger to intervals of length `into`, in the module's own way where it has one.
    pub fn new(into: Span, own: Option<Box<dyn Merge>>) -> Self {
        Self { into: Span(into.0.max(1)), own, open: None, gaps: Vec::new() }
    }

    /// How long the intervals are that it makes.
    pub fn interval(&self) -> Span {
        self.into
    }

    /// Whether the module says itself how.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The start of the interval that is open.
    pub fn open_since(&self) -> Option<Ts> {
        self.open.as_ref().map(|open| open.interval.start())
    }

    /// Takes what comes next, and gives what is complete with it.
    ///
    /// What is refused is left out, and the interval it is of is cut; the rest is merged as if
    /// nothing had been.
    pub fn push(&mut self, output: Output, done: &mut Vec<Output>) -> Result<(), RollupError> {
        let records = match output {
            Output::Records(records) => records,
            gap => {
                match self.open {
                    None => done.push(gap),
                    Some(_) => self.gaps.push(gap),
                }
                return Ok(());
            }
        };
        adds_up(records.len, self.into)?;
        if !self.is_own() {
            return self.push_piece(records, done);
        }
        let mut pushed = Ok(());
        for piece in pieces(records) {
            self.own.iter_mut().for_each(|own| own.renew());
            pushed = pushed.and(self.push_piece(piece, done));
        }
        pushed
    }

    /// Takes records that are merged at a time.
    fn push_piece(
        &mut self,
        mut records: Records,
        done: &mut Vec<Output>,
    ) -> Result<(), RollupError> {
        records.sort();
        let (mut at, mut refused) = (0, None);
        while let Some(start) = records.starts.get(at).copied() {
            let interval = Interval::holding(start, self.into);
            // Records of a time that came before, as of a capture read twice, make another record
            // of it, and never one of a later time.
            if self.open_since() != Some(interval.start()) {
                done.extend(self.finish());
                self.open = Some(Open { interval, groups: Vec::new(), spoilt: false });
            }
            let end = interval.end();
            let last = records.starts.partition_point(|start| *start < end).max(at + 1);
            let taken = self.take(&records, at..last);
            if let (Err(why), Some(open)) = (taken, &mut self.open) {
                open.spoilt = true;
                refused.get_or_insert(why);
            }
            at = last;
        }
        refused.map_or(Ok(()), Err)
    }

    /// Takes rows of the open interval.
    fn take(&mut self, records: &Records, rows: std::ops::Range<usize>) -> Result<(), RollupError> {
        let Self { open: Some(open), own, into, .. } = self else { return Ok(()) };
        let Open { interval, groups, spoilt } = open;
        let own_key = own.as_ref().map(|own| own.key());
        let hash = records.schema.hash();
        let known = groups.iter().position(|group| group.schema().hash() == hash);
        let at = match known {
            Some(at) => at,
            None if groups.len() >= SCHEMAS_MAX => {
                *spoilt = true;
                return Ok(());
            }
            None => {
                let plan = Plan::of(&records.schema, own_key)?;
                groups.push(Group::new(records.schema.clone(), plan));
                groups.len() - 1
            }
        };
        let room = Room::of(groups, at);
        groups[at].bound(room);
        groups[at].take(records, rows, *interval, *into, own)
    }

    /// Gives what is open, as far as it came.
    pub fn finish(&mut self) -> Vec<Output> {
        let mut done = Vec::new();
        if let Some(Open { interval, groups, spoilt }) = self.open.take() {
            let groups = groups.into_iter().filter(|group| !group.is_empty());
            done.extend(groups.map(|group| {
                let mut records = group.records(interval);
                records.cut |= spoilt;
                Output::Records(records)
            }));
        }
        done.append(&mut self.gaps);
        done
    }
}

#[cfg(test)]
mod tests;
