//! Rows of one interval and schema, merged: by value, or by the states that rest beside the values.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::plan::{How, Plan, order};
use super::{Holds, RollupError};
use crate::module::Merge;
use crate::record::{Column, Records, Schema, Type, Value};
use crate::table::States;
use crate::time::{Interval, Span};

/// What the rows of one interval may take, of all its schemas together; of more, the later ones are
/// left out, and the record is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    rows: usize,
    // About how many, of their values.
    bytes: usize,
    // And of their states.
    state_bytes: usize,
}

impl Room {
    const WHOLE: Self = Self { rows: 1 << 18, bytes: 64 << 20, state_bytes: 64 << 20 };

    /// What the `at`th group may take beside the others.
    pub fn of(groups: &[Group], at: usize) -> Self {
        let others = groups.iter().enumerate().filter(|(other, _)| *other != at);
        others.fold(Self::WHOLE, |room, (_, group)| Self {
            rows: room.rows.saturating_sub(group.rows.len()),
            bytes: room.bytes.saturating_sub(group.bytes),
            state_bytes: room.state_bytes.saturating_sub(group.states.bytes()),
        })
    }
}

/// The rows of one schema in the interval that is open.
pub(super) struct Group {
    schema: Arc<Schema>,
    plan: Plan,
    rows: Vec<Vec<Value>>,
    states: States,
    // Where the row of a key is.
    known: HashMap<Vec<u8>, usize>,
    // About how many bytes the rows and their keys take.
    bytes: usize,
    cut: bool,
    room: Room,
    // By column, whether the rows of every interval came in its descending order, as far as they
    // have differed in it.
    ranks: Vec<Rank>,
    // Whether they came in the order of their keys, too.
    by_key: bool,
}

/// What is known of a column by which rows may be ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// All rows were alike.
    Alike,
    /// They descended.
    Descends,
    /// They are ranked by something else.
    Other,
}

/// Whether records have the states by which some of their columns merge.
pub(super) fn has_states(records: &Records, states: &States) -> Result<(), RollupError> {
    for at in states.columns().filter(|_| records.rows() > 0) {
        if let (Some(cells), Some(column)) = (records.cells.get(at), records.schema.columns.get(at))
            && !cells.is_stateful()
        {
            let holds = Holds::Values(column.of.clone());
            return Err(RollupError::Column { column: column.name.clone(), holds, since: None });
        }
    }
    Ok(())
}

impl Group {
    pub fn new(schema: Arc<Schema>, plan: Plan) -> Self {
        let may_rank = |(how, column): (&How, &Column)| {
            let is_number = matches!(column.ty, Type::Uint | Type::Int | Type::Float);
            if *how != How::Key && is_number { Rank::Alike } else { Rank::Other }
        };
        let ranks = plan.how.iter().zip(&schema.columns).map(may_rank).collect();
        Self {
            states: States::of(&schema, Room::WHOLE.state_bytes),
            schema,
            plan,
            rows: Vec::new(),
            known: HashMap::new(),
            bytes: 0,
            cut: false,
            room: Room::WHOLE,
            ranks,
            by_key: true,
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What it may take from now on.
    pub fn bound(&mut self, room: Room) {
        self.room = room;
        self.states.bound(room.state_bytes);
    }

    /// Takes rows of `interval`. Of those whose states are missing it takes none; where the
    /// module's own way fails those that came before stay.
    pub fn take(
        &mut self,
        records: &Records,
        rows: Range<usize>,
        interval: Interval,
        into: Span,
        own: &mut Option<Box<dyn Merge>>,
    ) -> Result<(), RollupError> {
        if own.is_none() {
            has_states(records, &self.states)?;
        }
        self.cut |= records.cut;
        self.rank(records, rows.clone());
        for row in rows {
            let values = (0..records.cells.len()).map(|column| records.value(row, column));
            let mut values: Vec<Value> = values.collect();
            self.plan.spread(&mut values, records.len, into);
            if let Some(at) = self.add(values, interval, own)? {
                self.add_states(at, records, row);
            }
        }
        Ok(())
    }

    /// Takes note of the order of rows within their intervals: by which columns they descend, and
    /// whether their keys ascend.
    fn rank(&mut self, records: &Records, rows: Range<usize>) {
        let mut pairs = rows.clone().zip(rows.clone().skip(1));
        self.by_key = self.by_key
            && pairs.all(|(a, b)| {
                let keys = self.plan.how.iter().enumerate().filter(|(_, how)| **how == How::Key);
                let mut orders =
                    keys.map(|(at, _)| order(&records.value(a, at), &records.value(b, at)));
                records.starts[a] != records.starts[b]
                    || orders.find(|order| order.is_ne()).is_none_or(Ordering::is_lt)
            });
        let open = self.ranks.iter_mut().enumerate().filter(|(_, rank)| **rank != Rank::Other);
        for (at, rank) in open {
            for (a, b) in rows.clone().zip(rows.clone().skip(1)) {
                if records.starts[a] == records.starts[b] {
                    match order(&records.value(a, at), &records.value(b, at)) {
                        Ordering::Less => {
                            *rank = Rank::Other;
                            break;
                        }
                        Ordering::Equal => {}
                        Ordering::Greater => *rank = Rank::Descends,
                    }
                }
            }
        }
    }

    /// Merges a row by its values, and tells which one it went into; none where there is no room.
    fn add(
        &mut self,
        values: Vec<Value>,
        interval: Interval,
        own: &mut Option<Box<dyn Merge>>,
    ) -> Result<Option<usize>, RollupError> {
        let mut key = Vec::new();
        self.plan.key(&values).for_each(|value| put(value, &mut key));
        let Some(at) = self.known.get(&key).copied() else {
            if self.rows.len() >= self.room.rows || self.bytes >= self.room.bytes {
                self.cut = true;
                return Ok(None);
            }
            self.bytes += bytes(&values) + key.len() + size_of::<(Vec<u8>, usize)>();
            self.known.insert(key, self.rows.len());
            self.rows.push(values);
            self.states.push();
            return Ok(Some(self.rows.len() - 1));
        };
        let row = &mut self.rows[at];
        match own {
            Some(own) => {
                let before = bytes(row);
                let merged = own.merge(interval, &self.schema, row, &values);
                let mut merged = merged.map_err(|fault| RollupError::Own(fault.to_string()))?;
                // What rows are told apart by is not the module's to change.
                for ((how, mine), theirs) in self.plan.how.iter().zip(&mut merged).zip(values) {
                    if *how == How::Key {
                        *mine = theirs;
                    }
                }
                let after = bytes(&merged);
                if after > before && self.bytes.saturating_add(after - before) > self.room.bytes {
                    self.cut = true;
                    return Ok(None);
                }
                self.bytes = (self.bytes + after).saturating_sub(before);
                *row = merged;
            }
            None => {
                for ((how, mine), theirs) in self.plan.how.iter().zip(row).zip(&values) {
                    *mine = how.merge(mine, theirs);
                }
            }
        }
        Ok(Some(at))
    }

    /// Merges what rests beside the values of a row.
    fn add_states(&mut self, at: usize, records: &Records, row: usize) {
        let stateful = self.plan.how.iter().enumerate().filter(|(_, how)| **how == How::State);
        for (column, _) in stateful {
            let state = records.cells.get(column).and_then(|cells| cells.states.get(row));
            // One that cannot be read is missing, and so the record is not whole.
            let merged = state.map(|state| self.states.merge(at, column, state));
            self.cut |= !matches!(merged, Some(Ok(())));
        }
    }

    /// The rows as records: in the order of their keys, or where every interval was ranked by a
    /// column, by that.
    pub fn records(mut self, interval: Interval) -> Records {
        let stateful: Vec<usize> =
            (0..self.plan.how.len()).filter(|at| self.plan.how[*at] == How::State).collect();
        for column in &stateful {
            for (at, row) in self.rows.iter_mut().enumerate() {
                row[*column] = self.states.value(at, *column);
            }
        }
        let order = self.sorted();
        let mut records = Records::empty(self.schema, interval.len());
        records.cut = self.cut || self.states.is_short();
        for at in &order {
            records.push(interval.start(), std::mem::take(&mut self.rows[*at]));
        }
        for column in stateful {
            let states = order.iter().map(|at| self.states.state(*at, column));
            records.cells[column].states = states.collect();
        }
        records
    }

    fn sorted(&self) -> Vec<usize> {
        let is_ranked = self.cut || !self.by_key;
        let ranked = self.ranks.iter().position(|rank| *rank == Rank::Descends);
        let ranked = ranked.filter(|_| is_ranked);
        let mut all: Vec<usize> = (0..self.rows.len()).collect();
        all.sort_by(|a, b| {
            let (a, b) = (&self.rows[*a], &self.rows[*b]);
            let by_key = || {
                let pairs = self.plan.key(a).zip(self.plan.key(b));
                pairs.map(|(a, b)| order(a, b)).find(|order| order.is_ne())
            };
            let by_rank = ranked.and_then(|at| Some(order(b.get(at)?, a.get(at)?)));
            by_rank.filter(|order| order.is_ne()).or_else(by_key).unwrap_or(Ordering::Equal)
        });
        all
    }
}

/// About how many bytes a row takes.
fn bytes(values: &[Value]) -> usize {
    let more = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    size_of_val(values) + values.iter().map(more).sum::<usize>()
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
