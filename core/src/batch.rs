//! Batches: the unit of work, packets of the merged stream with decoded columns.
//!
//! A batch is filled once by the capture stage and then only read, by all tasks
//! at the same time. Columns exist only for the fields some task asked for.

pub mod columns;
mod extract;
mod held;
mod plain;

use std::sync::Arc;

use crate::addr::Addr;
use crate::capture::offers::Offers;
use crate::community::CommunityId;
use crate::field::{Demand, Field, FieldValue, Id};
use crate::lookup::Lookups;
use crate::packet::{Known, Layers, Packet, Weight};
use crate::prefetch::fetch;
use crate::selection::{Ones, Selection};
use crate::source::{Chunk, Origin, Region};
use crate::storage::Window;
use crate::time::Ts;
use columns::{Block, Columns};
pub use columns::{Column, Present, Values};
use extract::View;
use held::Held;

/// Up to [`crate::selection::BATCH_PACKETS_MAX`] packets of the merged stream.
///
/// All its packets lie in one interval of every running task: capture cuts
/// batches at their boundaries. A packet that steps back in time is marked
/// [`Packet::BACKWARDS`] and belongs to the open interval all the same.
#[derive(Default)]
pub struct Batch {
    /// Only grows, from one batch to the next.
    pub seq: u64,
    /// The stream's clock at the first packet: all packets are counted in the intervals that
    /// hold it, and nothing that follows is counted earlier.
    pub clock: Ts,
    /// What each source of the stream offers.
    pub offers: Arc<Offers>,
    /// How many packets are counted in another interval than their timestamp's.
    pub late: u32,
    /// The time before it in which nothing was heard, if that is so.
    pub unheard: Option<Window>,
    /// Whether it comes of a stream that waits for nobody.
    pub is_live: bool,
    packets: Vec<Packet>,
    // The marks that any of them bears.
    marks: u16,
    weights: Vec<Weight>,
    regions: Vec<Region>,
    held: Held,
    layers: Vec<Layers>,
    // Those with malformed headers, and those with truncated ones.
    faulty: Option<(u64, u64)>,
    columns: Columns,
    lookups: Arc<Lookups>,
    ids: [Vec<u32>; 3],
    epoch: u64,
    picks: Vec<Selection>,
}

impl Batch {
    /// The id of a packet that has no such value.
    pub const NO_ID: u32 = u32::MAX;

    /// How many packets.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether it holds none; such a batch only carries the clock.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The packets in stream order.
    pub fn all(&self) -> &[Packet] {
        &self.packets
    }

    /// The captured bytes of packet `at`; empty if the place is wrong.
    #[inline]
    pub fn data(&self, at: usize) -> &[u8] {
        let Some(p) = self.packets.get(at) else { return &[] };
        let Some(region) = self.regions.get(usize::from(p.region)) else { return &[] };
        let start = p.offset as usize;
        (**region).as_ref().get(start..start.saturating_add(p.cap_len as usize)).unwrap_or(&[])
    }

    /// Where the headers of packet `at` start; nothing found unless some task asked where they are
    /// ([`Demand::layers`]).
    #[inline]
    pub fn layers(&self, at: usize) -> &Layers {
        self.layers.get(at).unwrap_or(&Layers::EMPTY)
    }

    /// Where the headers of every packet start; empty unless some task asked where they are
    /// ([`Demand::layers`]).
    pub fn all_layers(&self) -> &[Layers] {
        &self.layers
    }

    /// Packets as a weighted column.
    pub fn packets(&self) -> Counter<'_> {
        Counter { batch: self, bytes: false }
    }

    /// How many packets all of them stand for.
    pub fn total_packets(&self) -> u64 {
        if self.is_unweighted() {
            return self.len() as u64;
        }
        (0..self.len()).fold(0, |sum, at| sum.saturating_add(self.weight(at).packets))
    }

    /// Bytes on the wire as a weighted column.
    pub fn bytes(&self) -> Counter<'_> {
        Counter { batch: self, bytes: true }
    }

    /// Whether every packet stands for itself alone.
    pub fn is_unweighted(&self) -> bool {
        self.weights.is_empty()
    }

    /// How much packet `at` stands for.
    #[inline]
    pub fn weight(&self, at: usize) -> Weight {
        match self.weights.get(at) {
            Some(weight) => *weight,
            None => Weight::of(&self.packets[at]),
        }
    }

    /// Where packet `at` comes from, where its source tells: only of packets that have weights.
    #[inline]
    pub fn origin(&self, at: usize) -> Option<Origin> {
        if self.is_unweighted() {
            return None;
        }
        self.regions.get(usize::from(self.packets.get(at)?.region))?.origin()
    }

    /// What `value` of `field` adds up to over all that packet `at` stands for. Where that is a
    /// reported flow, a length is the mean of its packets, and the sum is the flow's own.
    #[inline]
    pub fn sum_of(&self, at: usize, field: Field, value: u64) -> Weight {
        let weight = self.weight(at);
        let is_exact = match field {
            Field::Len => true,
            Field::IpLen => self.packets[at].marks & Packet::FLOW != 0,
            _ => false,
        };
        if is_exact {
            return weight;
        }
        Weight { packets: weight.packets, bytes: value.saturating_mul(weight.packets) }
    }

    /// A field's column, if some task asked for it.
    pub fn column(&self, field: Field) -> Option<&Column> {
        self.columns.get(field)
    }

    /// The column of a yes-or-no field (1 or 0) or of a number of at most 32 bits.
    pub fn numbers(&self, field: Field) -> Option<(&[u32], &Present)> {
        match self.column(field)? {
            Column { values: Values::U32(values), present } => Some((values, present)),
            _ => None,
        }
    }

    /// The column of a link-layer address or a big number.
    pub fn bigs(&self, field: Field) -> Option<(&[u64], &Present)> {
        match self.column(field)? {
            Column { values: Values::U64(values), present } => Some((values, present)),
            _ => None,
        }
    }

    /// The column of an address.
    pub fn addrs(&self, field: Field) -> Option<(&[Addr], &Present)> {
        match self.column(field)? {
            Column { values: Values::Addr(values), present } => Some((values, present)),
            _ => None,
        }
    }

    /// The column of Community IDs.
    pub fn community_ids(&self) -> Option<(&[CommunityId], &Present)> {
        match self.column(Field::FlowCommunityId)? {
            Column { values: Values::CommunityId(values), present } => Some((values, present)),
            _ => None,
        }
    }

    /// The value of one field of packet `at`, whatever was asked for before; `None` if the packet
    /// has no such value, or not within its captured bytes. Slow beside a column.
    pub fn value(&self, at: usize, field: Field) -> Option<FieldValue<'_>> {
        let packet = self.packets.get(at)?;
        match field {
            Field::Packets => return Some(FieldValue::Big(self.weight(at).packets)),
            Field::Bytes => return Some(FieldValue::Big(self.weight(at).bytes)),
            Field::ExporterAddr => return Some(FieldValue::Addr(self.origin(at)?.exporter)),
            Field::ExporterInput | Field::ExporterOutput => {
                return self.origin(at)?.interface(field).map(FieldValue::Uint);
            }
            _ => {}
        }
        let data = self.data(at);
        let known = Known::of(packet.marks);
        if known.is_some_and(|known| !known.fields().has(field)) {
            return None;
        }
        let layers = match self.layers.get(at) {
            Some(layers) if known.is_none() => *layers,
            _ => Layers::find(packet.link, data, packet.wire_len),
        };
        extract::value(field, View { packet, data, layers, lookups: &self.lookups })
    }

    /// The captured bytes behind the transport header of packet `at`, as far as IP says they are
    /// its own: Ethernet's padding is not among them. Empty where there is no transport header
    /// (no IP, a later fragment); of other protocols than TCP, UDP, SCTP and ICMP it is all that
    /// IP carries. Asks for [`Demand::layers`].
    pub fn payload(&self, at: usize) -> &[u8] {
        let Some(packet) = self.packets.get(at) else { return &[] };
        let (data, layers) = (self.data(at), *self.layers(at));
        let view = View { packet, data, layers, lookups: &self.lookups };
        extract::payload(view).unwrap_or(&[])
    }

    /// Dense ids of a value, [`Batch::NO_ID`] where absent; empty if no task asked for them.
    pub fn ids(&self, id: Id) -> &[u32] {
        &self.ids[id as usize]
    }

    /// Which numbering the ids belong to: ids of two epochs have nothing in common.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the filter in `slot` of the shared plan accepts.
    pub fn pick(&self, slot: usize) -> Option<&Selection> {
        self.picks.get(slot)
    }

    /// What the filters of all slots of the shared plan accept.
    pub fn picks(&self) -> &[Selection] {
        &self.picks
    }

    /// How many packets have malformed headers, and how many truncated ones; nothing is known
    /// unless some task asked for headers or for a column that is read of them.
    pub fn faulty(&self) -> Option<(u64, u64)> {
        self.faulty
    }

    /// Empties it for reuse, keeping its memory.
    pub fn clear(&mut self) {
        self.late = 0;
        self.unheard = None;
        self.marks = 0;
        self.packets.clear();
        self.weights.clear();
        self.regions.clear();
        self.held.clear();
        self.layers.clear();
        self.faulty = None;
        self.columns.recycle();
        self.picks.clear();
    }

    /// Adds a region and returns its index for packets pushed after.
    pub fn push_region(&mut self, region: Region) -> u16 {
        self.regions.push(region);
        (self.regions.len() - 1) as u16
    }

    /// The index of a region, which is added unless it was the last one, too.
    pub(crate) fn region_after(&mut self, region: Region) -> u16 {
        match self.regions.last().is_some_and(|last| Arc::ptr_eq(last, &region)) {
            true => (self.regions.len() - 1) as u16,
            false => self.push_region(region),
        }
    }

    /// Takes all of a chunk into this batch, which is empty, and leaves the chunk its old memory.
    pub fn take_chunk(&mut self, chunk: &mut Chunk) {
        chunk.marks = chunk.packets.iter().fold(0, |marks, packet| marks | packet.marks);
        self.take_fed(chunk);
    }

    /// As [`Batch::take_chunk`], of a chunk whose marks are gathered already.
    pub(crate) fn take_fed(&mut self, chunk: &mut Chunk) {
        self.marks = std::mem::take(&mut chunk.marks);
        std::mem::swap(&mut self.packets, &mut chunk.packets);
        std::mem::swap(&mut self.weights, &mut chunk.weights);
        std::mem::swap(&mut self.regions, &mut chunk.regions);
    }

    /// How many regions it holds.
    pub fn regions(&self) -> usize {
        self.regions.len()
    }

    /// Adds packets, whose regions are set by [`Batch::set_region`], with a weight for each or
    /// none at all.
    pub fn push_all(&mut self, packets: &[Packet], weights: &[Weight]) {
        if !weights.is_empty() || !self.weights.is_empty() {
            self.weights.extend(self.packets[self.weights.len()..].iter().map(Weight::of));
            self.weights.extend_from_slice(weights);
            self.weights.extend(packets[weights.len()..].iter().map(Weight::of));
        }
        self.marks |= packets.iter().fold(0, |marks, packet| marks | packet.marks);
        self.packets.extend_from_slice(packets);
    }

    /// Says in which of the pushed regions packet `at` lies.
    pub fn set_region(&mut self, at: usize, region: u16) {
        self.packets[at].region = region;
    }

    /// Adds a packet whose region has been pushed. A weight other than the packet itself may be
    /// given; packets before it then get their own.
    #[inline]
    pub fn push(&mut self, packet: Packet, weight: Option<Weight>) {
        self.push_all(&[packet], weight.as_slice());
    }

    /// The tables that its addresses are looked up in.
    pub fn lookups(&self) -> &Arc<Lookups> {
        &self.lookups
    }

    /// Says in which tables addresses are looked up from now on.
    pub fn set_lookups(&mut self, lookups: &Arc<Lookups>) {
        if !Arc::ptr_eq(&self.lookups, lookups) {
            self.lookups = lookups.clone();
        }
    }

    /// Finds headers and fills the columns `demand` asks for; ids are the interner's work.
    ///
    /// Works through a few packets at a time, so that headers found are still in
    /// the nearest cache when their values are read, and has the bytes of the
    /// next few fetched meanwhile.
    pub fn decode(&mut self, demand: Demand) {
        let Self { packets, marks, regions, layers, columns, lookups, faulty, .. } = self;
        let replayed = *marks & Packet::REPLAYED != 0;
        columns.begin(demand, packets.len());
        *faulty = None;
        layers.clear();
        if !demand.finds_headers() {
            return;
        }
        let (malformed, truncated) = faulty.insert((0, 0));
        let mut resolved = Resolved { regions, index: usize::MAX, bytes: &[] };
        let mut bytes = [[&[] as &[u8]; Block::PACKETS]; 2];
        let [mut data, mut ahead] = bytes.each_mut();
        let mut found = [Layers::EMPTY; Block::PACKETS];
        let mut blocks = packets.chunks(Block::PACKETS).peekable();
        resolved.find(blocks.peek().copied().unwrap_or_default(), ahead);
        while let Some(packets) = blocks.next() {
            std::mem::swap(&mut data, &mut ahead);
            resolved.find(blocks.peek().copied().unwrap_or_default(), ahead);
            let found = &mut found[..packets.len()];
            let plain = Layers::find_all(packets, data, found);
            columns.append(Block { packets, data, layers: found, plain, lookups, regions });
            if replayed {
                columns.keep_known(packets);
                keep_known(packets, found);
            }
            for at in Ones::up_to(!plain, packets.len()) {
                *malformed += u64::from(found[at].has(Layers::MALFORMED));
                *truncated += u64::from(found[at].has(Layers::TRUNCATED));
            }
            if demand.keeps_layers() {
                layers.extend_from_slice(found);
            }
        }
        columns.finish();
    }

    /// Sets the ids of this batch; each vector is as long as the batch, or empty.
    pub fn set_ids(&mut self, epoch: u64, ids: [Vec<u32>; 3]) {
        self.epoch = epoch;
        self.ids = ids;
    }

    /// Takes the id vectors out for refilling.
    pub fn take_ids(&mut self) -> [Vec<u32>; 3] {
        std::mem::take(&mut self.ids)
    }

    /// Sets what each filter of the shared plan accepts.
    pub fn set_picks(&mut self, picks: Vec<Selection>) {
        self.picks = picks;
    }

    /// Takes the selections out for refilling.
    pub fn take_picks(&mut self) -> Vec<Selection> {
        std::mem::take(&mut self.picks)
    }
}

const _: () = assert!(Block::PACKETS <= 64, "headers of a block are found with a bit for each");

/// Leaves of the headers of packets that were made from records only what is known.
#[cold]
fn keep_known(packets: &[Packet], layers: &mut [Layers]) {
    for (packet, layers) in packets.iter().zip(layers) {
        if let Some(known) = Known::of(packet.marks) {
            layers.keep_known(known);
        }
    }
}

/// Where the ports of a TCP packet over IPv4 and Ethernet end: so far most headers reach.
const HEADERS_LIKELY: usize = 38;

/// The bytes of packets, remembering the region met last: most batches lie in one.
struct Resolved<'a> {
    regions: &'a [Region],
    index: usize,
    bytes: &'a [u8],
}

impl<'a> Resolved<'a> {
    /// Finds the bytes of these packets, and has the first of them fetched.
    fn find(&mut self, packets: &[Packet], data: &mut [&'a [u8]]) {
        for (packet, data) in packets.iter().zip(data) {
            let index = usize::from(packet.region);
            if index != self.index {
                self.index = index;
                self.bytes = self.regions.get(index).map_or(&[], |region| (**region).as_ref());
            }
            let start = packet.offset as usize;
            let end = start.saturating_add(packet.cap_len as usize);
            *data = self.bytes.get(start..end).unwrap_or(&[]);
            if let Some(headers) = data.first_chunk::<HEADERS_LIKELY>() {
                fetch(headers);
                fetch(&headers[HEADERS_LIKELY - 1]);
            }
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch {} of {} packets", self.seq, self.packets.len())
    }
}

/// A weighted column that every batch has: packets, or bytes on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    batch: &'a Batch,
    bytes: bool,
}

impl Counter<'_> {
    /// What packet `at` adds.
    #[inline]
    pub fn at(self, at: usize) -> u64 {
        let weight = self.batch.weight(at);
        if self.bytes { weight.bytes } else { weight.packets }
    }

    /// The sum over the picked packets, saturating.
    pub fn sum(self, picked: &Selection) -> u64 {
        let batch = self.batch;
        let mut sum = 0u64;
        match (batch.is_unweighted(), self.bytes) {
            (true, false) => sum = picked.count() as u64,
            (true, true) if picked.is_all() => {
                sum = batch.packets.iter().map(|p| u64::from(p.wire_len)).sum();
            }
            _ => picked.for_each(|at| sum = sum.saturating_add(self.at(at))),
        }
        sum
    }
}

#[cfg(test)]
mod tests;
