//! Sketches as bytes: the same for the same values, whatever order they came in.
//!
//! What the crates keep is taken from what they give to serde, and given back
//! to them as values: bytes at rest may be anybody's, and theirs is no check.

use serde::Deserialize;

use super::{Bitmap, Counter, Distinct, Item, QUANTILE_BINS, Quantile, TopK, quantile_config};
use crate::addr::Addr;
use crate::community::CommunityId;
use crate::table::key::Cell;
use crate::wire::{Malformed, Reader, put_varint};

/// A place from what a reader was told, where it is small enough.
fn small(value: u64, max: usize, what: &'static str) -> Result<usize, Malformed> {
    usize::try_from(value).ok().filter(|value| *value <= max).ok_or(Malformed(what))
}

const LIST: u8 = 0;
const REGISTERS: u8 = 1;
const BITS: u8 = 2;

/// Values that are kept one by one before there are registers.
const LIST_MAX: usize = 128;
const REGISTERS_N: usize = 1 << 12;
const RANK_BITS: usize = 6;
/// What bits 12 to 63 of a hash can say, and be told from all ones.
const RANK_MAX: u32 = 52;

/// The hash of a value in a list: 25 bits of it, and its rank.
fn listed(hash: u64) -> u32 {
    let rank = (!hash >> 12).trailing_zeros().min(RANK_MAX - 1) + 1;
    (hash as u32 & ((1 << 25) - 1)) << RANK_BITS | rank
}

/// A hash of these low bits and this rank.
fn ranked(low: u64, rank: u32) -> u64 {
    low | ((1 << (rank - 1)) - 1) << 12
}

impl Distinct {
    /// Appends it.
    pub(in crate::table) fn put(&self, out: &mut Vec<u8>) {
        let kept = serde_json::to_value(&self.0).and_then(<(u64, Option<Vec<u32>>)>::deserialize);
        let (word, more) = kept.unwrap_or_default();
        if word & 3 == 3 {
            out.push(REGISTERS);
            let words = more.unwrap_or_default().into_iter().skip(2);
            words
                .take(REGISTERS_N * RANK_BITS / 32)
                .for_each(|word| out.extend(word.to_le_bytes()));
            return;
        }
        let pair = || [word >> 2, word >> 33].map(|hash| hash as u32 & 0x7fff_ffff).to_vec();
        let mut hashes = more.unwrap_or_else(pair);
        hashes.retain(|hash| *hash != 0);
        hashes.sort_unstable();
        out.push(LIST);
        put_varint(out, hashes.len() as u64);
        let mut before = 0;
        for hash in hashes {
            put_varint(out, u64::from(hash - before));
            before = hash;
        }
    }

    /// Reads one.
    pub(in crate::table) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut new = Self::default();
        match reader.u8()? {
            LIST => new.take_list(reader)?,
            REGISTERS => new.take_registers(reader)?,
            _ => return Err(Malformed("kind of counter")),
        }
        Ok(new)
    }

    fn take_list(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let mut hash = 0u64;
        for _ in 0..small(reader.varint()?, LIST_MAX, "values counted")? {
            hash = hash.saturating_add(reader.varint()?);
            let rank = hash as u32 & ((1 << RANK_BITS) - 1);
            let whole = ranked(hash >> RANK_BITS, rank.clamp(1, RANK_MAX));
            if u64::from(listed(whole)) != hash {
                return Err(Malformed("value counted"));
            }
            self.add(whole);
        }
        Ok(())
    }

    fn take_registers(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let words = reader.bytes(REGISTERS_N * RANK_BITS / 8)?;
        let rank = |at: usize| {
            let bit = at * RANK_BITS;
            let two = u16::from(words[bit / 8])
                | u16::from(words.get(bit / 8 + 1).copied().unwrap_or_default()) << 8;
            u32::from(two >> (bit % 8)) & ((1 << RANK_BITS) - 1)
        };
        let first = (0..REGISTERS_N).find(|at| rank(*at) > 0).ok_or(Malformed("no register"))?;
        // Enough of the lowest rank that it keeps registers, in one that is set anyway.
        (0..=LIST_MAX as u64).for_each(|more| self.add(first as u64 | more << 13));
        for at in first..REGISTERS_N {
            match rank(at) {
                0 => {}
                rank => self.add(ranked(at as u64, rank.min(RANK_MAX))),
            }
        }
        Ok(())
    }
}

impl Bitmap {
    /// Appends it.
    pub(in crate::table) fn put(&self, out: &mut Vec<u8>) {
        let ones: usize = self.words.iter().map(|word| word.count_ones() as usize).sum();
        if ones * 2 > self.words.len() * 8 {
            out.push(BITS);
            self.words.iter().for_each(|word| out.extend(word.to_le_bytes()));
            return;
        }
        out.push(LIST);
        put_varint(out, ones as u64);
        let mut before = 0;
        for at in (0..self.words.len() * 64).filter(|at| self.words[at / 64] >> (at % 64) & 1 == 1)
        {
            put_varint(out, (at - before) as u64);
            before = at;
        }
    }

    /// Reads one of `bits` bits.
    pub(in crate::table) fn take(reader: &mut Reader<'_>, bits: u32) -> Result<Self, Malformed> {
        let kind = reader.u8()?;
        let mut words = vec![0; bits as usize / 64].into_boxed_slice();
        match kind {
            BITS => {
                for word in &mut words {
                    *word = reader.u64()?;
                }
            }
            LIST => {
                let ones = small(reader.varint()?, bits as usize, "bits")?;
                if ones == 0 {
                    return Ok(Self::default());
                }
                let mut at = 0u64;
                for _ in 0..ones {
                    at = at.saturating_add(reader.varint()?);
                    let place = usize::try_from(at / 64).unwrap_or(usize::MAX);
                    *words.get_mut(place).ok_or(Malformed("bits"))? |= 1 << (at % 64);
                }
            }
            _ => return Err(Malformed("kind of bitmap")),
        }
        Ok(Self { words })
    }
}

const NUMBER: u8 = 0;
const ADDR: u8 = 1;
const COMMUNITY_ID: u8 = 2;
const FLOW: u8 = 3;
/// Beside the kind: addresses of IPv6.
const V6: u8 = 0x80;

fn put_addr(out: &mut Vec<u8>, addr: Addr) {
    let bytes = addr.bits().to_be_bytes();
    out.extend(if addr.is_v6() { &bytes[..] } else { &bytes[12..] });
}

fn take_addr(reader: &mut Reader<'_>, v6: bool) -> Result<Addr, Malformed> {
    if v6 { reader.array().map(Addr::v6) } else { reader.array().map(Addr::v4) }
}

impl Item {
    fn put(self, out: &mut Vec<u8>) {
        let tag = |kind: u8, addr: Addr| kind | if addr.is_v6() { V6 } else { 0 };
        match self {
            Self::Cell(Cell::Number(x)) => {
                out.push(NUMBER);
                put_varint(out, x);
            }
            Self::Cell(Cell::Addr(addr)) => {
                out.push(tag(ADDR, addr));
                put_addr(out, addr);
            }
            Self::Cell(Cell::CommunityId(id)) => {
                out.push(COMMUNITY_ID);
                out.extend(id.bytes());
            }
            Self::Flow { ends, proto, ports } => {
                out.push(tag(FLOW, ends[0]));
                ends.into_iter().for_each(|addr| put_addr(out, addr));
                out.push(proto);
                ports.into_iter().for_each(|port| out.extend(port.to_be_bytes()));
            }
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let tag = reader.u8()?;
        let v6 = tag & V6 != 0;
        Ok(match tag & !V6 {
            NUMBER => Self::Cell(Cell::Number(reader.varint()?)),
            ADDR => Self::Cell(Cell::Addr(take_addr(reader, v6)?)),
            COMMUNITY_ID => Self::Cell(Cell::CommunityId(CommunityId::from_bytes(reader.array()?))),
            FLOW => Self::Flow {
                ends: [take_addr(reader, v6)?, take_addr(reader, v6)?],
                proto: reader.u8()?,
                ports: [reader.array()?, reader.array()?].map(u16::from_be_bytes),
            },
            _ => return Err(Malformed("kind of value")),
        })
    }
}

impl TopK {
    /// Appends it.
    pub(in crate::table) fn put(&self, out: &mut Vec<u8>) {
        let mut all: Vec<&Counter> = self.counters.iter().collect();
        all.sort_unstable_by(|a, b| b.count.cmp(&a.count).then(a.item.cmp(&b.item)));
        put_varint(out, all.len() as u64);
        for counter in all {
            counter.item.put(out);
            put_varint(out, counter.count);
            put_varint(out, counter.error);
        }
    }

    /// Reads one of at most `room` counters.
    pub(in crate::table) fn take(reader: &mut Reader<'_>, room: usize) -> Result<Self, Malformed> {
        let mut new = Self::default();
        for _ in 0..small(reader.varint()?, room, "counters")? {
            let item = Item::take(reader)?;
            let (count, error) = (reader.varint()?, reader.varint()?);
            new.count(item, item.place(), count, error, room);
        }
        Ok(new)
    }
}

/// What the crate tells of a sketch of numbers that are never negative.
#[derive(Default, Deserialize)]
struct Told {
    store: Store,
    zero_count: u64,
    // None of an empty one.
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Store {
    bins: Vec<u64>,
    offset: i64,
}

/// The most values of one sketch at rest, so that few of them cannot pass what a bin holds.
const COUNT_MAX: u64 = 1 << 56;

impl Quantile {
    /// Appends it.
    pub(in crate::table) fn put(&self, out: &mut Vec<u8>) {
        let told = self.0.as_ref().map(|sketch| {
            serde_json::to_value(&**sketch).and_then(Told::deserialize).unwrap_or_default()
        });
        let Told { store, zero_count, min, max } = told.unwrap_or_default();
        let bins = (store.offset..).zip(store.bins).filter(|(_, count)| *count > 0);
        let bins: Vec<(i64, u64)> = bins.collect();
        put_varint(out, zero_count);
        put_varint(out, bins.len() as u64);
        let (Some(min), Some(max)) = (min, max) else { return };
        put_varint(out, min as u64);
        put_varint(out, max as u64);
        let mut before = 0;
        for (key, count) in bins {
            put_varint(out, u64::try_from(key - before).unwrap_or_default());
            put_varint(out, count);
            before = key;
        }
    }

    /// Reads one.
    pub(in crate::table) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        const BINS: Malformed = Malformed("values of a sketch");
        let mut new = Self::default();
        let zeros = Some(reader.varint()?).filter(|zeros| *zeros <= COUNT_MAX).ok_or(BINS)?;
        let n_bins = small(reader.varint()?, QUANTILE_BINS as usize, "values of a sketch")?;
        if zeros == 0 && n_bins == 0 {
            return Ok(new);
        }
        let (min, max) = (reader.varint()? as f64, reader.varint()? as f64);
        let config = quantile_config();
        let (mut key, mut all) = (0, zeros);
        new.sketch().add_with_count(0.0, zeros);
        for at in 0..n_bins {
            key += small(reader.varint()?, QUANTILE_BINS as usize, "values of a sketch")?;
            let count = reader.varint()?;
            all = all.checked_add(count).filter(|all| *all <= COUNT_MAX).ok_or(BINS)?;
            let (is_first, is_last) = (at == 0 && zeros == 0, at + 1 == n_bins);
            // The least and the largest are known as they were, the others by their bin.
            let values = match (is_first, is_last) {
                (true, true) if min != max => vec![(min, 1), (max, count.saturating_sub(1))],
                (true, _) => vec![(min, count)],
                (_, true) => vec![(max, count)],
                _ => vec![(config.value(key as i32), count)],
            };
            for (value, count) in values {
                if count == 0 || config.key(value) != key as i32 {
                    return Err(BINS);
                }
                new.sketch().add_with_count(value, count);
            }
        }
        Ok(new)
    }
}
