//! Core tables as scripts see them: `table.top("bytes", 20)`, `for row in long`.
//!
//! A script never holds a table, only a way to ask for one: rows come as maps of
//! their columns, and a set of rows that is returned from `export` goes into
//! records in whole columns, without passing through the script.

use std::sync::Arc;

use como_core::record::Records;
use como_core::table::Table;
use como_core::time::Interval;
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, Map};

use super::value;
use crate::declare;
use crate::host::tables::{Refused, State};
pub(super) use crate::host::tables::{Shared, Which};
use crate::host::{Host, Phase};
use crate::scan::{Language, table_order};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// A table as a script holds it.
#[derive(Clone, Debug)]
pub(super) struct View {
    shared: Shared,
    which: Which,
}

impl View {
    /// A view of one of the tables.
    pub fn new(shared: &Shared, which: Which) -> Self {
        Self { shared: shared.clone(), which }
    }

    /// All rows, in the order of their keys.
    pub fn all(&mut self) -> Fallible<Rows> {
        self.rows(|table| Ok(table.sorted()))
    }

    fn top(&mut self, name: &str, n: INT) -> Fallible<Rows> {
        let n = usize::try_from(n).unwrap_or(0);
        self.rows(|table| Ok(table.top(column(table, name)?, n)))
    }

    fn rows(&self, choose: impl FnOnce(&Table) -> Fallible<Vec<u32>>) -> Fallible<Rows> {
        let state = self.shared.lock();
        let rows = choose(table(&state, self.which)?)?;
        let generation = state.generation;
        Ok(Rows { shared: self.shared.clone(), which: self.which, generation, rows: rows.into() })
    }

    fn len(&mut self) -> Fallible<INT> {
        Ok(table(&self.shared.lock(), self.which)?.rows() as INT)
    }

    fn find(&mut self, key: &[Dynamic]) -> Fallible<Dynamic> {
        let key = key.iter().map(value::to_value).collect::<Result<Vec<_>, _>>();
        let key = key.map_err(|other| format!("no key is {other}"))?;
        let state = self.shared.lock();
        let table = table(&state, self.which)?;
        Ok(table.find(&key).map_or(Dynamic::UNIT, |found| row(table, found)))
    }

    fn fold(&mut self, table: Self) -> Fallible<()> {
        let fits = self.which == Which::Long
            && table.which == Which::Interval
            && Arc::ptr_eq(&self.shared, &table.shared);
        if !fits {
            return Err("write long.fold(table)".into());
        }
        let mut state = self.shared.lock();
        state.generation += 1;
        state.declared.fold();
        Ok(())
    }
}

fn table(state: &State, which: Which) -> Fallible<&Table> {
    state.table(which).map_err(Into::into)
}

/// Registers `table(#{ key: ..., value: ... })`, and what such a table can do beside others.
pub(super) fn register_made(engine: &mut Engine, host: &Arc<Host>) {
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
        .register_fn("add", move |view: &mut View, _: Dynamic| -> Fallible<()> {
            let mut state = view.shared.lock();
            if !state.is_made() {
                return Err("packets are counted by a table that the script makes: \
                            table(#{ key: ..., value: ... })"
                    .into());
            }
            if host.phase() != Phase::Packets {
                return Err("a packet is added in update or check, where there is one".into());
            }
            state.mark(host.place());
            Ok(())
        })
        .register_fn("clear", |view: &mut View| -> Fallible<()> {
            let mut state = view.shared.lock();
            if !state.is_made() {
                return Err("only a table of its own is cleared".into());
            }
            state.clear();
            Ok(())
        });
}

/// A row as a map of its columns.
pub(super) fn row(table: &Table, row: usize) -> Dynamic {
    let columns = table.schema().columns.iter().enumerate();
    let entry = |(at, column): (usize, &como_core::record::Column)| {
        (column.name.as_str().into(), value::of_value(table.value(row, at)))
    };
    Dynamic::from_map(columns.map(entry).collect::<Map>())
}

fn column(table: &Table, name: &str) -> Fallible<usize> {
    table.column(name).ok_or_else(|| {
        let names: Vec<&str> = table.schema().columns.iter().map(|c| c.name.as_str()).collect();
        let (name, names) = (name.escape_debug(), names.join(", "));
        format!("the table has no column `{name}`; it has {names}").into()
    })
}

/// Some rows of a table, in an order.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    shared: Shared,
    which: Which,
    generation: u64,
    rows: Arc<[u32]>,
}

impl Rows {
    fn with<R>(&self, f: impl FnOnce(&Table) -> R) -> Fallible<R> {
        let state = self.shared.lock();
        if state.generation != self.generation {
            return Err("these rows are of an interval that has closed: ask the table again".into());
        }
        Ok(f(table(&state, self.which)?))
    }

    fn at(&self, at: usize) -> Fallible<Dynamic> {
        match self.rows.get(at) {
            Some(found) => self.with(|table| row(table, *found as usize)),
            None => Ok(Dynamic::UNIT),
        }
    }

    fn index(&mut self, at: INT) -> Fallible<Dynamic> {
        self.at(usize::try_from(at).unwrap_or(usize::MAX))
    }

    fn list(&mut self) -> Fallible<Array> {
        (0..self.rows.len()).map(|at| self.at(at)).collect()
    }

    /// The rows as records, in whole columns.
    pub fn records(&self, interval: Interval) -> Fallible<Records> {
        self.with(|table| table.records(&self.rows, interval))
    }
}

/// Walks a set of rows, making one map after another.
pub(super) struct Walk {
    rows: Fallible<Rows>,
    next: usize,
}

impl Iterator for Walk {
    type Item = Fallible<Dynamic>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        self.next += 1;
        match &self.rows {
            Ok(rows) => (at < rows.rows.len()).then(|| rows.at(at)),
            Err(error) => (at == 0).then(|| Err(error.to_string().into())),
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

    fn into_iter(mut self) -> Walk {
        Walk { rows: self.all(), next: 0 }
    }
}

/// Registers what scripts can do with core tables.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<View>("CoreTable")
        .register_fn("top", View::top)
        .register_fn("top", |table: &mut View, name: &str| table.top(name, 10))
        .register_fn("all", View::all)
        .register_fn("len", View::len)
        .register_fn("find", |table: &mut View| table.find(&[]))
        .register_fn("find", |table: &mut View, key: Dynamic| table.find(&[key]))
        .register_fn("find", |table: &mut View, key: Array| table.find(&key))
        .register_fn("fold", View::fold)
        .register_iterator_result::<View, Dynamic>()
        .register_type_with_name::<Rows>("Rows")
        .register_fn("len", |rows: &mut Rows| rows.rows.len() as INT)
        .register_fn("list", Rows::list)
        .register_indexer_get(Rows::index)
        .register_iterator_result::<Rows, Dynamic>();
}
