//! `table()`: state by any key, for scripts whose `update` is their own.
//!
//! Rhai's maps take only text as names, and every step on one weighs all of it.
//! A table takes numbers, text and addresses, is passed around without being
//! copied, counts its bytes as it grows, and refuses to pass its limit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use como_core::addr::{Addr, Mac};
use como_core::hash::{TableHash, for_tables};
use como_core::record::Value;
use parking_lot::Mutex;
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, ImmutableString, Map};

use super::engine::VALUES_MAX;
use super::value::{Unfit, to_value, weigh_row};
use super::words::named;
use crate::api::how_many;
use crate::flow::Flow;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// What a row is found by, in the order in which rows are walked: numbers before addresses before
/// text, each in its own order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Bool(bool),
    Int(INT),
    Mac(Mac),
    Addr(Addr),
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

    /// A number that is in the order of keys, as far as it goes: compared much sooner than they.
    fn rank(&self) -> u128 {
        let (kind, rank) = match self {
            Self::Bool(x) => (0, u128::from(*x)),
            Self::Int(x) => (1, u128::from((*x as u64) ^ 1 << 63)),
            Self::Mac(x) => (2, u128::from(x.0)),
            Self::Addr(x) if !x.is_v6() => (3, x.bits()),
            Self::Addr(x) => (4, x.bits() >> 8),
            Self::Flow(_) => (5, 0),
            Self::Text(x) => {
                let mut first = [0; 16];
                let len = x.len().min(15);
                first[1..=len].copy_from_slice(&x.as_bytes()[..len]);
                (6, u128::from_be_bytes(first))
            }
        };
        kind << 120 | rank
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
    budget: Arc<Budget>,
}

/// What all tables of one script may hold together, and what they do.
#[derive(Debug)]
struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

/// A table of a script's own. Copies are the same table.
#[derive(Clone, Debug)]
pub(super) struct Keyed(Arc<Mutex<Rows>>);

impl Keyed {
    fn new(budget: Arc<Budget>) -> Self {
        let rows = HashMap::with_hasher(for_tables());
        Self(Arc::new(Mutex::new(Rows { rows, bytes: 0, budget })))
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
        let key = Key::of(&key)?;
        // Weighed before the table is locked. Tables in tables could form circles, which are never
        // freed, and chains as long as there is memory, which no stack survives to be freed.
        let bytes = weigh_row(&value).map_err(|unfit| match unfit {
            Unfit::TooDeep => "a table's value is nested too deep",
            Unfit::Table => "a table cannot hold a table, nor what holds one",
        })?;
        self.0.lock().set(key, value, bytes)
    }

    /// Adds to a row, which counts as 0 until it is there.
    fn add(&mut self, key: Dynamic, n: INT) -> Fallible<()> {
        let key = Key::of(&key)?;
        let mut rows = self.0.lock();
        match rows.rows.get_mut(&key) {
            None => {
                let value = Dynamic::from_int(n);
                // As much as `remove` gives back.
                let bytes = weighed(&value);
                rows.set(key, value, bytes)
            }
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
        let bytes = key.bytes() + weighed(&value);
        rows.grow(0, bytes);
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
        let all = rows.bytes;
        rows.grow(0, all);
    }

    /// Every row as `#{ key, value }`, in the order of keys.
    fn rows(&mut self) -> Fallible<Array> {
        let rows = self.0.lock();
        fits(rows.rows.len(), 2)?;
        Ok(sorted(rows.rows.iter(), |(key, _)| key).map(entry).collect())
    }

    /// The `n` rows of the largest numbers as `#{ key, value }`, the largest first, ties by key.
    fn top(&mut self, n: Dynamic) -> Fallible<Array> {
        let n = how_many(&to_value(&n).unwrap_or(Value::Bool(false)))?;
        let rows = self.0.lock();
        fits(n.min(rows.rows.len()), 2)?;
        let number = |v: &Dynamic| v.as_float().or_else(|_| v.as_int().map(|x| x as f64));
        let mut ranked: Vec<(f64, &Key, &Dynamic)> = rows
            .rows
            .iter()
            .map(|(key, value)| (number(value).unwrap_or(f64::NEG_INFINITY), key, value))
            .collect();
        let order = |a: &(f64, &Key, &Dynamic), b: &(f64, &Key, &Dynamic)| {
            b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1))
        };
        if n < ranked.len() {
            ranked.select_nth_unstable_by(n, order);
            ranked.truncate(n);
        }
        ranked.sort_unstable_by(order);
        Ok(ranked.into_iter().map(|(_, key, value)| entry((key, value))).collect())
    }
}

impl Rows {
    /// Puts a value of so many bytes into a row.
    fn set(&mut self, key: Key, value: Dynamic, bytes: usize) -> Fallible<()> {
        let (added, removed) = match self.rows.get(&key) {
            Some(old) => (bytes, weighed(old)),
            None => (bytes.saturating_add(key.bytes()), 0),
        };
        let all = self.budget.used.load(Relaxed).saturating_add(added).saturating_sub(removed);
        if all > self.budget.bytes_max {
            // Not to be caught: a script that goes on would fail at every packet.
            let what = format!("tables made by table() pass {} bytes", self.budget.bytes_max);
            return Err(EvalAltResult::ErrorDataTooLarge(what, rhai::Position::NONE).into());
        }
        self.grow(added, removed);
        self.rows.insert(key, value);
        Ok(())
    }

    /// Counts bytes that came and went.
    fn grow(&mut self, added: usize, removed: usize) {
        let bytes = self.bytes.saturating_add(added).saturating_sub(removed);
        // One thread has all tables of a script at a time.
        let others = self.budget.used.load(Relaxed).saturating_sub(self.bytes);
        self.budget.used.store(others.saturating_add(bytes), Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.grow(0, self.bytes);
    }
}

/// What a value that is in a table was weighed as.
fn weighed(value: &Dynamic) -> usize {
    weigh_row(value).unwrap_or(0)
}

/// Whether a list can hold so many rows, each of which counts for itself and for `values` more.
pub(super) fn fits(rows: usize, values: usize) -> Fallible<()> {
    let most = VALUES_MAX / (values + 1);
    if rows > most {
        return Err(format!(
            "a list holds {most} rows at most, not {rows}: walk all by `for row in t`, or ask for \
             the top ones"
        )
        .into());
    }
    Ok(())
}

/// What has keys, in the order of these.
fn sorted<T>(
    all: impl Iterator<Item = T>,
    key: impl for<'a> Fn(&'a T) -> &'a Key,
) -> impl Iterator<Item = T> {
    let mut ranked: Vec<(u128, T)> = all.map(|one| (key(&one).rank(), one)).collect();
    ranked.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| key(x).cmp(key(y))));
    ranked.into_iter().map(|(_, one)| one)
}

/// Walks all rows that a table has when it begins, in the order of keys.
pub struct Walk {
    table: Keyed,
    keys: std::vec::IntoIter<Key>,
}

impl Iterator for Walk {
    type Item = Dynamic;

    fn next(&mut self) -> Option<Dynamic> {
        loop {
            let key = self.keys.next()?;
            let rows = self.table.0.lock();
            if let Some(value) = rows.rows.get(&key) {
                return Some(entry((&key, value)));
            }
        }
    }
}

impl IntoIterator for Keyed {
    type Item = Dynamic;
    type IntoIter = Walk;

    fn into_iter(self) -> Walk {
        let keys: Vec<Key> = sorted(self.0.lock().rows.keys(), |key| key).cloned().collect();
        Walk { table: self, keys: keys.into_iter() }
    }
}

fn entry((key, value): (&Key, &Dynamic)) -> Dynamic {
    let mut entry = Map::new();
    entry.insert("key".into(), key.value());
    entry.insert("value".into(), value.clone());
    Dynamic::from_map(entry)
}

/// Registers `table()` and what it can do, with the most bytes that all of them may hold.
pub(super) fn register(engine: &mut Engine, bytes_max: usize) {
    let budget = Arc::new(Budget { used: AtomicUsize::new(0), bytes_max });
    engine
        .register_type_with_name::<Keyed>("Table")
        .register_fn("table", move || Keyed::new(budget.clone()))
        .register_indexer_get(Keyed::get)
        .register_indexer_set(Keyed::set)
        .register_fn("add", Keyed::add)
        .register_fn("remove", Keyed::remove)
        .register_fn("contains", Keyed::contains)
        .register_fn("len", Keyed::len)
        .register_fn("clear", Keyed::clear)
        .register_fn("rows", Keyed::rows)
        .register_fn("each", |t: &mut Keyed| t.clone())
        .register_fn("top", Keyed::top)
        .register_fn("top", |t: &mut Keyed| t.top(Dynamic::UNIT))
        .register_iterator::<Keyed>()
        .register_fn("to_string", |t: &mut Keyed| format!("table of {} rows", t.len()))
        .register_fn("to_debug", |t: &mut Keyed| format!("table of {} rows", t.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_of_a_key_is_in_the_order_of_keys() {
        let texts =
            ["", "\0", "a", "a\0", "aa", "b", "fifteen bytes..", "fifteen bytes..!", "\u{e9}"];
        let addr = |text: &str| Key::Addr(text.parse().expect("an address"));
        let addrs =
            ["0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1", "ff00::"];
        let keys: Vec<Key> = [Key::Bool(false), Key::Bool(true)]
            .into_iter()
            .chain([INT::MIN, -1, 0, 1, INT::MAX].map(Key::Int))
            .chain([0, 1, (1 << 48) - 1].map(|x| Key::Mac(Mac(x))))
            .chain(addrs.map(addr))
            .chain(texts.map(|text| Key::Text(text.into())))
            .collect();
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].rank() <= pair[1].rank(), "{pair:?}");
        }
        let back: Vec<&Key> = sorted(keys.iter().rev(), |key| key).collect();
        assert_eq!(back, keys.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_comes_and_goes_leaves_the_memory_of_the_rest() {
        let budget = Arc::new(Budget { used: AtomicUsize::new(0), bytes_max: 1 << 20 });
        let mut table = Keyed::new(budget.clone());
        table.set(1.into(), "kept".into()).expect("room");
        let kept = table.bytes();
        assert!(kept > 0);
        for key in 2..100 {
            let put = match key % 2 {
                0 => table.add(key.into(), key),
                _ => table.set(key.into(), vec![Dynamic::from_int(key)].into()),
            };
            put.expect("room");
            assert!(table.bytes() > kept);
            table.remove(key.into()).map(drop).expect("a key");
            assert_eq!((table.bytes(), budget.used.load(Relaxed)), (kept, kept), "{key}");
        }
        drop(table);
        assert_eq!(budget.used.load(Relaxed), 0);
    }
}
