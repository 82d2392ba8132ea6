//! `table()`: state by any key, for scripts whose `update` is their own.
//!
//! Rhai's maps take only text as names, and every step on one weighs all of it.
//! A table takes numbers, text and addresses, is passed around without being
//! copied, counts its bytes as it grows, and refuses to pass its limit.

use std::collections::HashMap;
use std::sync::Arc;

use como_core::addr::{Addr, Mac};
use como_core::hash::{TableHash, for_tables};
use parking_lot::Mutex;
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, ImmutableString, Map};

use super::value::{named, weigh};
use crate::flow::Flow;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// What a row is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Int(INT),
    Bool(bool),
    Addr(Addr),
    Mac(Mac),
    Flow(Flow),
    Text(ImmutableString),
}

impl Key {
    fn of(value: &Dynamic) -> Fallible<Self> {
        if let Ok(x) = value.as_int() {
            return Ok(Self::Int(x));
        }
        if let Some(x) = value.read_lock::<Addr>() {
            return Ok(Self::Addr(*x));
        }
        if let Ok(x) = value.as_immutable_string_ref() {
            return Ok(Self::Text(x.clone()));
        }
        if let Some(x) = value.read_lock::<Mac>() {
            return Ok(Self::Mac(*x));
        }
        if let Some(x) = value.read_lock::<Flow>() {
            return Ok(Self::Flow(*x));
        }
        if let Ok(x) = value.as_bool() {
            return Ok(Self::Bool(x));
        }
        Err(format!("a table's key is a number, text or an address, not {}", named(value)).into())
    }

    fn value(&self) -> Dynamic {
        match self {
            Self::Int(x) => Dynamic::from_int(*x),
            Self::Bool(x) => (*x).into(),
            Self::Addr(x) => Dynamic::from(*x),
            Self::Mac(x) => Dynamic::from(*x),
            Self::Flow(x) => Dynamic::from(*x),
            Self::Text(x) => x.clone().into(),
        }
    }

    fn bytes(&self) -> usize {
        let text = if let Self::Text(x) = self { x.len() } else { 0 };
        text + size_of::<Self>() + 2 * size_of::<Dynamic>()
    }
}

#[derive(Debug)]
struct Rows {
    rows: HashMap<Key, Dynamic, TableHash>,
    bytes: usize,
    bytes_max: usize,
}

/// A table of a script's own. Copies are the same table.
#[derive(Clone, Debug)]
pub(super) struct Keyed(Arc<Mutex<Rows>>);

impl Keyed {
    fn new(bytes_max: usize) -> Self {
        let rows = HashMap::with_hasher(for_tables());
        Self(Arc::new(Mutex::new(Rows { rows, bytes: 0, bytes_max })))
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }

    fn get(&mut self, key: Dynamic) -> Fallible<Dynamic> {
        let key = Key::of(&key)?;
        Ok(self.0.lock().rows.get(&key).cloned().unwrap_or(Dynamic::UNIT))
    }

    fn set(&mut self, key: Dynamic, value: Dynamic) -> Fallible<()> {
        if value.is_unit() {
            return self.remove(key).map(drop);
        }
        if value.is::<Self>() {
            return Err("a table cannot hold a table".into());
        }
        self.0.lock().set(Key::of(&key)?, value)
    }

    /// Adds to a row, which counts as 0 until it is there.
    fn add(&mut self, key: Dynamic, n: INT) -> Fallible<()> {
        let key = Key::of(&key)?;
        let mut rows = self.0.lock();
        match rows.rows.get_mut(&key) {
            None => rows.set(key, Dynamic::from_int(n)),
            Some(value) => {
                if let Ok(x) = value.as_int() {
                    *value = Dynamic::from_int(x.saturating_add(n));
                } else if let Ok(x) = value.as_float() {
                    *value = Dynamic::from_float(x + n as f64);
                } else {
                    return Err(format!("cannot add to {}", named(value)).into());
                }
                Ok(())
            }
        }
    }

    fn remove(&mut self, key: Dynamic) -> Fallible<Dynamic> {
        let key = Key::of(&key)?;
        let mut rows = self.0.lock();
        let Some(value) = rows.rows.remove(&key) else { return Ok(Dynamic::UNIT) };
        let bytes = key.bytes() + weigh(&value).unwrap_or(0);
        rows.bytes = rows.bytes.saturating_sub(bytes);
        Ok(value)
    }

    fn contains(&mut self, key: Dynamic) -> Fallible<bool> {
        let key = Key::of(&key)?;
        Ok(self.0.lock().rows.contains_key(&key))
    }

    fn len(&mut self) -> INT {
        INT::try_from(self.0.lock().rows.len()).unwrap_or(INT::MAX)
    }

    fn clear(&mut self) {
        let mut rows = self.0.lock();
        rows.rows.clear();
        rows.bytes = 0;
    }

    /// Every row as `#{ key, value }`, in the order of keys.
    fn rows(&mut self) -> Array {
        let rows = self.0.lock();
        let mut all: Vec<(&Key, &Dynamic)> = rows.rows.iter().collect();
        all.sort_by_cached_key(|(key, _)| sort_key(key));
        all.into_iter().map(entry).collect()
    }

    /// The `n` rows of the largest numbers as `#{ key, value }`, the largest first, ties by key.
    fn top(&mut self, n: INT) -> Array {
        let n = usize::try_from(n).unwrap_or(0);
        let rows = self.0.lock();
        let number = |v: &Dynamic| v.as_float().or_else(|_| v.as_int().map(|x| x as f64));
        let mut ranked: Vec<(f64, &Key, &Dynamic)> = rows
            .rows
            .iter()
            .map(|(key, value)| (number(value).unwrap_or(f64::NEG_INFINITY), key, value))
            .collect();
        let order = |a: &(f64, &Key, &Dynamic), b: &(f64, &Key, &Dynamic)| {
            b.0.total_cmp(&a.0).then_with(|| sort_key(a.1).cmp(&sort_key(b.1)))
        };
        if n < ranked.len() {
            ranked.select_nth_unstable_by(n, order);
            ranked.truncate(n);
        }
        ranked.sort_unstable_by(order);
        ranked.into_iter().map(|(_, key, value)| entry((key, value))).collect()
    }
}

impl Rows {
    fn set(&mut self, key: Key, value: Dynamic) -> Fallible<()> {
        let too_deep = |_| "a table's value is nested too deep";
        let added = weigh(&value).map_err(too_deep)?;
        let removed = match self.rows.get(&key) {
            Some(old) => weigh(old).unwrap_or(0),
            None => 0,
        };
        let grown = if removed == 0 { key.bytes() } else { 0 };
        let bytes = self.bytes.saturating_add(added + grown).saturating_sub(removed);
        if bytes > self.bytes_max {
            // Not to be caught: a script that goes on would fail at every packet.
            let what = format!("memory of table() of {} bytes", self.bytes_max);
            return Err(EvalAltResult::ErrorDataTooLarge(what, rhai::Position::NONE).into());
        }
        self.bytes = bytes;
        self.rows.insert(key, value);
        Ok(())
    }
}

fn entry((key, value): (&Key, &Dynamic)) -> Dynamic {
    let entry = [("key".into(), key.value()), ("value".into(), value.clone())];
    Dynamic::from_map(Map::from(entry))
}

/// Numbers before addresses before text, each in its own order.
fn sort_key(key: &Key) -> (u8, INT, Addr, Option<Flow>, &str) {
    let none = Addr::default();
    match key {
        Key::Bool(x) => (0, INT::from(*x), none, None, ""),
        Key::Int(x) => (1, *x, none, None, ""),
        Key::Mac(x) => (2, x.0 as INT, none, None, ""),
        Key::Addr(x) => (3, 0, *x, None, ""),
        Key::Flow(x) => (4, 0, none, Some(*x), ""),
        Key::Text(x) => (5, 0, none, None, x.as_str()),
    }
}

/// Registers `table()` and what it can do, with the most bytes a table may hold.
pub(super) fn register(engine: &mut Engine, bytes_max: usize) {
    engine
        .register_type_with_name::<Keyed>("Table")
        .register_fn("table", move || Keyed::new(bytes_max))
        .register_indexer_get(Keyed::get)
        .register_indexer_set(Keyed::set)
        .register_fn("add", Keyed::add)
        .register_fn("remove", Keyed::remove)
        .register_fn("contains", Keyed::contains)
        .register_fn("len", Keyed::len)
        .register_fn("clear", Keyed::clear)
        .register_fn("rows", Keyed::rows)
        .register_fn("top", Keyed::top)
        .register_fn("to_string", |t: &mut Keyed| format!("table of {} rows", t.len()))
        .register_fn("to_debug", |t: &mut Keyed| format!("table of {} rows", t.len()));
}
