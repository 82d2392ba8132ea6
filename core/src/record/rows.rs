//! Rows of records picked, joined and put into order: what storage does to columns.

use std::ops::Range;

use super::{Cells, Data, Records};

/// Calls one expression for the vector of whichever type a column has.
macro_rules! each {
    ($data:expr, $v:ident => $make:expr) => {
        match $data {
            Data::Bool($v) => Data::Bool($make),
            Data::Uint($v) => Data::Uint($make),
            Data::Int($v) => Data::Int($make),
            Data::Float($v) => Data::Float($make),
            Data::Addr($v) => Data::Addr($make),
            Data::Mac($v) => Data::Mac($make),
            Data::Text($v) => Data::Text($make),
            Data::Bytes($v) => Data::Bytes($make),
            Data::Time($v) => Data::Time($make),
        }
    };
}

impl Cells {
    /// The values of the rows `at`, in that order. Rows the column lacks are left out.
    pub fn pick(&self, at: &[usize]) -> Self {
        let data = each!(&self.data, v => at.iter().filter_map(|i| v.get(*i).cloned()).collect());
        let absent = if self.absent.is_empty() {
            Vec::new()
        } else {
            at.iter().filter_map(|i| self.absent.get(*i).copied()).collect()
        };
        let states = at.iter().filter_map(|i| self.states.get(*i).cloned()).collect();
        Self { data, absent, states }
    }

    /// The values of a run of rows, as far as the column reaches.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let rows = rows.start.min(self.data.len())..rows.end.min(self.data.len());
        let data = each!(&self.data, v => v[rows.clone()].to_vec());
        let states = self.states.get(rows.clone()).map(<[Vec<u8>]>::to_vec).unwrap_or_default();
        let absent = self.absent.get(rows).map(<[bool]>::to_vec).unwrap_or_default();
        Self { data, absent, states }
    }

    /// Adds the values of `other` behind its own. Returns false, adding nothing, if the types
    /// differ.
    pub fn append(&mut self, other: Self) -> bool {
        let (own, added) = (self.data.len(), other.data.len());
        match (&mut self.data, other.data) {
            (Data::Bool(v), Data::Bool(o)) => v.extend(o),
            (Data::Uint(v), Data::Uint(o)) => v.extend(o),
            (Data::Int(v), Data::Int(o)) => v.extend(o),
            (Data::Float(v), Data::Float(o)) => v.extend(o),
            (Data::Addr(v), Data::Addr(o)) => v.extend(o),
            (Data::Mac(v), Data::Mac(o)) => v.extend(o),
            (Data::Text(v), Data::Text(o)) => v.extend(o),
            (Data::Bytes(v), Data::Bytes(o)) => v.extend(o),
            (Data::Time(v), Data::Time(o)) => v.extend(o),
            _ => return false,
        }
        if !self.absent.is_empty() || !other.absent.is_empty() {
            self.absent.resize(own, false);
            self.absent.extend(other.absent);
            self.absent.resize(own + added, false);
        }
        if self.is_stateful() || !other.states.is_empty() {
            self.states.resize(own, Vec::new());
            self.states.extend(other.states);
            self.states.resize(own + added, Vec::new());
        }
        true
    }
}

impl Records {
    /// A run of rows, as far as there are any.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let rows = rows.start.min(self.rows())..rows.end.min(self.rows());
        Self {
            schema: self.schema.clone(),
            starts: self.starts[rows.clone()].to_vec(),
            len: self.len,
            cells: self.cells.iter().map(|c| c.slice(rows.clone())).collect(),
            cut: self.cut,
        }
    }

    /// Whether the rows of `other` may stand behind these: same columns, length and completeness,
    /// and as much kept of each column.
    pub fn joins(&self, other: &Self) -> bool {
        let mut pairs = self.cells.iter().zip(&other.cells);
        self.schema == other.schema
            && self.len == other.len
            && self.cut == other.cut
            && pairs.all(|(a, b)| a.is_stateful() == b.is_stateful())
    }

    /// Adds rows that [`Records::joins`] allows. Returns false, adding nothing, where it does not.
    pub fn append(&mut self, other: Self) -> bool {
        let typed = |r: &Self| r.cells.iter().map(|c| c.data.ty()).collect::<Vec<_>>();
        if !self.joins(&other) || typed(self) != typed(&other) {
            return false;
        }
        self.starts.extend(other.starts);
        for (cells, added) in self.cells.iter_mut().zip(other.cells) {
            cells.append(added);
        }
        true
    }

    /// Puts the rows into time order; rows of one instant keep theirs.
    pub fn sort(&mut self) {
        if self.starts.is_sorted() {
            return;
        }
        let mut at: Vec<usize> = (0..self.rows()).collect();
        at.sort_by_key(|i| self.starts[*i]);
        self.starts = at.iter().map(|i| self.starts[*i]).collect();
        for cells in &mut self.cells {
            *cells = cells.pick(&at);
        }
    }

    /// The rows whose interval starts inside `[from, to)`; the rows must be in time order.
    pub fn window(&self, from: crate::time::Ts, to: crate::time::Ts) -> Range<usize> {
        let start = self.starts.partition_point(|ts| *ts < from);
        let end = self.starts.partition_point(|ts| *ts < to);
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::{Column, Schema, Type, Value};
    use crate::time::{Span, Ts};

    fn records(rows: &[(u64, Option<u64>)]) -> Records {
        let schema = Arc::new(Schema::new([Column::new("n", Type::Uint)]));
        let mut records = Records::empty(schema, Span::from_secs(1));
        for (start, n) in rows {
            records.push(Ts(*start), [Value::from(*n)]);
        }
        records
    }

    #[test]
    fn joined_rows_keep_what_is_absent() {
        let mut all = records(&[(1, Some(1))]);
        assert!(all.append(records(&[(2, None), (3, Some(3))])));
        assert!(all.append(records(&[(4, Some(4))])));
        assert_eq!(all, records(&[(1, Some(1)), (2, None), (3, Some(3)), (4, Some(4))]));
        assert_eq!(all.slice(1..3), records(&[(2, None), (3, Some(3))]));
    }

    #[test]
    fn rows_of_another_length_do_not_join() {
        let mut all = records(&[(1, Some(1))]);
        let other = Records { len: Span::from_secs(2), ..records(&[(2, Some(2))]) };
        assert!(!all.append(other));
        assert_eq!(all.rows(), 1);
    }

    #[test]
    fn sorting_is_by_time_and_keeps_the_order_within_an_instant() {
        let mut all = records(&[(3, Some(1)), (1, None), (3, Some(2)), (2, Some(3))]);
        all.sort();
        assert_eq!(all, records(&[(1, None), (2, Some(3)), (3, Some(1)), (3, Some(2))]));
        assert_eq!(all.window(Ts(2), Ts(3)), 1..2);
        assert_eq!(all.window(Ts(4), Ts(3)), 4..4);
    }
}
