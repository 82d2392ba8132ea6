//! What could be read to answer a question, shown: each candidate, what it costs and leaves out.

use std::sync::Arc;

use super::price::{Asked, Price};
use super::{Candidate, Past};
use crate::lookup::Lookups;
use crate::query::{Own, QueryError};
use crate::record::{Column, Records, Schema, Type, Value};
use crate::source::Sampling;
use crate::storage::{Window, packets};
use crate::supervisor::{Instance, Needs};
use crate::time::{Span, Ts};

/// What is beside records that are replayed.
#[derive(Default)]
struct Beside<'a> {
    // The stream whose records are given as they are.
    own: Option<&'a str>,
    // Why nothing else is read, if it is not.
    why_not: Option<String>,
    // Why what is read may not be exact beside them.
    doubt: Option<&'a str>,
}

impl Past<'_> {
    /// What could be read to answer, what it costs, and what would be chosen, as records.
    pub fn explain(
        &self,
        instance: Instance,
        window: Window,
        lookups: &Arc<Lookups>,
    ) -> Result<Records, QueryError> {
        let mut records = Records::empty(schema(), Span(0));
        self.show((&instance, window, lookups), Beside::default(), &mut records)?;
        Ok(records)
    }

    /// The same of a module that has records of its own: these come first, then what `filler` reads
    /// for the time that they do not reach; or, where they reach all or nothing fills it, what
    /// could be.
    pub fn explain_beside(
        &self,
        (instance, filler): (Instance, Option<&Instance>),
        own: &Own,
        lookups: &Arc<Lookups>,
    ) -> Result<Records, QueryError> {
        let rests = filler.map(|filler| self.rests(filler, own, lookups)).transpose()?;
        let rests = rests.unwrap_or_default();
        let mut records = Records::empty(schema(), Span(0));
        let filled = rests.each_ref().map(Option::is_some);
        records.push(own.window.from, own_row(own, self.price_of_own(own), filled));
        for (chosen, window, instance) in rests.iter().flatten() {
            let doubt = chosen.doubt.as_deref();
            let beside = Beside { own: Some(&own.name), why_not: None, doubt };
            self.show((instance, *window, lookups), beside, &mut records)?;
        }
        if rests.iter().all(Option::is_none) {
            let why_not = format!("`{}` has records of its own", own.name);
            let beside = Beside { own: Some(&own.name), why_not: Some(why_not), doubt: None };
            self.show((&instance, own.window, lookups), beside, &mut records)?;
        }
        Ok(records)
    }

    /// Adds what could be read for a window, the best first.
    fn show(
        &self,
        (instance, window, lookups): (&Instance, Window, &Arc<Lookups>),
        Beside { own, why_not, doubt }: Beside<'_>,
        records: &mut Records,
    ) -> Result<(), QueryError> {
        let needs = Needs::of(instance.clone())?;
        let mut candidates = self.candidates(&needs, window)?;
        candidates.retain(|one| one.is_packets || own.is_none_or(|own| one.name != own));
        let asked = Asked { instance, needs: &needs, window, lookups };
        self.price(&mut candidates, asked, |candidate| candidate.refusal.is_none());
        for (at, mut candidate) in candidates.into_iter().enumerate() {
            candidate.doubt = doubt.map(str::to_owned).or(candidate.doubt);
            let leaves_out = Self::leaves_out(&candidate, window);
            why_not.iter().for_each(|why_not| candidate.reserve(why_not.clone()));
            records.push(window.from, row(candidate, at == 0, leaves_out));
        }
        Ok(())
    }

    /// What a candidate leaves out of the time it covers, or may not say exactly.
    fn leaves_out(candidate: &Candidate, window: Window) -> Option<String> {
        let covered = candidate.covered?;
        let [unfit, unsaid] = candidate.left_out();
        let Candidate { doubt, shed, aligned, .. } = candidate;
        let doubts = [&unfit, &unsaid, doubt, shed, aligned];
        let mut all: Vec<String> = doubts.into_iter().flatten().cloned().collect();
        let source = candidate.source.as_ref();
        all.extend(source.and_then(|source| sampled(source.description().sampling)));
        let gaps = &candidate.gaps;
        if let Some(Window { from, to }) = gaps.first() {
            let others = match gaps.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            all.push(format!("there is a gap from {from} until {to}{others}"));
        }
        let missing = candidate.dir.as_ref().map(|dir| packets::missing(dir, covered));
        // What cannot be read is complained of by who reads it.
        all.extend(missing.and_then(Result::ok).into_iter().flatten());
        let unsearched = candidate.unsearched;
        all.extend(unsearched.map(|ts| format!("from {ts} on gaps were not looked for")));
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

/// What packets lack that were sampled, where they were.
fn sampled(sampling: Sampling) -> Option<String> {
    match sampling {
        Sampling::OneIn(_) | Sampling::Varying => {
            Some(format!("it has a sample of the packets there were: sampling {sampling}"))
        }
        Sampling::Unknown | Sampling::None => None,
    }
}

/// What is said of each.
fn schema() -> Arc<Schema> {
    Arc::new(Schema::new([
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
    ]))
}

/// What a module recorded itself as a record; `filled` is whether something else is read for the
/// time before it, and for that behind.
fn own_row(own: &Own, price: Option<Price>, filled: [bool; 2]) -> [Value; 15] {
    let covered = own.stored.and_then(|stored| stored.common(own.window));
    let end = |at: fn(Window) -> Ts| covered.map_or(Value::Null, |w| at(w).into());
    let lacks = covered.map(|covered| {
        let before = own.window.from > Ts(0) && own.window.from < covered.from && !filled[0];
        let behind = own.lacks_any() && covered.to < own.window.to && !filled[1];
        [
            before.then(|| format!("there is nothing before {}", covered.from)),
            behind.then(|| format!("there is nothing from {} on", covered.to)),
        ]
    });
    let lacks = lacks.into_iter().flatten().flatten();
    let lacks: Vec<String> = own.notes.iter().cloned().chain(lacks).collect();
    let mut row = [const { Value::Null }; 15];
    row[0] = Value::Text(own.name.clone());
    row[1] = "its own records".into();
    (row[2], row[3]) = (end(|window| window.from), end(|window| window.to));
    row[4] = Value::Uint(super::replayed::share(own.bytes, own.stored, covered));
    for (value, price) in row[5..12].iter_mut().zip(prices(price)) {
        *value = price;
    }
    row[12] = covered.is_some().into();
    if covered.is_none() {
        row[13] = "it has nothing of the time asked for".into();
    }
    if !lacks.is_empty() {
        row[14] = Value::Text(lacks.join("; "));
    }
    row
}

/// How much there is to do, what one of each takes, what that comes to, and how that is known.
fn prices(price: Option<Price>) -> [Value; 7] {
    let price = |value: fn(Price) -> Value| price.map_or(Value::Null, value);
    // To a hundredth: more would be no measurement.
    fn rounded(number: f64) -> Value {
        Value::Float((number * 100.0).round() / 100.0)
    }
    [
        price(|price| price.amount.records.into()),
        price(|price| price.amount.packets.unwrap_or(0).into()),
        price(|price| rounded(price.took.rates()[0])),
        price(|price| rounded(price.took.rates()[1])),
        price(|price| rounded(price.took.rates()[2])),
        price(|price| rounded(price.cost_ns as f64 / 1e6)),
        price(|price| if price.is_sample { "a sample".into() } else { "earlier runs".into() }),
    ]
}

/// A candidate as a record.
fn row(candidate: Candidate, is_best: bool, leaves_out: Option<String>) -> [Value; 15] {
    let what = if candidate.is_packets { "packets" } else { "records, replayed" };
    let end = |at: fn(Window) -> Ts| candidate.covered.map_or(Value::Null, |w| at(w).into());
    let (from, to) = (end(|window| window.from), end(|window| window.to));
    let [of_records, packets, byte_ns, record_ns, packet_ns, cost_ms, measured] =
        prices(candidate.price);
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
