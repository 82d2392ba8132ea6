//! Rollups: records of short intervals merged into records of longer ones.
//!
//! What a column holds decides: counts and sums add up, extremes stay, a key
//! tells rows apart. What a record keeps too little of (a mean, a sketch) is
//! refused, unless the module merges its records itself. Records of which some
//! rows were cut give records marked as cut, never as if they were whole.

mod plan;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use crate::module::Merge;
use crate::record::{Output, Records, Schema, Value};
use crate::time::{Interval, Span, Ts};
use plan::{How, Plan, order};

/// Rows of one interval at most; of more, the later ones are left out, and the record is cut.
const ROWS_MAX: usize = 1 << 18;

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
    #[error(
        "column `{column}` cannot be merged, it has {holds}; ask for the module's own interval, or \
         let the module say how: merge(a, b)"
    )]
    Column {
        /// The column.
        column: String,
        /// What it has.
        holds: String,
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
}

/// Whether records of a schema and length make records of intervals of length `into`.
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

/// Merges the records of one stream, which come in the order of time.
pub struct Merger {
    into: Span,
    own: Option<Box<dyn Merge>>,
    // The interval that is open: one group for each schema its records have.
    open: Option<(Interval, Vec<Group>)>,
    // Gaps that began in it.
    gaps: Vec<Output>,
}

/// Rows of one interval and schema.
struct Group {
    schema: Arc<Schema>,
    plan: Plan,
    rows: Vec<Vec<Value>>,
    // Where the row of a key is.
    known: HashMap<Vec<u8>, usize>,
    cut: bool,
    // The columns by which the rows of every interval came in descending order.
    ranks: Vec<bool>,
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

    /// The start of the interval that is open.
    pub fn open_since(&self) -> Option<Ts> {
        self.open.as_ref().map(|(interval, _)| interval.start())
    }

    /// Takes what comes next, and gives what is complete with it.
    pub fn push(&mut self, output: Output) -> Result<Vec<Output>, RollupError> {
        let mut records = match output {
            Output::Records(records) => records,
            gap if self.open.is_none() => return Ok(vec![gap]),
            gap => {
                self.gaps.push(gap);
                return Ok(Vec::new());
            }
        };
        adds_up(records.len, self.into)?;
        records.sort();
        let mut done = Vec::new();
        let mut at = 0;
        while let Some(start) = records.starts.get(at).copied() {
            let interval = Interval::holding(start, self.into);
            // Records of a time that came before, as of a capture read twice, make another record
            // of it, and never one of a later time.
            if self.open_since() != Some(interval.start()) {
                done.extend(self.finish());
                self.open = Some((interval, Vec::new()));
            }
            let end = interval.end();
            let rows = at..records.starts.partition_point(|start| *start < end).max(at + 1);
            self.take(&records, rows.clone())?;
            at = rows.end;
        }
        Ok(done)
    }

    /// Takes rows of the open interval.
    fn take(&mut self, records: &Records, rows: std::ops::Range<usize>) -> Result<(), RollupError> {
        let Self { open: Some((interval, groups)), own, into, .. } = self else { return Ok(()) };
        let own_key = own.as_ref().map(|own| own.key());
        let hash = records.schema.hash();
        let group = match groups.iter().position(|group| group.schema.hash() == hash) {
            Some(at) => &mut groups[at],
            None => {
                let plan = Plan::of(&records.schema, own_key)?;
                groups.push(Group::new(records.schema.clone(), plan));
                let last = groups.len() - 1;
                &mut groups[last]
            }
        };
        group.cut |= records.cut;
        group.rank(records, rows.clone());
        for row in rows {
            let values = (0..records.cells.len()).map(|column| records.value(row, column));
            let mut values: Vec<Value> = values.collect();
            group.plan.spread(&mut values, records.len, *into);
            group.add(values, *interval, own)?;
        }
        Ok(())
    }

    /// Gives what is open, as far as it came.
    pub fn finish(&mut self) -> Vec<Output> {
        let mut done = Vec::new();
        if let Some((interval, groups)) = self.open.take() {
            done.extend(groups.into_iter().map(|group| Output::Records(group.records(interval))));
        }
        done.append(&mut self.gaps);
        done
    }
}

impl Group {
    fn new(schema: Arc<Schema>, plan: Plan) -> Self {
        let ranks = plan.how.iter().map(|how| *how != How::Key).collect();
        Self { schema, plan, rows: Vec::new(), known: HashMap::new(), cut: false, ranks }
    }

    /// Takes note of the columns by which rows are in descending order within their intervals.
    fn rank(&mut self, records: &Records, rows: std::ops::Range<usize>) {
        for (at, ranks) in self.ranks.iter_mut().enumerate().filter(|(_, ranks)| **ranks) {
            let mut pairs = rows.clone().zip(rows.clone().skip(1));
            *ranks = pairs.all(|(a, b)| {
                records.starts[a] != records.starts[b]
                    || order(&records.value(a, at), &records.value(b, at)).is_ge()
            });
        }
    }

    fn add(
        &mut self,
        values: Vec<Value>,
        interval: Interval,
        own: &mut Option<Box<dyn Merge>>,
    ) -> Result<(), RollupError> {
        let mut key = Vec::new();
        self.plan.key(&values).for_each(|value| put(value, &mut key));
        let Some(at) = self.known.get(&key).copied() else {
            if self.rows.len() >= ROWS_MAX {
                self.cut = true;
                return Ok(());
            }
            self.known.insert(key, self.rows.len());
            self.rows.push(values);
            return Ok(());
        };
        let row = &mut self.rows[at];
        match own {
            Some(own) => {
                let merged = own.merge(interval, &self.schema, row, &values);
                *row = merged.map_err(|fault| RollupError::Own(fault.message))?;
                // What rows are told apart by is not the module's to change.
                for ((how, mine), theirs) in self.plan.how.iter().zip(row.iter_mut()).zip(values) {
                    if *how == How::Key {
                        *mine = theirs;
                    }
                }
            }
            None => {
                for ((how, mine), theirs) in self.plan.how.iter().zip(row).zip(&values) {
                    *mine = how.merge(mine, theirs);
                }
            }
        }
        Ok(())
    }

    /// The rows as records: in the order of their keys, or where every interval was ranked, and so
    /// perhaps cut, by that column.
    fn records(mut self, interval: Interval) -> Records {
        let ranked = self.ranks.iter().position(|ranks| *ranks).filter(|_| self.cut);
        let plan = &self.plan;
        self.rows.sort_by(|a, b| {
            let by_key = || {
                let pairs = plan.key(a).zip(plan.key(b));
                pairs.map(|(a, b)| order(a, b)).find(|order| order.is_ne())
            };
            let by_rank = ranked.map(|at| order(&b[at], &a[at]));
            by_rank.filter(|order| order.is_ne()).or_else(by_key).unwrap_or(Ordering::Equal)
        });
        let mut records = Records::empty(self.schema, interval.len());
        records.cut = self.cut;
        for row in self.rows {
            records.push(interval.start(), row);
        }
        records
    }
}

/// A value as bytes that only an equal one has.
fn put(value: &Value, out: &mut Vec<u8>) {
    let mut bytes = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Null => bytes(0, &[]),
        Value::Bool(x) => bytes(1, &[u8::from(*x)]),
        Value::Uint(x) => bytes(2, &x.to_le_bytes()),
        Value::Int(x) => bytes(3, &x.to_le_bytes()),
        Value::Float(x) => bytes(4, &x.to_bits().to_le_bytes()),
        Value::Text(x) => bytes(5, x.as_bytes()),
        Value::Bytes(x) => bytes(6, x),
        Value::Time(x) => bytes(7, &x.0.to_le_bytes()),
        // Their texts are their own.
        Value::Addr(_) => bytes(8, value.to_string().as_bytes()),
        Value::Mac(_) => bytes(9, value.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests;
