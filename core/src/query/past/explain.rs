//! What could be read to answer a question, shown: each candidate, what it costs and leaves out.

use std::sync::Arc;

use super::price::{Asked, Price};
use super::{Candidate, Past};
use crate::lookup::Lookups;
use crate::query::QueryError;
use crate::record::{Column, Records, Schema, Type, Value};
use crate::storage::Window;
use crate::supervisor::{Instance, Needs};
use crate::time::{Span, Ts};

impl Past<'_> {
    /// What could be read to answer, what it costs, and what would be chosen, as records.
    pub fn explain(
        &self,
        instance: Instance,
        window: Window,
        lookups: &Arc<Lookups>,
    ) -> Result<Records, QueryError> {
        let needs = Needs::of(instance.clone())?;
        let mut candidates = self.candidates(&needs, window)?;
        let asked = Asked { instance: &instance, needs: &needs, window, lookups };
        self.price(&mut candidates, asked, |candidate| candidate.refusal.is_none());
        let schema = Schema::new([
            Column::new("source", Type::Text),
            Column::new("what", Type::Text),
            Column::new("from", Type::Time),
            Column::new("to", Type::Time),
            Column::new("bytes", Type::Uint).unit("bytes"),
            Column::new("records", Type::Uint),
            Column::new("packets", Type::Uint),
            Column::new("byte_ns", Type::Float).unit("ns"),
            Column::new("record_ns", Type::Float).unit("ns"),
            Column::new("packet_ns", Type::Float).unit("ns"),
            Column::new("cost_ms", Type::Float).unit("ms"),
            Column::new("measured", Type::Text),
            Column::new("chosen", Type::Bool),
            Column::new("why_not", Type::Text),
            Column::new("leaves_out", Type::Text),
        ]);
        let mut records = Records::empty(Arc::new(schema), Span(0));
        for (at, candidate) in candidates.into_iter().enumerate() {
            let leaves_out = Self::leaves_out(&candidate, window);
            records.push(window.from, row(candidate, at == 0, leaves_out));
        }
        Ok(records)
    }

    /// What a candidate leaves out of the time it covers, or may not say exactly.
    fn leaves_out(candidate: &Candidate, window: Window) -> Option<String> {
        let covered = candidate.covered?;
        let (unfit, unsaid) = (candidate.unfit.note(), candidate.unsaid.note());
        let doubts = [&unfit, &unsaid, &candidate.doubt, &candidate.aligned];
        let mut all: Vec<String> = doubts.into_iter().flatten().cloned().collect();
        let gaps = &candidate.gaps;
        if let Some(Window { from, to }) = gaps.first() {
            let others = match gaps.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            all.push(format!("there is a gap from {from} until {to}{others}"));
        }
        let before = covered.from > window.from && window.from > Ts(0);
        let behind = covered.to < window.to && window.to < Window::ALL.to;
        let outside = [
            before.then(|| format!("there is nothing before {}", covered.from)),
            behind.then(|| format!("there is nothing from {} on", covered.to)),
        ];
        all.extend(outside.into_iter().flatten());
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// A candidate as a record.
fn row(candidate: Candidate, is_best: bool, leaves_out: Option<String>) -> [Value; 15] {
    let what = if candidate.is_packets { "packets" } else { "records, replayed" };
    let end = |at: fn(Window) -> Ts| candidate.covered.map_or(Value::Null, |w| at(w).into());
    let (from, to) = (end(|window| window.from), end(|window| window.to));
    let price = |value: fn(Price) -> Value| candidate.price.map_or(Value::Null, value);
    // To a hundredth: more would be no measurement.
    fn rounded(number: f64) -> Value {
        Value::Float((number * 100.0).round() / 100.0)
    }
    let prices = [
        price(|price| price.amount.records.into()),
        price(|price| price.amount.packets.unwrap_or(0).into()),
        price(|price| rounded(price.took.rates()[0])),
        price(|price| rounded(price.took.rates()[1])),
        price(|price| rounded(price.took.rates()[2])),
        price(|price| rounded(price.cost_ns as f64 / 1e6)),
        price(|price| if price.is_sample { "a sample".into() } else { "earlier runs".into() }),
    ];
    let [of_records, packets, byte_ns, record_ns, packet_ns, cost_ms, measured] = prices;
    let why_not = candidate.refusal.or(candidate.reservation);
    let chosen = (is_best && why_not.is_none()).into();
    let why_not = why_not.map_or(Value::Null, Value::Text);
    let (name, bytes) = (Value::Text(candidate.name), Value::Uint(candidate.bytes));
    [
        name,
        what.into(),
        from,
        to,
        bytes,
        of_records,
        packets,
        byte_ns,
        record_ns,
        packet_ns,
        cost_ms,
        measured,
        chosen,
        why_not,
        leaves_out.map_or(Value::Null, Value::Text),
    ]
}
