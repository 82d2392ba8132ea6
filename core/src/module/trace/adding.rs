//! What is recorded of kept packets, in longer intervals: every number adds up.

use crate::module::{Fault, Merge};
use crate::record::{Schema, Value};
use crate::time::Interval;

/// Merges the records of [`super::kept_schema`].
#[derive(Debug)]
pub struct Adding;

impl Merge for Adding {
    fn key(&self) -> &[String] {
        &[]
    }

    fn merge(
        &mut self,
        _: Interval,
        _: &Schema,
        a: &[Value],
        b: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        Ok(a.iter().zip(b).map(sum).collect())
    }
}

fn sum((a, b): (&Value, &Value)) -> Value {
    match (a, b) {
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.saturating_add(*b)),
        (Value::Null, b) => b.clone(),
        (a, _) => a.clone(),
    }
}
