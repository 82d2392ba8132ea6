//! Interning: addresses and flows as dense numbers, once per batch for all tasks.
//!
//! After it every group-by by address or flow is array arithmetic. A numbering
//! is an *epoch*: when it has grown too large it starts afresh, never in the
//! middle of a batch, and [`Batch::epoch`] says so.

use std::hash::BuildHasher;
use std::ops::Range;

use crate::addr::Addr;
use crate::batch::{Batch, Present};
use crate::field::{Demand, Field, Id};
use crate::hash::{TableHash, for_tables};
use crate::prefetch::fetch;
use crate::selection::{BATCH_PACKETS_MAX, Ones};
use crate::table::layout::ID_BITS;

#[cfg(test)]
mod tests;

/// How many addresses, and how many flows, are numbered before the numbering starts afresh.
pub const IDS_MAX: usize = 1 << 19;

/// How many of either are worth a fresh start where it costs nothing else.
const IDS_NEAR: u32 = 1 << 15;

const _: () = assert!(104 + ID_BITS < 128, "a flow of IPv4 and its id fit where flows are found");
const _: () = assert!(IDS_MAX < 1 << ID_BITS, "an id and its successor fit where tables pack them");

/// Numbers values, one batch after another.
#[derive(Debug)]
pub struct Interner {
    addrs: Addrs,
    flows: Flows,
    epoch: u64,
    ids_max: usize,
}

impl Default for Interner {
    fn default() -> Self {
        Self::bounded(IDS_MAX)
    }
}

impl Interner {
    /// An interner that starts afresh once it may pass `ids_max` ids; at most [`IDS_MAX`].
    pub fn bounded(ids_max: usize) -> Self {
        let hash = for_tables();
        Self {
            addrs: Addrs::new(hash.clone()),
            flows: Flows::new(hash),
            epoch: 0,
            ids_max: ids_max.min(IDS_MAX),
        }
    }

    /// One of whose epochs none is another's: for a task that goes over to another interner.
    pub fn apart() -> Self {
        Self { epoch: 1 << 63, ..Self::default() }
    }

    /// Fills the ids that `demand` asks for; the columns they come from are filled already.
    pub fn fill(&mut self, batch: &mut Batch, demand: Demand) {
        let mut ids = batch.take_ids();
        ids.iter_mut().for_each(Vec::clear);
        self.make_room(batch.len());
        for (id, field) in [(Id::Src, Field::IpSrc), (Id::Dst, Field::IpDst)] {
            if let Some((values, present)) = batch.addrs(field).filter(|_| demand.wants_id(id)) {
                self.addrs.number(values, present, &mut ids[id as usize]);
            }
        }
        if demand.wants_id(Id::Flow) {
            self.flows.number(batch, &mut ids[Id::Flow as usize]);
        }
        batch.set_ids(self.epoch, ids);
    }

    /// Starts a new numbering if this one has outgrown the nearer caches. To be called where
    /// every table is about to start afresh, so that none has to find its rows by value.
    pub fn renew(&mut self) {
        if self.addrs.len.max(self.flows.len) > IDS_NEAR {
            self.restart();
        }
    }

    /// Starts a new numbering if the next batch might not fit into this one.
    fn make_room(&mut self, packets: usize) {
        let packets = packets.min(BATCH_PACKETS_MAX);
        let full = self.addrs.len as usize + 2 * packets > self.ids_max
            || self.flows.len as usize + packets > self.ids_max;
        if full && self.addrs.len > 0 {
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.addrs.clear();
        self.flows.clear();
        self.epoch += 1;
    }
}

/// How many slots are fetched before the first of them is looked at: for as many packets as one
/// word of a selection speaks of.
const AHEAD: usize = 64;

/// The least room of a hash table: slots, a power of two.
const SLOTS_MIN: usize = 1024;

/// Addresses and their numbers. Open addressing, at most half full.
#[derive(Debug)]
struct Addrs {
    /// IPv4: the address in the low half, its id plus one in the high half, 0 where free.
    v4: Vec<u64>,
    v4_len: usize,
    /// IPv6: half of the hash in the high half, a place in `v6_addrs` plus one in the low half.
    v6: Vec<u64>,
    v6_addrs: Vec<(Addr, u32)>,
    len: u32,
    hash: TableHash,
}

impl Addrs {
    fn new(hash: TableHash) -> Self {
        Self {
            v4: vec![0; SLOTS_MIN],
            v4_len: 0,
            v6: vec![0; SLOTS_MIN],
            v6_addrs: Vec::new(),
            len: 0,
            hash,
        }
    }

    fn clear(&mut self) {
        self.v4.fill(0);
        self.v6.fill(0);
        self.v6_addrs.clear();
        (self.v4_len, self.len) = (0, 0);
    }

    fn number(&mut self, addrs: &[Addr], present: &Present, ids: &mut Vec<u32>) {
        let mut hashes = [0; AHEAD];
        for (word, addrs) in addrs.chunks(AHEAD).enumerate() {
            let there = present.word(word);
            let v6 = self.look_ahead(addrs, &mut hashes);
            let from = ids.len();
            let found = self.v4_found(addrs, &hashes, ids) & there & !v6;
            for at in Ones::up_to(!found, addrs.len()) {
                let is_there = there >> at & 1 == 1;
                ids[from + at] =
                    if is_there { self.id(addrs[at], hashes[at]) } else { Batch::NO_ID };
            }
        }
    }

    /// Hashes a few addresses and has their slots fetched; which of them are of IPv6.
    ///
    /// Here and where they are looked for, what most of them need is done for all, and nothing is
    /// decided: addresses of both families one behind another make the processor guess nothing.
    #[inline]
    fn look_ahead(&self, addrs: &[Addr], hashes: &mut [u64; AHEAD]) -> u64 {
        let (v4_mask, v6_mask) = (self.v4.len() - 1, self.v6.len() - 1);
        let mut v6 = 0;
        for (at, (addr, hash)) in addrs.iter().zip(&mut *hashes).enumerate() {
            *hash = self.hash.hash_one(addr.bits() as u32);
            fetch(&self.v4[*hash as usize & v4_mask]);
            v6 |= u64::from(addr.is_v6()) << at;
        }
        for at in Ones::up_to(v6, addrs.len()) {
            hashes[at] = self.hash.hash_one(addrs[at].bits());
            fetch(&self.v6[hashes[at] as usize & v6_mask]);
        }
        v6
    }

    /// Adds the ids of the addresses of IPv4 that are found where they are looked for first, and of
    /// all others anything; which they are.
    #[inline]
    fn v4_found(&self, addrs: &[Addr], hashes: &[u64; AHEAD], ids: &mut Vec<u32>) -> u64 {
        let (slots, mask) = (self.v4.as_slice(), self.v4.len() - 1);
        let mut found = 0;
        ids.extend(addrs.iter().zip(hashes).enumerate().map(|(at, (addr, hash))| {
            let slot = slots[*hash as usize & mask];
            found |= u64::from((slot as u32 == addr.bits() as u32) & (slot != 0)) << at;
            ((slot >> 32) as u32).wrapping_sub(1)
        }));
        found
    }

    #[inline]
    fn id(&mut self, addr: Addr, hash: u64) -> u32 {
        if addr.is_v6() { self.v6_id(addr, hash) } else { self.v4_id(addr.bits() as u32, hash) }
    }

    #[inline]
    fn v4_id(&mut self, addr: u32, hash: u64) -> u32 {
        let mask = self.v4.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.v4[at & mask];
            if slot as u32 == addr && slot != 0 {
                return (slot >> 32) as u32 - 1;
            }
            if slot == 0 {
                return self.v4_new(addr, at & mask);
            }
            at += 1;
        }
    }

    #[cold]
    fn v4_new(&mut self, addr: u32, at: usize) -> u32 {
        let id = self.len;
        self.len += 1;
        self.v4_len += 1;
        self.v4[at] = u64::from(id + 1) << 32 | u64::from(addr);
        if self.v4_len * 2 > self.v4.len() {
            let hash = &self.hash;
            grow(&mut self.v4, |slot| hash.hash_one(*slot as u32));
        }
        id
    }

    fn v6_id(&mut self, addr: Addr, hash: u64) -> u32 {
        let mask = self.v6.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.v6[at & mask];
            if slot == 0 {
                return self.v6_new(addr, hash, at & mask);
            }
            let known = self.v6_addrs[slot as u32 as usize - 1];
            if slot >> 32 == hash >> 32 && known.0 == addr {
                return known.1;
            }
            at += 1;
        }
    }

    #[cold]
    fn v6_new(&mut self, addr: Addr, hash: u64, at: usize) -> u32 {
        let id = self.len;
        self.len += 1;
        self.v6_addrs.push((addr, id));
        self.v6[at] = hash >> 32 << 32 | self.v6_addrs.len() as u64;
        if self.v6_addrs.len() * 2 > self.v6.len() {
            let (hash, addrs) = (&self.hash, &self.v6_addrs);
            grow(&mut self.v6, |slot| hash.hash_one(addrs[*slot as u32 as usize - 1].0.bits()));
        }
        id
    }
}

/// Flows and their numbers. Open addressing, at most half full.
#[derive(Debug)]
struct Flows {
    /// 0 where free. Else the id plus one in the [`ID_BITS`] lowest bits, and above them what tells
    /// flows apart: of IPv4 the flow itself; of IPv6 its place in `v6_flows`, of as many bits, and
    /// its hash, under [`V6`].
    slots: Vec<u128>,
    v6_flows: Vec<V6Flow>,
    len: u32,
    hash: TableHash,
}

/// The bit of a slot that says that its flow is of IPv6.
const V6: u128 = 1 << 127;

/// Source, destination, and the rest: see [`Five::rest`].
type V6Flow = (u128, u128, u64);

/// The columns of flows.
struct Five<'a> {
    src: &'a [Addr],
    dst: &'a [Addr],
    proto: &'a [u32],
    sport: &'a [u32],
    dport: &'a [u32],
}

impl<'a> Five<'a> {
    /// And which packets have the one end, and which the other.
    fn of(batch: &'a Batch) -> Option<(Self, [&'a Present; 2])> {
        // Where there are no ports the columns hold 0, which is what a flow has there.
        let number = |field| batch.numbers(field).map(|(values, _)| values);
        let (src, has_src) = batch.addrs(Field::IpSrc)?;
        let (dst, has_dst) = batch.addrs(Field::IpDst)?;
        let proto = number(Field::IpProto)?;
        let (sport, dport) = (number(Field::Sport)?, number(Field::Dport)?);
        Some((Self { src, dst, proto, sport, dport }, [has_src, has_dst]))
    }

    /// Those of some packets.
    fn part(&self, places: Range<usize>) -> Self {
        Self {
            src: &self.src[places.clone()],
            dst: &self.dst[places.clone()],
            proto: &self.proto[places.clone()],
            sport: &self.sport[places.clone()],
            dport: &self.dport[places],
        }
    }

    fn len(&self) -> usize {
        self.proto.len()
    }

    /// Protocol and ports: 40 bits.
    #[inline]
    fn rest(&self, at: usize) -> u64 {
        u64::from(self.proto[at] as u8) << 32
            | u64::from(self.sport[at] as u16) << 16
            | u64::from(self.dport[at] as u16)
    }
}

impl Flows {
    fn new(hash: TableHash) -> Self {
        Self { slots: vec![0; SLOTS_MIN], v6_flows: Vec::new(), len: 0, hash }
    }

    fn clear(&mut self) {
        self.slots.fill(0);
        self.v6_flows.clear();
        self.len = 0;
    }

    fn number(&mut self, batch: &Batch, ids: &mut Vec<u32>) {
        let Some((five, [has_src, has_dst])) = Five::of(batch) else { return };
        let mut codes = [0; AHEAD];
        let mut hashes = [0; AHEAD];
        for (word, from) in (0..batch.len()).step_by(AHEAD).enumerate() {
            let there = has_src.word(word) & has_dst.word(word);
            let part = five.part(from..batch.len().min(from + AHEAD));
            let v6 = self.look_ahead(&part, &mut codes, &mut hashes);
            let found = self.v4_found(&codes[..part.len()], &hashes, ids) & there & !v6;
            for at in Ones::up_to(!found, part.len()) {
                let is_there = there >> at & 1 == 1;
                ids[from + at] = match is_there {
                    true => self.id(&part, at, codes[at], hashes[at]),
                    false => Batch::NO_ID,
                };
            }
        }
    }

    /// Makes of a few flows what their slots have above the id, but for the place of a flow of
    /// IPv6, and hashes, and has their slots fetched; which of them are of IPv6. Nothing is
    /// decided, as in [`Addrs::look_ahead`].
    #[inline]
    fn look_ahead(&self, five: &Five, codes: &mut [u128; AHEAD], hashes: &mut [u64; AHEAD]) -> u64 {
        let mask = self.slots.len() - 1;
        let mut v6 = 0;
        for (at, (code, hash)) in codes.iter_mut().zip(&mut *hashes).take(five.len()).enumerate() {
            let (src, dst) = (five.src[at], five.dst[at]);
            let ends = u128::from(src.bits() as u32) << 32 | u128::from(dst.bits() as u32);
            *code = ends << 40 | u128::from(five.rest(at));
            *hash = self.hash.hash_one(*code);
            fetch(&self.slots[*hash as usize & mask]);
            v6 |= u64::from(src.is_v6()) << at;
        }
        for at in Ones::up_to(v6, five.len()) {
            let hash = self.hash.hash_one(v6_flow(five, at));
            (codes[at], hashes[at]) = (V6 >> ID_BITS | u128::from(hash) << ID_BITS, hash);
            fetch(&self.slots[hash as usize & mask]);
        }
        v6
    }

    /// Adds the ids of the flows of IPv4 that are found where they are looked for first, and of all
    /// others anything; which they are.
    #[inline]
    fn v4_found(&self, codes: &[u128], hashes: &[u64; AHEAD], ids: &mut Vec<u32>) -> u64 {
        let (slots, mask) = (self.slots.as_slice(), self.slots.len() - 1);
        let mut found = 0;
        ids.extend(codes.iter().zip(hashes).enumerate().map(|(at, (code, hash))| {
            let slot = slots[*hash as usize & mask];
            found |= u64::from((slot >> ID_BITS == *code) & (slot != 0)) << at;
            low(slot).wrapping_sub(1)
        }));
        found
    }

    #[inline]
    fn id(&mut self, five: &Five, at: usize, code: u128, hash: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place & mask];
            let is_this = match code & (V6 >> ID_BITS) {
                0 => slot >> ID_BITS == code && slot != 0,
                _ => self.is_v6(slot, code, five, at),
            };
            if is_this {
                return low(slot) - 1;
            }
            if slot == 0 {
                return self.add(five, at, code, place & mask);
            }
            place += 1;
        }
    }

    /// Whether a slot is that of the packet's flow, which is one of IPv6.
    #[inline]
    fn is_v6(&self, slot: u128, code: u128, five: &Five, at: usize) -> bool {
        slot >> (2 * ID_BITS) == code >> ID_BITS
            && self.v6_flows.get(low(slot >> ID_BITS) as usize) == Some(&v6_flow(five, at))
    }

    #[cold]
    fn add(&mut self, five: &Five, at: usize, mut code: u128, place: usize) -> u32 {
        let id = self.len;
        self.len += 1;
        if code & (V6 >> ID_BITS) != 0 {
            code |= self.v6_flows.len() as u128;
            self.v6_flows.push(v6_flow(five, at));
        }
        self.slots[place] = code << ID_BITS | u128::from(id + 1);
        if self.len as usize * 2 > self.slots.len() {
            let hash = &self.hash;
            grow(&mut self.slots, |slot| match slot & V6 {
                0 => hash.hash_one(*slot >> ID_BITS),
                _ => (*slot >> (2 * ID_BITS)) as u64,
            });
        }
        id
    }
}

fn v6_flow(five: &Five, at: usize) -> V6Flow {
    (five.src[at].bits(), five.dst[at].bits(), five.rest(at))
}

/// The lowest [`ID_BITS`].
#[inline]
fn low(bits: u128) -> u32 {
    bits as u32 & ((1 << ID_BITS) - 1)
}

/// Doubles an open-addressed table whose free slots are 0.
fn grow<S: Copy + Default + PartialEq>(slots: &mut Vec<S>, hash: impl Fn(&S) -> u64) {
    let free = S::default();
    let old = std::mem::replace(slots, vec![free; slots.len() * 2]);
    let mask = slots.len() - 1;
    for slot in old.into_iter().filter(|slot| *slot != free) {
        let mut at = hash(&slot) as usize & mask;
        while slots[at] != free {
            at = (at + 1) & mask;
        }
        slots[at] = slot;
    }
}
