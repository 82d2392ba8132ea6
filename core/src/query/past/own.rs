//! What it costs to give records as they were stored: to read them, which whoever replayed them did
//! too, and nothing else.

use super::Past;
use super::price::Price;
use super::replayed::share;
use crate::costs::thread_cpu_ns;
use crate::query::Own;
use crate::query::rates::{Amount, Took};
use crate::storage::Window;
use crate::storage::scan::Cursor;

/// How many blocks are read to see what that takes.
const SAMPLE_BLOCKS: usize = 8;

impl Past<'_> {
    /// What the records of an instance cost of the time that they reach; none where they reach
    /// nothing, or cannot be read.
    pub(super) fn price_of_own(&self, own: &Own) -> Option<Price> {
        let covered = own.stored?.common(own.window)?;
        let part = |of: u64| share(of, own.stored, Some(covered));
        let rows = self.store.stream(&own.name).ok()??.rows;
        let records = part(rows.unwrap_or(0));
        let amount = Amount { bytes: part(own.bytes), records, packets: Some(0) };
        let known = self.rates.reading(&own.name);
        let took = known.or_else(|| self.sample_of_blocks(&own.name, covered))?;
        Some(Price { cost_ns: took.cost_ns(amount), amount, took, is_sample: known.is_none() })
    }

    /// Reads the first blocks of a stream in a window, and forgets them.
    fn sample_of_blocks(&self, stream: &str, window: Window) -> Option<Took> {
        let (mut cursor, begun) = (Cursor::new(stream, window), thread_cpu_ns());
        for _ in 0..SAMPLE_BLOCKS {
            if cursor.find(&*self.store).ok()?.is_none() {
                break;
            }
        }
        let read_ns = thread_cpu_ns().saturating_sub(begun);
        Some(Took { bytes: cursor.read_bytes(), read_ns, ..Took::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::query::past::tests::{asked, minute};
    use crate::record::Value;
    use crate::time::Ts;

    /// What is said of its own records where `counts` is explained from 20 to 50 seconds.
    fn explained(past: &Past<'_>) -> impl Fn(&str) -> Value + use<> {
        let window = Window { from: Ts::new(20, 0), to: Ts::new(50, 0) };
        let stream = past.store.stream("counts").expect("a store").expect("records");
        let own = Own::of(&stream, window);
        let shown = past.explain_beside((asked("5s", ""), None), &own, &Arc::default());
        let shown = shown.expect("a store");
        move |column| shown.value(0, shown.schema.position(column).expect("a column"))
    }

    #[test]
    fn records_of_its_own_cost_what_it_took_to_read_them() {
        let minute = minute();
        let shown = explained(&minute.past());
        let bytes = shown("bytes").as_uint().expect("bytes");
        assert!(bytes > 0 && shown("records") == Value::Uint(6), "{:?}", shown("records"));
        // A thousand bytes took a microsecond to whoever replayed them.
        assert_eq!(shown("byte_ns"), Value::Float(1.0));
        assert_eq!(shown("record_ns"), Value::Float(0.0));
        let cost_ms = (bytes as f64 / 1e4).round() / 100.0;
        assert_eq!(shown("cost_ms"), Value::Float(cost_ms));
        assert_eq!(shown("measured"), "earlier runs".into());
    }

    #[test]
    fn records_that_nobody_read_yet_are_read_to_see_what_that_takes() {
        let minute = minute();
        let past = Past { rates: Arc::default(), ..minute.past() };
        let shown = explained(&past);
        assert_eq!(shown("measured"), "a sample".into());
        for column in ["byte_ns", "cost_ms"] {
            assert!(matches!(shown(column), Value::Float(ns) if ns >= 0.0), "{column}");
        }
    }
}
