//! Sketches: what aggregates keep that no single number can hold.
//!
//! All count [`Item`]s by keyed hashes of their values, never by ids, so that
//! sketches of different tables, workers and intervals can be merged.

mod bytes;

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use sketches_ddsketch::{Config, DDSketch};

use super::key::{Cell, cell};
use super::layout::Of;
use super::slots::Picks;
use crate::addr::Addr;
use crate::batch::{Batch, Present};
use crate::field::Field;
use crate::hash::{for_sketches, for_tables};
use crate::record::{Type, Value};

/// A value that is counted: of a field, or a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// One value.
    Cell(Cell),
    /// A five-tuple; ports 0 where there are none.
    Flow {
        /// Source and destination address.
        ends: [Addr; 2],
        /// Protocol.
        proto: u8,
        /// Source and destination port.
        ports: [u16; 2],
    },
}

impl Item {
    /// The hash that sketches count by.
    #[inline]
    pub fn hash(self) -> u64 {
        for_sketches(|hasher| self.write(hasher))
    }

    /// The hash that it is found by among others: nobody can know it, and no result depends on it.
    fn place(self) -> u64 {
        let mut hasher = for_tables().build_hasher();
        self.write(&mut hasher);
        hasher.finish()
    }

    #[inline]
    fn write(self, hasher: &mut impl Hasher) {
        match self {
            Self::Cell(cell) => cell.write(hasher),
            Self::Flow { ends, proto, ports } => write_flow(hasher, ends, proto, ports),
        }
    }

    /// As text for a record; `ty` is the field's type.
    pub fn text(self, ty: Type) -> String {
        match self {
            Self::Cell(cell) => match cell.value(ty) {
                Value::Addr(addr) => addr.to_string(),
                Value::Mac(mac) => mac.to_string(),
                Value::Time(ts) => ts.to_string(),
                Value::Bool(yes) => yes.to_string(),
                Value::Uint(x) => x.to_string(),
                Value::Int(x) => x.to_string(),
                Value::Text(text) => text,
                _ => String::new(),
            },
            Self::Flow { ends: [src, dst], proto, ports: [sport, dport] } => {
                format!("{src}:{sport}>{dst}:{dport}/{proto}")
            }
        }
    }
}

#[inline]
fn write_flow(hasher: &mut impl Hasher, ends: [Addr; 2], proto: u8, [sport, dport]: [u16; 2]) {
    // Both ends are of one family.
    let [src, dst] = ends;
    hasher.write_u128(src.bits());
    hasher.write_u128(dst.bits());
    let ports = u64::from(sport) << 16 | u64::from(dport);
    hasher.write_u64(u64::from(src.is_v6()) << 40 | u64::from(proto) << 32 | ports);
}

/// Where the items of a batch are read from, looked up once.
pub(super) enum Items<'a> {
    /// A number's column.
    Numbers(&'a [u32], &'a Present),
    /// An address's column.
    Addrs(&'a [Addr], &'a Present),
    /// The columns of a flow; a packet has one if it has addresses.
    Flows { ends: [&'a [Addr]; 2], present: [&'a Present; 2], numbers: [&'a [u32]; 3] },
    /// Whatever a field has.
    Cells(&'a Batch, Field),
    /// Nothing.
    None,
}

impl<'a> Items<'a> {
    pub fn of(batch: &'a Batch, of: Of) -> Self {
        match of {
            Of::Field(field) => match (batch.numbers(field), batch.addrs(field)) {
                (Some((values, present)), _) => Self::Numbers(values, present),
                (_, Some((values, present))) => Self::Addrs(values, present),
                _ => Self::Cells(batch, field),
            },
            Of::Flow => Self::flows(batch).unwrap_or(Self::None),
            Of::Packets | Of::Column(_) => Self::None,
        }
    }

    fn flows(batch: &'a Batch) -> Option<Self> {
        let (src, has_src) = batch.addrs(Field::IpSrc)?;
        let (dst, has_dst) = batch.addrs(Field::IpDst)?;
        let number = |field| batch.numbers(field).map(|(values, _)| values);
        // Where a packet has no ports the columns hold 0, which is what its flow has.
        let numbers = [number(Field::IpProto)?, number(Field::Sport)?, number(Field::Dport)?];
        Some(Self::Flows { ends: [src, dst], present: [has_src, has_dst], numbers })
    }

    /// What packet `at` has, if it has it.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Item> {
        match self {
            Self::Numbers(values, present) => {
                present.has(at).then(|| Item::Cell(Cell::Number(values[at].into())))
            }
            Self::Addrs(values, present) => {
                present.has(at).then(|| Item::Cell(Cell::Addr(values[at])))
            }
            Self::Flows { ends, present, numbers } => {
                present.iter().all(|p| p.has(at)).then(|| Item::Flow {
                    ends: ends.map(|values| values[at]),
                    proto: numbers[0][at] as u8,
                    ports: [numbers[1][at] as u16, numbers[2][at] as u16],
                })
            }
            Self::Cells(batch, field) => cell(batch, *field, at).map(Item::Cell),
            Self::None => None,
        }
    }

    /// Calls `visit` with row and hash of every counted packet that has an item; where it is read
    /// from is decided outside the loop.
    pub fn each_hash(&self, picks: &Picks, mut visit: impl FnMut(usize, u64)) {
        match self {
            Self::Numbers(values, present) => picks.each(|row, at| {
                if present.has(at) {
                    visit(row, Item::Cell(Cell::Number(values[at].into())).hash());
                }
            }),
            Self::Addrs(values, present) => picks.each(|row, at| {
                if present.has(at) {
                    visit(row, Item::Cell(Cell::Addr(values[at])).hash());
                }
            }),
            Self::Flows { ends: [src, dst], present: [has_src, has_dst], numbers } => {
                let [proto, sport, dport] = *numbers;
                picks.each(|row, at| {
                    if has_src.has(at) && has_dst.has(at) {
                        let ports = [sport[at] as u16, dport[at] as u16];
                        let (ends, proto) = ([src[at], dst[at]], proto[at] as u8);
                        visit(row, Item::Flow { ends, proto, ports }.hash());
                    }
                });
            }
            Self::Cells(batch, field) => picks.each(|row, at| {
                if let Some(cell) = cell(batch, *field, at) {
                    visit(row, Item::Cell(cell).hash());
                }
            }),
            Self::None => {}
        }
    }
}

/// HyperLogLog with 4,096 registers: exact to 128 values, then a standard error of 1.6 %.
/// Takes 8 bytes for up to two values, at most about 3 KB.
#[derive(Clone, Debug, Default)]
pub struct Distinct(cardinality_estimator::CardinalityEstimator<u64>);

impl Distinct {
    /// Adds the value with this hash.
    pub fn add(&mut self, hash: u64) {
        self.0.insert_hash(hash);
    }

    /// About how many different values were added.
    pub fn estimate(&self) -> u64 {
        self.0.estimate() as u64
    }

    /// Adds what `other` saw.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// The memory it holds beside itself.
    pub fn heap_bytes(&self) -> usize {
        self.0.size_of().saturating_sub(size_of::<Self>())
    }
}

/// Linear counting (Whang et al. 1990): one bit per hash, `-bits ln(zeros / bits)` values.
///
/// The standard error at `n` values is `sqrt(bits (e^t - t - 1)) / n`, where `t = n / bits`; it is
/// made for a number at which that is 1 %. One without a free bit says `bits ln(bits)`.
#[derive(Clone, Debug, Default)]
pub struct Bitmap {
    // Empty until the first value, then `bits / 64` words.
    words: Box<[u64]>,
}

impl Bitmap {
    /// Adds the value with this hash to a bitmap of `bits` bits, a power of two of at least 64.
    pub fn add(&mut self, hash: u64, bits: u32) {
        if self.words.is_empty() {
            self.words = vec![0; bits as usize / 64].into_boxed_slice();
        }
        let at = (hash % u64::from(bits.max(64))) as usize;
        if let Some(word) = self.words.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// About how many different values were added; a full bitmap answers as if one bit were free.
    pub fn estimate(&self) -> u64 {
        let bits = self.words.len() as f64 * 64.0;
        let zeros: u32 = self.words.iter().map(|w| w.count_zeros()).sum();
        if bits == 0.0 { 0 } else { (-bits * (f64::from(zeros.max(1)) / bits).ln()).round() as u64 }
    }

    /// Adds what `other`, of the same size, saw.
    pub fn merge(&mut self, other: &Self) {
        if self.words.is_empty() {
            self.words = other.words.clone();
        }
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// The memory it holds beside itself.
    pub fn heap_bytes(&self) -> usize {
        self.words.len() * 8
    }
}

/// Space saving (Metwally et al. 2005) with eight counters for each value asked for.
///
/// A counted value that is among the most frequent is never missed if its share is above one in
/// the number of counters, and its count is too high by at most that share of all.
#[derive(Clone, Debug, Default)]
pub struct TopK {
    counters: Vec<Counter>,
    /// Places in `counters`, a heap with the smallest count on top.
    heap: Vec<u32>,
    index: HashTable<u32>,
}

/// One value's count in a [`TopK`].
#[derive(Clone, Copy, Debug)]
struct Counter {
    item: Item,
    hash: u64,
    count: u64,
    error: u64,
    place: u32,
}

/// One of the most frequent values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequent {
    /// The value.
    pub item: Item,
    /// How often, at most.
    pub count: u64,
    /// By how much `count` may be too high.
    pub error: u64,
}

impl TopK {
    /// Counters kept for the `k` most frequent values.
    pub const fn counters(k: u32) -> usize {
        let wanted = k as usize * 8;
        if wanted < 64 { 64 } else { wanted }
    }

    /// Counts `item` as `n` more, with at most `room` counters.
    pub fn add(&mut self, item: Item, n: u64, room: usize) {
        self.count(item, item.place(), n, 0, room);
    }

    fn count(&mut self, item: Item, hash: u64, n: u64, error: u64, room: usize) {
        let same = |at: &u32| self.counters[*at as usize].item == item;
        if let Some(at) = self.index.find(hash, same).copied() {
            let counter = &mut self.counters[at as usize];
            counter.count = counter.count.saturating_add(n);
            counter.error = counter.error.saturating_add(error);
            self.sink(self.counters[at as usize].place as usize);
            return;
        }
        let at = if self.counters.len() < room {
            let at = self.counters.len() as u32;
            self.counters.push(Counter { item, hash, count: n, error, place: at });
            self.heap.push(at);
            self.rise(at as usize);
            at
        } else {
            // The least frequent gives its counter up; the newcomer inherits its count as error.
            let Some(&at) = self.heap.first() else { return };
            let old = self.counters[at as usize];
            if let Ok(entry) = self.index.find_entry(old.hash, |x| *x == at) {
                entry.remove();
            }
            self.counters[at as usize] = Counter {
                item,
                hash,
                count: old.count.saturating_add(n),
                error: old.count.saturating_add(error),
                place: 0,
            };
            self.sink(0);
            at
        };
        let counters = &self.counters;
        self.index.insert_unique(hash, at, |at| counters[*at as usize].hash);
    }

    fn count_at(&self, place: usize) -> u64 {
        self.counters[self.heap[place] as usize].count
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            self.counters[self.heap[place] as usize].place = place as u32;
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.count_at(place) < self.count_at((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            if left >= self.heap.len() {
                return;
            }
            let least = if right < self.heap.len() && self.count_at(right) < self.count_at(left) {
                right
            } else {
                left
            };
            if self.count_at(place) <= self.count_at(least) {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    /// The `k` most frequent values, the most frequent first, ties by value.
    pub fn top(&self, k: usize) -> Vec<Frequent> {
        let mut all: Vec<Frequent> = self
            .counters
            .iter()
            .map(|c| Frequent { item: c.item, count: c.count, error: c.error })
            .collect();
        all.sort_unstable_by(|a, b| b.count.cmp(&a.count).then(a.item.cmp(&b.item)));
        all.truncate(k);
        all
    }

    /// Adds what `other` counted; a value that only one of two full sketches kept may have been
    /// counted by the other too, so it inherits that one's smallest count as error.
    pub fn merge(&mut self, other: &Self, room: usize) {
        let least = |s: &Self| if s.counters.len() < room { 0 } else { s.count_at(0) };
        let (ours, theirs) = (least(self), least(other));
        let mut all = self.counters.clone();
        for counter in &mut all {
            let met = other.find(counter);
            let (count, error) = met.map_or((theirs, theirs), |c| (c.count, c.error));
            counter.count = counter.count.saturating_add(count);
            counter.error = counter.error.saturating_add(error);
        }
        for counter in other.counters.iter().filter(|c| self.find(c).is_none()) {
            all.push(Counter {
                count: counter.count.saturating_add(ours),
                error: counter.error.saturating_add(ours),
                ..*counter
            });
        }
        all.sort_unstable_by(|a, b| b.count.cmp(&a.count).then(a.item.cmp(&b.item)));
        all.truncate(room);
        *self = Self::default();
        for c in all {
            self.count(c.item, c.hash, c.count, c.error, room);
        }
    }

    fn find(&self, counter: &Counter) -> Option<&Counter> {
        let same = |at: &u32| self.counters[*at as usize].item == counter.item;
        self.index.find(counter.hash, same).map(|at| &self.counters[*at as usize])
    }

    /// The memory it holds beside itself.
    pub fn heap_bytes(&self) -> usize {
        self.counters.capacity() * size_of::<Counter>()
            + self.heap.capacity() * 4
            + self.index.allocation_size()
    }
}

/// DDSketch (Masson et al. 2019) with a relative error of 1 %: what it says of a share differs from
/// the value of that rank by at most so much, and lies between the smallest and the largest.
#[derive(Clone, Default)]
pub struct Quantile(Option<Box<DDSketch>>);

/// The relative error of quantiles.
const QUANTILE_ERROR: f64 = 0.01;
/// Bins enough for every 64-bit number at that error.
const QUANTILE_BINS: u32 = 2304;

fn quantile_config() -> Config {
    Config::new(QUANTILE_ERROR, QUANTILE_BINS, 1e-9)
}

impl Quantile {
    fn sketch(&mut self) -> &mut DDSketch {
        self.0.get_or_insert_with(|| Box::new(DDSketch::new(quantile_config())))
    }

    /// Adds a value `n` times.
    pub fn add(&mut self, value: u64, n: u64) {
        // Far beyond any weight, and 2^32 such packets still cannot overflow a bin.
        self.sketch().add_with_count(value as f64, n.min(1 << 31));
    }

    /// The value that this share of all does not exceed, if there is any.
    pub fn at(&self, share: f64) -> Option<f64> {
        let sketch = self.0.as_ref()?;
        let (min, max) = (sketch.min()?, sketch.max()?);
        // The middle of the bin that the value lies in may be beyond all values.
        Some(sketch.quantile(share).ok()??.max(min).min(max))
    }

    /// Adds what `other` saw.
    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.0 {
            // No more than numbers hold, whatever was read from a file.
            if self.sketch().count().checked_add(theirs.count()).is_none() {
                return;
            }
            let merged = self.sketch().merge(theirs);
            debug_assert!(merged.is_ok(), "all quantile sketches are configured alike");
        }
    }

    /// The memory it holds beside itself.
    pub fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |sketch| size_of::<DDSketch>() + sketch.length() * 8)
    }
}

impl std::fmt::Debug for Quantile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quantile of {} values", self.0.as_ref().map_or(0, |s| s.count()))
    }
}
