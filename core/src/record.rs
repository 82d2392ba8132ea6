//! Records: the immutable results of a closed interval, typed and columnar.
//!
//! A module's records share one [`Schema`]; from it follow storage, every
//! output format, and the types a reader sees. Rows are only a view.

mod rows;
pub mod schema;
pub mod value;

use std::sync::Arc;

use crate::addr::{Addr, Mac};
use crate::time::{Span, Ts};
pub use schema::{Column, Schema, Type};
pub use value::Value;

/// The values of one column, one per row. Absent values are fillers, and `absent` tells them.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// The values.
    pub data: Data,
    /// Which rows have none; empty when all have one.
    pub absent: Vec<bool>,
    /// What each value was read from, as bytes that merge with those of other rows, as
    /// `table/state` has them; empty where that is not kept. It rests beside the values and is none
    /// of them: nobody shows it.
    pub states: Vec<Vec<u8>>,
}

/// Values by type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Data {
    Bool(Vec<bool>),
    Uint(Vec<u64>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Addr(Vec<Addr>),
    Mac(Vec<Mac>),
    Text(Vec<String>),
    Bytes(Vec<Vec<u8>>),
    Time(Vec<Ts>),
}

impl Data {
    /// No values of the given type.
    pub fn empty(ty: Type) -> Self {
        match ty {
            Type::Bool => Self::Bool(Vec::new()),
            Type::Uint => Self::Uint(Vec::new()),
            Type::Int => Self::Int(Vec::new()),
            Type::Float => Self::Float(Vec::new()),
            Type::Addr => Self::Addr(Vec::new()),
            Type::Mac => Self::Mac(Vec::new()),
            Type::Text => Self::Text(Vec::new()),
            Type::Bytes => Self::Bytes(Vec::new()),
            Type::Time => Self::Time(Vec::new()),
        }
    }

    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::Uint(v) => v.len(),
            Self::Int(v) => v.len(),
            Self::Float(v) => v.len(),
            Self::Addr(v) => v.len(),
            Self::Mac(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::Bytes(v) => v.len(),
            Self::Time(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        let fixed = match self {
            Self::Bool(_) => 1,
            Self::Uint(_) | Self::Int(_) | Self::Float(_) | Self::Mac(_) | Self::Time(_) => 8,
            Self::Addr(_) | Self::Text(_) | Self::Bytes(_) => 24,
        };
        let more: usize = match self {
            Self::Text(texts) => texts.iter().map(String::len).sum(),
            Self::Bytes(all) => all.iter().map(Vec::len).sum(),
            _ => 0,
        };
        fixed * self.len() + more
    }

    /// The type of the values.
    pub fn ty(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Uint(_) => Type::Uint,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Addr(_) => Type::Addr,
            Self::Mac(_) => Type::Mac,
            Self::Text(_) => Type::Text,
            Self::Bytes(_) => Type::Bytes,
            Self::Time(_) => Type::Time,
        }
    }
}

impl Cells {
    /// No rows of the given type.
    pub fn empty(ty: Type) -> Self {
        Self::of(Data::empty(ty))
    }

    /// Values that are all present.
    pub fn of(data: Data) -> Self {
        Self { data, absent: Vec::new(), states: Vec::new() }
    }

    /// The value in row `at`; [`Value::Null`] where absent or out of range.
    pub fn value(&self, at: usize) -> Value {
        if self.absent.get(at) == Some(&true) || at >= self.data.len() {
            return Value::Null;
        }
        match &self.data {
            Data::Bool(v) => Value::Bool(v[at]),
            Data::Uint(v) => Value::Uint(v[at]),
            Data::Int(v) => Value::Int(v[at]),
            Data::Float(v) => Value::Float(v[at]),
            Data::Addr(v) => Value::Addr(v[at]),
            Data::Mac(v) => Value::Mac(v[at]),
            Data::Text(v) => Value::Text(v[at].clone()),
            Data::Bytes(v) => Value::Bytes(v[at].clone()),
            Data::Time(v) => Value::Time(v[at]),
        }
    }

    /// Appends a value, converted to the column's type where that loses nothing; a value of
    /// another type, like [`Value::Null`], becomes an absent one. Returns whether it fitted.
    pub fn push(&mut self, value: Value) -> bool {
        let rows = self.data.len();
        let fitted = push_converted(&mut self.data, &value);
        if !fitted {
            push_filler(&mut self.data);
            self.absent.resize(rows, false);
            self.absent.push(true);
        } else if !self.absent.is_empty() {
            self.absent.push(false);
        }
        if self.is_stateful() {
            self.states.push(Vec::new());
        }
        fitted || value == Value::Null
    }

    /// Whether what its values were read from is kept beside them.
    pub fn is_stateful(&self) -> bool {
        !self.states.is_empty()
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let states: usize = self.states.iter().map(|state| 24 + state.len()).sum();
        self.data.bytes() + states
    }

    /// Puts `value` in the place of the last one.
    pub fn replace_last(&mut self, value: Value) {
        let last = self.data.len().saturating_sub(1);
        self.truncate(last);
        self.push(value);
    }

    /// Keeps the first `rows` values.
    pub fn truncate(&mut self, rows: usize) {
        self.absent.truncate(rows);
        self.states.truncate(rows);
        match &mut self.data {
            Data::Bool(v) => v.truncate(rows),
            Data::Uint(v) => v.truncate(rows),
            Data::Int(v) => v.truncate(rows),
            Data::Float(v) => v.truncate(rows),
            Data::Addr(v) => v.truncate(rows),
            Data::Mac(v) => v.truncate(rows),
            Data::Text(v) => v.truncate(rows),
            Data::Bytes(v) => v.truncate(rows),
            Data::Time(v) => v.truncate(rows),
        }
    }
}

fn push_converted(data: &mut Data, value: &Value) -> bool {
    match (data, value) {
        (Data::Bool(v), Value::Bool(x)) => v.push(*x),
        (Data::Uint(v), value) => match value.as_uint() {
            Some(x) => v.push(x),
            None => return false,
        },
        (Data::Int(v), value) => match value.as_int() {
            Some(x) => v.push(x),
            None => return false,
        },
        (Data::Float(v), value) => match value.as_float() {
            Some(x) => v.push(x),
            None => return false,
        },
        (Data::Addr(v), Value::Addr(x)) => v.push(*x),
        (Data::Mac(v), Value::Mac(x)) => v.push(*x),
        (Data::Text(v), Value::Text(x)) => v.push(x.clone()),
        (Data::Bytes(v), Value::Bytes(x)) => v.push(x.clone()),
        (Data::Time(v), Value::Time(x)) => v.push(*x),
        _ => return false,
    }
    true
}

fn push_filler(data: &mut Data) {
    match data {
        Data::Bool(v) => v.push(false),
        Data::Uint(v) => v.push(0),
        Data::Int(v) => v.push(0),
        Data::Float(v) => v.push(0.0),
        Data::Addr(v) => v.push(Addr::default()),
        Data::Mac(v) => v.push(Mac::default()),
        Data::Text(v) => v.push(String::new()),
        Data::Bytes(v) => v.push(Vec::new()),
        Data::Time(v) => v.push(Ts::default()),
    }
}

/// Rows of one module, of one interval length, in time order.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// What the columns are.
    pub schema: Arc<Schema>,
    /// The start of each row's interval; for rows that are single packets, their time.
    pub starts: Vec<Ts>,
    /// How long the interval of every row is; zero where rows are instants.
    pub len: Span,
    /// One per column of the schema, each as long as `starts`.
    pub cells: Vec<Cells>,
    /// Whether export kept only some rows (a top 20): such records are never summed as if whole.
    pub cut: bool,
}

impl Records {
    /// No rows.
    pub fn empty(schema: Arc<Schema>, len: Span) -> Self {
        let cells = schema.columns.iter().map(|c| Cells::empty(c.ty)).collect();
        Self { schema, starts: Vec::new(), len, cells, cut: false }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.starts.len() * 8 + self.cells.iter().map(Cells::bytes).sum::<usize>()
    }

    /// The value of row `row` in column `column`.
    pub fn value(&self, row: usize, column: usize) -> Value {
        self.cells.get(column).map_or(Value::Null, |cells| cells.value(row))
    }

    /// Appends a row that starts at `start`; missing values are absent, surplus ones ignored.
    pub fn push(&mut self, start: Ts, values: impl IntoIterator<Item = Value>) {
        self.starts.push(start);
        let mut values = values.into_iter();
        for cells in &mut self.cells {
            cells.push(values.next().unwrap_or(Value::Null));
        }
    }
}

/// What a task hands to export and storage when an interval has closed.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Rows; none at all is an interval in which nothing was recorded.
    Records(Records),
    /// No source covered this span, however long: one gap, not many zeros.
    Gap {
        /// The first instant not covered.
        from: Ts,
        /// The first instant covered again.
        to: Ts,
    },
}

impl Output {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Records(records) => records.bytes(),
            Self::Gap { .. } => 0,
        }
    }
}
