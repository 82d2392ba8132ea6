//! Packets and bytes by interned id: the state of modules that group by one.
//!
//! The hot path is an index and two additions. Ids are only valid within their
//! numbering; when it changes in the middle of an interval, what was counted so
//! far is set aside by value.

use std::collections::HashMap;
use std::hash::Hash;

use como_core::batch::Batch;
use como_core::field::Id;
use como_core::selection::Selection;

/// Totals of one interval by `K`, the value that the ids stand for.
#[derive(Debug)]
pub struct Totals<K> {
    id: Id,
    // A row is in use if its packets are not 0.
    rows: Vec<Row<K>>,
    used: Vec<u32>,
    epoch: u64,
    aside: HashMap<K, Total>,
    aside_max: usize,
    overflowed: u64,
}

/// What was counted for one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Packets, weighted.
    pub packets: u64,
    /// Bytes on the wire, weighted.
    pub bytes: u64,
}

impl Total {
    fn add(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Row<K> {
    total: Total,
    key: K,
}

impl<K: Copy + Default + Eq + Hash> Totals<K> {
    /// No totals, by ids of this kind, with room for so many values that change their id.
    pub fn new(id: Id, aside_max: usize) -> Self {
        Self {
            id,
            rows: Vec::new(),
            used: Vec::new(),
            epoch: 0,
            aside: HashMap::new(),
            aside_max,
            overflowed: 0,
        }
    }

    /// Counts the picked packets; `key` reads the value of a packet when it is met first.
    pub fn update(&mut self, batch: &Batch, picked: &Selection, key: impl Fn(usize) -> K) {
        if batch.epoch() != self.epoch {
            self.set_aside();
            self.epoch = batch.epoch();
        }
        let ids = batch.ids(self.id);
        if batch.is_unweighted() {
            let packets = batch.all();
            picked.for_each(|at| {
                let total = Total { packets: 1, bytes: u64::from(packets[at].wire_len) };
                self.add(ids[at], total, || key(at));
            });
        } else {
            picked.for_each(|at| {
                let weight = batch.weight(at);
                let total = Total { packets: weight.packets, bytes: weight.bytes };
                self.add(ids[at], total, || key(at));
            });
        }
    }

    #[inline]
    fn add(&mut self, id: u32, total: Total, key: impl FnOnce() -> K) {
        match self.rows.get_mut(id as usize) {
            Some(row) if row.total.packets != 0 => row.total.add(total),
            _ => self.begin(id, total, key),
        }
    }

    #[cold]
    fn begin(&mut self, id: u32, total: Total, key: impl FnOnce() -> K) {
        let at = id as usize;
        if id == Batch::NO_ID || total.packets == 0 {
            return;
        }
        if at >= self.rows.len() {
            self.rows.resize_with((at + 1).next_power_of_two(), Row::default);
        }
        self.rows[at] = Row { total, key: key() };
        self.used.push(id);
    }

    fn set_aside(&mut self) {
        for id in self.used.drain(..) {
            let Row { total, key } = std::mem::take(&mut self.rows[id as usize]);
            if self.aside.len() < self.aside_max || self.aside.contains_key(&key) {
                self.aside.entry(key).or_default().add(total);
            } else {
                self.overflowed += 1;
            }
        }
    }

    /// Takes all totals out, by what `group` makes of their values; in no order.
    pub fn take(&mut self, group: Option<impl Fn(K) -> K>) -> Vec<(K, Total)> {
        if self.aside.is_empty() && group.is_none() {
            let rows = &mut self.rows;
            let take = |id: u32| {
                let Row { total, key } = std::mem::take(&mut rows[id as usize]);
                (key, total)
            };
            return self.used.drain(..).map(take).collect();
        }
        self.set_aside();
        let all = self.aside.drain();
        let Some(group) = group else { return all.collect() };
        let mut groups: HashMap<K, Total> = HashMap::new();
        for (key, total) in all {
            groups.entry(group(key)).or_default().add(total);
        }
        groups.into_iter().collect()
    }

    /// About how many bytes it holds.
    pub fn state_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row<K>>()
            + self.used.capacity() * size_of::<u32>()
            + self.aside.capacity() * size_of::<(K, Total)>()
    }

    /// Values that found no room.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}
