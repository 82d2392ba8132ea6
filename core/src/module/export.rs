//! What a module writes its records into when an interval has closed.

use std::sync::Arc;

use crate::record::{Records, Schema, Value};
use crate::time::{Interval, Ts};

/// Collects the records of one closed interval.
#[derive(Debug)]
pub struct Export {
    interval: Interval,
    schema: Arc<Schema>,
    written: Vec<Records>,
    last: bool,
}

impl Export {
    /// An empty export of `interval` for records of `schema`.
    pub fn new(interval: Interval, schema: Arc<Schema>) -> Self {
        Self { interval, schema, written: Vec::new(), last: false }
    }

    /// The same, for the last interval of all.
    pub fn closing(mut self) -> Self {
        self.last = true;
        self
    }

    /// Whether nothing will follow, so that what a module keeps across intervals must go out now.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Packet time at this flush: the interval's end, or where nothing will follow the latest
    /// instant there is.
    pub fn now(&self) -> Ts {
        if self.last { Ts(u64::MAX) } else { self.interval.end() }
    }

    /// The interval that closed.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Begins a record of `interval`; values not set are absent.
    pub fn record(&mut self, interval: Interval) -> Row<'_> {
        let fits = |r: &Records| r.schema == self.schema && r.len == interval.len();
        if !self.written.last().is_some_and(fits) {
            self.written.push(Records::empty(self.schema.clone(), interval.len()));
        }
        let at = self.written.len() - 1;
        let records = &mut self.written[at];
        records.push(interval.start(), []);
        Row { records }
    }

    /// Adds rows that are already columns, as tables write them.
    pub fn records(&mut self, records: Records) {
        self.written.push(records);
    }

    /// What was written.
    pub fn into_records(self) -> Vec<Records> {
        self.written
    }
}

/// The record being written.
#[derive(Debug)]
pub struct Row<'a> {
    records: &'a mut Records,
}

impl Row<'_> {
    /// Sets the value of the column called `name`; a name the schema lacks is ignored.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        if let Some(at) = self.records.schema.position(name) {
            self.records.cells[at].replace_last(value.into());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Column, Type};
    use crate::time::Span;

    #[test]
    fn rows_keep_what_was_set_and_leave_the_rest_absent() {
        let columns = [Column::new("a", Type::Uint), Column::new("b", Type::Text)];
        let interval = Interval::holding(Ts::new(7, 0), Span::from_secs(5));
        let mut out = Export::new(interval, Arc::new(Schema::new(columns)));
        out.record(interval).set("a", 1u64).set("nobody", 2u64);
        out.record(interval).set("b", "x").set("a", 3u64);
        let [records] = &out.into_records()[..] else { panic!("one schema, one block") };
        assert_eq!(records.starts, [Ts::new(5, 0); 2]);
        let row = |at| (records.value(at, 0), records.value(at, 1));
        assert_eq!(row(0), (Value::Uint(1), Value::Null));
        assert_eq!(row(1), (Value::Uint(3), Value::Text("x".into())));
    }
}
