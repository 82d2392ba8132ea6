//! The same count without any cleverness: all packets of a key in a list.

use std::collections::{BTreeMap, BTreeSet};

use super::super::key::{Cell, KeyColumn, cell};
use super::super::sketch::{Item, Items};
use super::super::{Function, Of, ValueColumn};
use crate::batch::Batch;
use crate::field::Field;
use crate::record::Value;
use crate::selection::Selection;
use crate::table::layout::{FLOW, Layout};
use crate::time::Ts;

/// What one packet brings to each column: time, value, packets, bytes.
type Brought = (Ts, Option<Item>, u64, u64);

pub struct Naive {
    key: Vec<KeyColumn>,
    value: Vec<ValueColumn>,
    rows: BTreeMap<Vec<Cell>, Vec<Vec<Brought>>>,
}

impl Naive {
    pub fn new(key: &[&str], value: &[ValueColumn]) -> Self {
        let whole = FLOW.iter().all(|f| key.iter().any(|k| k.starts_with(f.name())));
        let column = |text: &&str| {
            let mut column = KeyColumn::parse(text, text).expect("a key");
            column.or_zero |= whole && matches!(column.field, Field::Sport | Field::Dport);
            column
        };
        let key: Vec<KeyColumn> = key.iter().map(column).collect();
        let mut rows = BTreeMap::new();
        if key.is_empty() {
            rows.insert(Vec::new(), vec![Vec::new(); value.len()]);
        }
        Self { key, value: value.to_vec(), rows }
    }

    pub fn update(&mut self, batch: &Batch, picked: &Selection) {
        for at in picked.iter() {
            let key: Option<Vec<Cell>> = self.key.iter().map(|k| k.read(batch, at)).collect();
            let Some(key) = key else { continue };
            let columns =
                self.rows.entry(key).or_insert_with(|| vec![Vec::new(); self.value.len()]);
            for (brought, column) in columns.iter_mut().zip(&self.value) {
                let of = match column.aggregate.of.as_str() {
                    "" => Of::Packets,
                    "flow" => Of::Flow,
                    name => Of::Field(Field::named(name).expect("a field")),
                };
                let item = match of {
                    Of::Field(field) => cell(batch, field, at).map(Item::Cell),
                    of => Items::of(batch, of).get(at),
                };
                let weight = batch.weight(at);
                brought.push((batch.all()[at].ts, item, weight.packets, weight.bytes));
            }
        }
    }

    pub fn rows(&self) -> Vec<Vec<Value>> {
        let row = |(key, columns): (&Vec<Cell>, &Vec<Vec<Brought>>)| {
            let key = key.iter().zip(&self.key).map(|(cell, k)| cell.value(k.ty()));
            let values = columns.iter().zip(&self.value).map(|(b, column)| answer(column, b));
            key.chain(values).collect()
        };
        self.rows.iter().map(row).collect()
    }
}

fn answer(column: &ValueColumn, brought: &[Brought]) -> Value {
    let is_len = column.aggregate.of == "len";
    let packets: u64 = brought.iter().map(|b| b.2).sum();
    let bytes: u64 = brought.iter().map(|b| b.3).sum();
    let numbers: Vec<(Ts, u64, u64)> = brought
        .iter()
        .filter_map(|(ts, item, packets, _)| match item {
            Some(Item::Cell(Cell::Number(x))) => Some((*ts, *x, *packets)),
            _ => None,
        })
        .collect();
    let some = |x: Option<u64>| x.map_or(Value::Null, |x| typed(column, Cell::Number(x)));
    let weight: f64 = numbers.iter().map(|n| n.2 as f64).sum();
    let total: f64 = match is_len {
        true => bytes as f64,
        false => numbers.iter().map(|n| (n.1 * n.2) as f64).sum(),
    };
    let seconds = super::span().as_secs_f64();
    match column.aggregate.function {
        Function::Count => Value::Uint(packets),
        Function::Sum => Value::Uint(total as u64),
        Function::Min => some(numbers.iter().map(|n| n.1).min()),
        Function::Max => some(numbers.iter().map(|n| n.1).max()),
        Function::Mean if numbers.is_empty() => Value::Null,
        Function::Mean => Value::Float(total / weight),
        Function::Var if numbers.is_empty() => Value::Null,
        Function::Var => {
            let mean = total / weight;
            let squares = numbers.iter().map(|n| (n.1 as f64 - mean).powi(2) * n.2 as f64);
            Value::Float(squares.sum::<f64>() / weight)
        }
        Function::First => extreme(column, brought, true),
        Function::Last => extreme(column, brought, false),
        Function::Rate if column.aggregate.of.is_empty() => Value::Float(packets as f64 / seconds),
        Function::Rate => Value::Float(total / seconds),
        Function::Distinct => {
            let items: BTreeSet<Item> = brought.iter().filter_map(|b| b.1).collect();
            Value::Uint(items.len() as u64)
        }
        _ => Value::Null,
    }
}

/// The value that comes first or last by time; of one instant, by order of arrival.
fn extreme(column: &ValueColumn, brought: &[Brought], first: bool) -> Value {
    let with_value = brought.iter().filter(|b| b.1.is_some());
    let found = match first {
        true => with_value.min_by_key(|b| b.0),
        false => with_value.max_by_key(|b| b.0),
    };
    match found.and_then(|b| b.1) {
        Some(Item::Cell(cell)) => typed(column, cell),
        _ => Value::Null,
    }
}

fn typed(column: &ValueColumn, cell: Cell) -> Value {
    let layout = Layout::new(&[], std::slice::from_ref(column), super::Full::Other);
    cell.value(layout.expect("one column").schema().columns[0].ty)
}
