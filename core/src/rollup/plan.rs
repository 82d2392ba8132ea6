//! What becomes of each column when records of short intervals make one of a long one.

use std::cmp::Ordering;

use super::{Holds, RollupError};
use crate::record::{Column, Schema, Type, Value};
use crate::table::{KeyColumn, States, has_state};
use crate::time::Span;

/// How the values of one column are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Rows are told apart by it.
    Key,
    Sum,
    Min,
    Max,
    First,
    Last,
    /// Per second of the interval.
    Rate,
    /// By the state that rests beside the value.
    State,
    /// As the module itself says.
    Own,
}

impl How {
    /// How a column is merged that says what it holds; none where its values do not tell enough.
    fn of(column: &Column) -> Option<Self> {
        let of = column.of.as_str();
        let function = of.split_once('(').map(|(name, _)| name);
        let number = matches!(column.ty, Type::Uint | Type::Int | Type::Float);
        match function {
            _ if of.is_empty() => None,
            None => KeyColumn::parse(&column.name, of).is_ok().then_some(Self::Key),
            Some("count" | "sum") => number.then_some(Self::Sum),
            Some("min") => Some(Self::Min),
            Some("max") => Some(Self::Max),
            Some("first") => Some(Self::First),
            Some("last") => Some(Self::Last),
            Some("rate") => number.then_some(Self::Rate),
            Some(_) => None,
        }
    }

    /// What two values, the earlier first, come to; a value beside none is itself.
    pub fn merge(self, a: &Value, b: &Value) -> Value {
        match (a, b) {
            (Value::Null, other) | (other, Value::Null) => return other.clone(),
            _ => {}
        }
        match self {
            Self::Sum | Self::Rate => sum(a, b),
            Self::Min if order(b, a) == Ordering::Less => b.clone(),
            Self::Max if order(b, a) == Ordering::Greater => b.clone(),
            Self::Last => b.clone(),
            Self::Min | Self::Max | Self::First | Self::Key | Self::Own | Self::State => a.clone(),
        }
    }
}

fn sum(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.saturating_add(*b)),
        (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(*b)),
        (a, b) => Value::from(a.as_float().zip(b.as_float()).map(|(a, b)| a + b)),
    }
}

/// The order of two values of one column; absent ones come last, as they are shown.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Uint(a), Value::Uint(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Addr(a), Value::Addr(b)) => a.cmp(b),
        (Value::Mac(a), Value::Mac(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        // Columns are of one type.
        _ => Ordering::Equal,
    }
}

/// How the records of one schema are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub how: Vec<How>,
}

impl Plan {
    /// By what the columns hold; or where the module merges its records itself, by the columns of
    /// these names.
    pub fn of(schema: &Schema, own_key: Option<&[String]>) -> Result<Self, RollupError> {
        let stateful: Vec<usize> = States::of(schema, 0).columns().collect();
        let how = schema.columns.iter().enumerate().map(|(at, column)| match own_key {
            Some(key) if key.contains(&column.name) => Ok(How::Key),
            Some(_) => Ok(How::Own),
            None if stateful.contains(&at) => Ok(How::State),
            None => How::of(column).ok_or_else(|| RollupError::Column {
                column: column.name.clone(),
                holds: match has_state(&column.of) {
                    true => Holds::TooLarge(column.of.clone()),
                    false => Holds::Own,
                },
                since: None,
            }),
        });
        Ok(Self { how: how.collect::<Result<_, _>>()? })
    }

    /// The values of a row that tell it from others.
    pub fn key<'a>(&'a self, row: &'a [Value]) -> impl Iterator<Item = &'a Value> {
        let columns = self.how.iter().zip(row);
        columns.filter(|(how, _)| **how == How::Key).map(|(_, value)| value)
    }

    /// A row of an interval of length `len` as it adds up to one of an interval of length `into`.
    pub fn spread(&self, row: &mut [Value], len: Span, into: Span) {
        let share = len.as_secs_f64() / into.as_secs_f64();
        for (how, value) in self.how.iter().zip(row) {
            if *how == How::Rate
                && let Some(rate) = value.as_float()
            {
                *value = Value::Float(rate * share);
            }
        }
    }
}
