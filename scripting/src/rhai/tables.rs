//! Core tables as scripts see them: `table.top("bytes", 20)`, `for row in long`.
//!
//! Rows come as maps of their columns.

use std::sync::Arc;

use como_core::record::Value;
use como_core::table::Table;
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, Map};

use super::keyed::fits;
use super::packet::Packet;
use super::{value, words};
use crate::api::how_many;
use crate::declare;
use crate::host::tables::Refused;
pub(super) use crate::host::tables::{Shared, Which};
pub(super) use crate::host::view::{Rows, View};
use crate::host::{Phase, Reach};
use crate::scan::{Language, table_order};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Registers `table(#{ key: ..., value: ... })`, and what such a table can do beside others.
pub(super) fn register_made(engine: &mut Engine, host: &Arc<Reach>) {
    let (maker, host) = (host.clone(), host.clone());
    engine
        .register_fn("table", move |given: Map| -> Fallible<View> {
            if matches!(maker.phase(), Phase::Export | Phase::Records) {
                return Err("make tables in init or at the top level".into());
            }
            let source = maker.tables.lock().source();
            let order = |path: &str| table_order(&source, Language::Rhai, path);
            let given = value::to_tree(&Dynamic::from_map(given), "table", &order)?;
            let declaration = declare::table(&given)?;
            let shared =
                maker.tables.lock().make(&declaration).map_err(|refused| match refused {
                    Refused::Mistake(message) => Box::<EvalAltResult>::from(message),
                    Refused::Full(message) => {
                        EvalAltResult::ErrorDataTooLarge(message, rhai::Position::NONE).into()
                    }
                })?;
            Ok(View::new(&shared, Which::Interval))
        })
        .register_fn("add", move |view: &mut View, given: Dynamic| -> Fallible<()> {
            let Some(shared) = view.made() else {
                return Err("packets are counted by a table that the script makes: \
                            table(#{ key: ..., value: ... })"
                    .into());
            };
            if host.phase() != Phase::Packets {
                return Err("a packet is added in update or check, where there is one".into());
            }
            // Where nothing else is asked of the packet, the callback is given none.
            if !given.is_unit() && !given.is::<Packet>() {
                let given = words::named(&given);
                return Err(format!("`add` takes a packet, and this is {given}").into());
            }
            shared.lock().mark(host.place());
            Ok(())
        })
        .register_fn("clear", |view: &mut View| -> Fallible<()> { Ok(view.clear()?) });
}

/// A row as a map of its columns.
pub(super) fn row(table: &Table, row: usize) -> Dynamic {
    let columns = table.schema().columns.iter().enumerate();
    let entry = |(at, column): (usize, &como_core::record::Column)| {
        (column.name.as_str().into(), value::of_value(table.value(row, at)))
    };
    Dynamic::from_map(columns.map(entry).collect::<Map>())
}

fn find(view: &View, key: &[Dynamic]) -> Fallible<Dynamic> {
    let key = key.iter().map(value::to_value).collect::<Result<Vec<_>, _>>();
    let key = key.map_err(|other| format!("no key is {other}"))?;
    Ok(view.find(&key, row)?.unwrap_or(Dynamic::UNIT))
}

fn top(view: &View, name: &str, n: &Dynamic) -> Fallible<Rows> {
    Ok(view.top(name, how_many(&value::to_value(n).unwrap_or(Value::Bool(false)))?)?)
}

fn fold(view: &View, table: &View) -> Fallible<()> {
    if view.fold(table) { Ok(()) } else { Err("write long.fold(table)".into()) }
}

fn row_at(rows: &Rows, at: usize) -> Fallible<Dynamic> {
    Ok(rows.row(at, row)?.unwrap_or(Dynamic::UNIT))
}

/// All rows of a set, made at once: as many as a list holds.
fn list(rows: &Rows) -> Fallible<Array> {
    let columns = rows.row(0, |table, _| table.schema().columns.len())?;
    fits(rows.len(), columns.unwrap_or(0))?;
    (0..rows.len()).map(|at| row_at(rows, at)).collect()
}

/// Walks a set of rows, making one map after another.
pub struct Walk {
    rows: Result<Rows, String>,
    next: usize,
}

impl Iterator for Walk {
    type Item = Fallible<Dynamic>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        self.next += 1;
        match &self.rows {
            Ok(rows) => (at < rows.len()).then(|| row_at(rows, at)),
            Err(error) => (at == 0).then(|| Err(error.as_str().into())),
        }
    }
}

impl IntoIterator for Rows {
    type Item = Fallible<Dynamic>;
    type IntoIter = Walk;

    fn into_iter(self) -> Walk {
        Walk { rows: Ok(self), next: 0 }
    }
}

impl IntoIterator for View {
    type Item = Fallible<Dynamic>;
    type IntoIter = Walk;

    fn into_iter(self) -> Walk {
        Walk { rows: self.all(), next: 0 }
    }
}

/// Registers what scripts can do with core tables.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<View>("CoreTable")
        .register_fn("top", |table: &mut View, name: &str, n: Dynamic| top(table, name, &n))
        .register_fn("top", |table: &mut View, name: &str| top(table, name, &Dynamic::UNIT))
        .register_fn("all", |table: &mut View| -> Fallible<Rows> { Ok(table.all()?) })
        .register_fn("each", |table: &mut View| -> Fallible<Rows> { Ok(table.all()?) })
        .register_fn("len", |table: &mut View| -> Fallible<INT> { Ok(table.len()? as INT) })
        .register_fn("find", |table: &mut View| find(table, &[]))
        .register_fn("find", |table: &mut View, key: Dynamic| find(table, &[key]))
        .register_fn("find", |table: &mut View, key: Array| find(table, &key))
        .register_fn("fold", |long: &mut View, table: View| fold(long, &table))
        .register_iterator_result::<View, Dynamic>()
        .register_type_with_name::<Rows>("Rows")
        .register_fn("len", |rows: &mut Rows| rows.len() as INT)
        .register_fn("list", |rows: &mut Rows| list(rows))
        .register_indexer_get(|rows: &mut Rows, at: INT| {
            row_at(rows, usize::try_from(at).unwrap_or(usize::MAX))
        })
        .register_iterator_result::<Rows, Dynamic>();
}
