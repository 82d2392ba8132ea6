//! Reading rows: single values for scripts, whole columns for records.

use super::Table;
use super::accumulate::{Accumulators, Op, Place, Sketches, var};
use super::aggregate::Function;
use super::key::{Cell, KeyCells, code, field_type, int};
use super::layout::{Column, Of};
use super::sketch::Frequent;
use crate::addr::{Addr, Mac};
use crate::field::{Kind, encode_int};
use crate::record::{Cells, Data, Records, Type, Value};
use crate::time::{Interval, SECOND, Span, Ts};

impl Accumulators {
    /// The number a column holds for a row, if any.
    fn number(&self, place: Place, row: usize) -> Option<u64> {
        if place.op.words().is_empty() {
            return match &self.sketches[place.at] {
                Sketches::Distinct(v) => Some(v[row].estimate()),
                Sketches::Bitmap(v) => Some(v[row].estimate()),
                _ => None,
            };
        }
        let words = self.words_of(place, row);
        match place.op {
            Op::Packets | Op::Bytes | Op::Sum => Some(words[0]),
            Op::Min => Some(words[0]).filter(|x| *x != u64::MAX),
            Op::Max => words[0].checked_sub(1),
            Op::First => Some(words[1]).filter(|_| words[0] != u64::MAX),
            Op::Last => Some(words[1]).filter(|_| words[0] != 0),
            _ => None,
        }
    }

    /// The fraction a column holds for a row, if any; `span` is the interval's length.
    fn float(&self, place: Place, function: Function, span: Span, row: usize) -> Option<f64> {
        if place.op == Op::Quantile {
            return match (&self.sketches[place.at], function) {
                (Sketches::Quantile(v), Function::Quantile(share)) => v[row].at(share),
                _ => None,
            };
        }
        let words = self.words_of(place, row);
        let float = |at: usize| f64::from_bits(words[at]);
        let over = |a: f64, b: f64| (b != 0.0).then_some(a / b);
        match place.op {
            Op::Packets | Op::Bytes | Op::Sum => {
                over(words[0] as f64 * SECOND as f64, span.0 as f64)
            }
            Op::Mean => over(words[0] as f64, words[1] as f64).map(|mean| mean - shift(place)),
            Op::Var => var(words),
            Op::Ewma(_) => over(float(0), float(1)).map(|mean| mean - shift(place)),
            _ => None,
        }
    }

    fn addr(&self, place: Place, row: usize) -> Option<Addr> {
        match self.sketches.get(place.at) {
            Some(Sketches::Addr(v)) => v[row].map(|(_, addr)| addr),
            _ => None,
        }
    }

    fn frequent(&self, place: Place, row: usize) -> Vec<Frequent> {
        match (self.sketches.get(place.at), place.op) {
            (Some(Sketches::TopK(v)), Op::TopK { k, .. }) => v[row].top(k as usize),
            _ => Vec::new(),
        }
    }

    fn frequent_text(&self, column: &Column, place: Place, row: usize) -> String {
        let ty = match column.of {
            Of::Field(field) => field_type(field),
            _ => Type::Uint,
        };
        let one = |f: Frequent| format!("{}={}", f.item.text(ty), f.count);
        let all: Vec<String> = self.frequent(place, row).into_iter().map(one).collect();
        all.join(" ")
    }

    /// What a column says of a row; `span` is the interval's length.
    pub fn value(&self, column: &Column, place: Place, span: Span, row: usize) -> Value {
        match column.ty {
            Type::Float => self.float(place, column.aggregate.function, span, row).into(),
            Type::Addr => self.addr(place, row).into(),
            Type::Text => Value::Text(self.frequent_text(column, place, row)),
            ty => self.number(place, row).map_or(Value::Null, |x| Cell::Number(x).value(ty)),
        }
    }

    /// A number that orders rows as the column's values do; 0 where there is none.
    pub fn rank(&self, place: Place, column: &Column, span: Span, row: usize) -> u64 {
        let number = match column.ty {
            Type::Float => {
                self.float(place, column.aggregate.function, span, row).map(ordered_bits)
            }
            Type::Addr | Type::Text => None,
            _ => self.number(place, row),
        };
        number.map_or(0, |x| x.saturating_add(1))
    }
}

/// By how much what is kept of a column's values passes them: see [`crate::field::encode_int`].
fn shift(place: Place) -> f64 {
    match place.of {
        Of::Field(field) if field.kind() == Kind::Int => f64::from(encode_int(0)),
        _ => 0.0,
    }
}

/// Bits that order as the numbers do.
fn ordered_bits(x: f64) -> u64 {
    let bits = x.to_bits();
    if x.is_sign_negative() { !bits } else { bits | 1 << 63 }
}

impl Table {
    /// The value of a row in a column, key columns first; [`Value::Null`] where there is none.
    pub fn value(&self, row: usize, column: usize) -> Value {
        if row >= self.rows() {
            return Value::Null;
        }
        let layout = &self.rows.layout;
        if let (Some(cells), Some(key)) = (self.rows.keys.get(column), layout.key.get(column)) {
            return if self.is_other(row) { Value::Null } else { cells.get(row).value(key.ty()) };
        }
        let at = column - layout.key.len();
        let (Some(column), Some(place)) = (layout.values.get(at), self.rows.values.places.get(at))
        else {
            return if layout.says_one_in && at == layout.values.len() {
                Value::Uint(self.one_in())
            } else {
                Value::Null
            };
        };
        self.rows.values.value(column, *place, self.interval, row)
    }

    /// The most frequent values of a `topk` column, the most frequent first.
    pub fn frequent(&self, row: usize, column: usize) -> Vec<Frequent> {
        let place = column.checked_sub(self.rows.layout.key.len());
        match place.and_then(|at| self.rows.values.places.get(at)) {
            Some(place) if row < self.rows() => self.rows.values.frequent(*place, row),
            _ => Vec::new(),
        }
    }

    /// The `n` rows largest in a column, the largest first, ties by key. The row of keys that
    /// found no room is not among them: it is no key.
    pub fn top(&self, column: usize, n: usize) -> Vec<u32> {
        let layout = &self.rows.layout;
        let value = column.checked_sub(layout.key.len());
        let of = value.and_then(|at| layout.values.get(at).zip(self.rows.values.places.get(at)));
        let rank = |row: usize| match of {
            Some((column, place)) => self.rows.values.rank(*place, column, self.interval, row),
            None => match self.rows.keys.get(column).map(|cells| cells.get(row)) {
                Some(Cell::Number(x)) => x,
                _ => 0,
            },
        };
        let mut ranked: Vec<(u64, u32)> = (0..self.rows())
            .filter(|row| !self.is_other(*row))
            .map(|row| (rank(row), row as u32))
            .collect();
        let largest_first =
            |a: &(u64, u32), b: &(u64, u32)| b.0.cmp(&a.0).then_with(|| self.compare(a.1, b.1));
        if n < ranked.len() {
            ranked.select_nth_unstable_by(n, largest_first);
            ranked.truncate(n);
        }
        ranked.sort_unstable_by(largest_first);
        ranked.into_iter().map(|(_, row)| row).collect()
    }

    /// Rows as records of `interval`, whole columns at a time. The records are marked as cut if
    /// rows are left out, or were dropped when the table was full.
    pub fn records(&self, rows: &[u32], interval: Interval) -> Records {
        let rows: Vec<usize> =
            rows.iter().map(|row| *row as usize).filter(|row| *row < self.rows()).collect();
        let layout = &self.rows.layout;
        let mut cells: Vec<Cells> = Vec::with_capacity(layout.schema().columns.len());
        let absent = match rows.iter().any(|row| self.is_other(*row)) {
            true => rows.iter().map(|row| self.is_other(*row)).collect(),
            false => Vec::new(),
        };
        for (key, values) in layout.key.iter().zip(&self.rows.keys) {
            let mut filled = key_cells(key.ty(), values, &rows);
            if !absent.is_empty() {
                filled.absent.clone_from(&absent);
            }
            cells.push(filled);
        }
        let values = layout.values.iter().zip(&self.rows.values.places).zip(&layout.stateful);
        for ((column, place), stateful) in values {
            let mut filled = self.value_cells(column, *place, &rows);
            if *stateful && (self.keeps_all || column.aggregate.function.keeps_always()) {
                let state = |row: &usize| self.rows.values.state(*place, *row);
                filled.states = rows.iter().map(state).collect();
            }
            cells.push(filled);
        }
        if layout.says_one_in {
            cells.push(Cells::of(Data::Uint(vec![self.one_in(); rows.len()])));
        }
        Records {
            schema: layout.schema().clone(),
            starts: vec![interval.start(); rows.len()],
            len: interval.len(),
            cells,
            cut: rows.len() < self.rows() || self.rows.cut || self.rows.other.is_some(),
        }
    }

    fn value_cells(&self, column: &Column, place: Place, rows: &[usize]) -> Cells {
        let values = &self.rows.values;
        let rows = rows.iter().copied();
        let (function, span) = (column.aggregate.function, self.interval);
        match column.ty {
            Type::Float => {
                filled(rows.map(|r| values.float(place, function, span, r)), Data::Float)
            }
            Type::Addr => filled(rows.map(|r| values.addr(place, r)), Data::Addr),
            Type::Text => {
                filled(rows.map(|r| Some(values.frequent_text(column, place, r))), Data::Text)
            }
            Type::Uint if matches!(place.op, Op::Packets | Op::Bytes | Op::Sum) => {
                Cells::of(Data::Uint(rows.map(|row| values.words_of(place, row)[0]).collect()))
            }
            ty => numbers(ty, rows.map(|row| values.number(place, row))),
        }
    }
}

/// A column of the key, which has a value in every row.
fn key_cells(ty: Type, values: &KeyCells, rows: &[usize]) -> Cells {
    match values {
        KeyCells::Addr(v) => Cells::of(Data::Addr(rows.iter().map(|row| v[*row]).collect())),
        KeyCells::CommunityId(v) => {
            Cells::of(Data::Text(rows.iter().map(|row| v[*row].to_string()).collect()))
        }
        KeyCells::Number(v) if ty == Type::Uint => {
            Cells::of(Data::Uint(rows.iter().map(|row| v[*row]).collect()))
        }
        KeyCells::Number(v) => numbers(ty, rows.iter().map(|row| Some(v[*row]))),
    }
}

/// A column of numbers as type `ty` shows them.
fn numbers(ty: Type, values: impl Iterator<Item = Option<u64>>) -> Cells {
    match ty {
        Type::Bool => filled(values.map(|x| x.map(|x| x != 0)), Data::Bool),
        Type::Mac => filled(values.map(|x| x.map(Mac)), Data::Mac),
        Type::Time => filled(values.map(|x| x.map(Ts)), Data::Time),
        Type::Int => filled(values.map(|x| x.map(int)), Data::Int),
        Type::Text => filled(values.map(|x| x.map(|x| code(x).to_string())), Data::Text),
        _ => filled(values, Data::Uint),
    }
}

/// A column with fillers where there is no value.
fn filled<T: Default>(
    values: impl Iterator<Item = Option<T>>,
    data: impl FnOnce(Vec<T>) -> Data,
) -> Cells {
    let (mut filled, mut absent) = (Vec::with_capacity(values.size_hint().0), Vec::new());
    for value in values {
        if value.is_none() {
            absent.resize(filled.len(), false);
            absent.push(true);
        } else if !absent.is_empty() {
            absent.push(false);
        }
        filled.push(value.unwrap_or_default());
    }
    Cells { data: data(filled), absent, states: Vec::new() }
}
