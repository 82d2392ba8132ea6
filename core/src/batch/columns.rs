//! Columns: one field's values for every packet of a batch.
//!
//! Which columns exist is decided once per batch. Their memory stays with the
//! batch from one use to the next, so that a running monitor allocates none.

use super::extract::{self, View};
use super::plain;
use crate::addr::Addr;
use crate::community::CommunityId;
use crate::field::{Demand, Field, Fields, Kind};
use crate::lookup::{Lookups, Subject};
use crate::packet::{Known, Layers, Packet};
use crate::selection::{BATCH_PACKETS_MAX, Selection};
use crate::source::{Origin, Region};

/// Which packets have the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    /// Every one.
    All,
    /// These.
    Some(Box<Selection>),
}

impl Present {
    /// Whether packet `at` has the value.
    #[inline]
    pub fn has(&self, at: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(these) => these.contains(at),
        }
    }

    /// The same of 64 packets at once, as bits: those from place `64 * at` on.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> u64 {
        match self {
            Self::All => u64::MAX,
            Self::Some(these) => these.used().get(at).copied().unwrap_or(0),
        }
    }
}

/// The values of one field. Where the value is absent the entry is a filler (0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The values, one per packet.
    pub values: Values,
    /// Which of them are real.
    pub present: Present,
}

impl Column {
    /// Makes a value absent; it is counted from the end.
    fn forget(&mut self, from_end: usize) {
        fn clear<T: Default>(values: &mut [T], from_end: usize) -> usize {
            let at = values.len().saturating_sub(from_end);
            values.get_mut(at).into_iter().for_each(|value| *value = T::default());
            at
        }
        let at = match &mut self.values {
            Values::U32(values) => clear(values, from_end),
            Values::U64(values) => clear(values, from_end),
            Values::Addr(values) => clear(values, from_end),
            Values::CommunityId(values) => clear(values, from_end),
        };
        let Present::Some(these) = &mut self.present else { return };
        if let Some(word) = these.used_mut().get_mut(at / Block::PACKETS) {
            *word &= !(1 << (at % Block::PACKETS));
        }
    }
}

/// Values by width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Booleans, codes, and numbers of at most 32 bits, with a sign as [`crate::field::encode_int`]
    /// makes them.
    U32(Vec<u32>),
    /// Link-layer addresses and big numbers.
    U64(Vec<u64>),
    /// IP addresses.
    Addr(Vec<Addr>),
    /// Community IDs.
    CommunityId(Vec<CommunityId>),
}

/// A few consecutive packets of a batch, their bytes and their headers.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) packets: &'a [Packet],
    pub(super) data: &'a [&'a [u8]],
    pub(super) layers: &'a [Layers],
    /// Which of them are plain, as [`Layers::find_all`] says.
    pub(super) plain: u64,
    pub(super) lookups: &'a Lookups,
    /// Those of the batch.
    pub(super) regions: &'a [Region],
}

impl<'a> Block<'a> {
    /// How many there are at most: those that one word of a selection speaks of. Every block of
    /// a batch but the last has as many.
    pub(super) const PACKETS: usize = 64;

    #[inline(always)]
    fn views(self) -> impl Iterator<Item = View<'a>> {
        let lookups = self.lookups;
        let packets = self.packets.iter().zip(self.data).zip(self.layers);
        packets.map(move |((packet, data), layers)| View { packet, data, layers: *layers, lookups })
    }

    /// Where a packet comes from, where that is told.
    fn origin(self, packet: &Packet) -> Option<Origin> {
        self.regions.get(usize::from(packet.region))?.origin()
    }

    /// The one at a place, which must be there.
    #[inline(always)]
    pub(super) fn view(self, at: usize) -> View<'a> {
        let (packet, data, layers) = (&self.packets[at], self.data[at], self.layers[at]);
        View { packet, data, layers, lookups: self.lookups }
    }
}

/// The columns of one batch, and the memory of those it had before.
#[derive(Default)]
pub(super) struct Columns {
    /// By field number; shorter than the table until the first use.
    slots: Vec<Option<Column>>,
    wanted: Vec<Field>,
    spare: Spare,
}

#[derive(Default)]
struct Spare {
    u32s: Vec<Vec<u32>>,
    u64s: Vec<Vec<u64>>,
    addrs: Vec<Vec<Addr>>,
    community_ids: Vec<Vec<CommunityId>>,
    #[expect(clippy::vec_box, reason = "a box goes into a column as it is and comes back")]
    picks: Vec<Box<Selection>>,
}

impl Columns {
    pub(super) fn get(&self, field: Field) -> Option<&Column> {
        self.slots.get(field as usize)?.as_ref()
    }

    /// Drops all columns, keeping their memory.
    pub(super) fn recycle(&mut self) {
        for column in self.slots.iter_mut().filter_map(Option::take) {
            self.spare.keep(column);
        }
    }

    /// Starts empty columns for what `demand` asks for, of a batch of `len` packets.
    pub(super) fn begin(&mut self, demand: Demand, len: usize) {
        self.recycle();
        self.slots.resize_with(Field::COUNT, || None);
        self.wanted.clear();
        self.wanted.extend(demand.fields());
        for field in &self.wanted {
            self.slots[*field as usize] = Some(self.spare.column(field.kind(), len));
        }
    }

    /// Adds the values of the next packets to every column.
    pub(super) fn append(&mut self, block: Block<'_>) {
        for field in &self.wanted {
            if let Some(column) = &mut self.slots[*field as usize] {
                append(*field, block, column);
            }
        }
    }

    /// Takes out of the last packets added, which are these, the values that are not known of them.
    #[cold]
    pub(super) fn keep_known(&mut self, packets: &[Packet]) {
        let known = |packet: &Packet| Known::of(packet.marks).map(Known::fields);
        let known: Vec<Option<Fields>> = packets.iter().map(known).collect();
        for field in &self.wanted {
            let Some(column) = &mut self.slots[*field as usize] else { continue };
            let lacks = known.iter().enumerate();
            let lacks = lacks.filter(|(_, known)| known.is_some_and(|known| !known.has(*field)));
            for (at, _) in lacks {
                column.forget(packets.len() - at);
            }
        }
    }

    /// Notes which columns turned out to be whole.
    pub(super) fn finish(&mut self) {
        for field in &self.wanted {
            let Some(column) = &mut self.slots[*field as usize] else { continue };
            if matches!(&column.present, Present::Some(these) if these.is_all())
                && let Present::Some(these) = std::mem::replace(&mut column.present, Present::All)
            {
                self.spare.picks.push(these);
            }
        }
    }
}

impl Spare {
    fn keep(&mut self, column: Column) {
        match column.values {
            Values::U32(values) => self.u32s.push(values),
            Values::U64(values) => self.u64s.push(values),
            Values::Addr(values) => self.addrs.push(values),
            Values::CommunityId(values) => self.community_ids.push(values),
        }
        if let Present::Some(these) = column.present {
            self.picks.push(these);
        }
    }

    fn column(&mut self, kind: Kind, len: usize) -> Column {
        let values = match kind {
            Kind::Bool | Kind::Uint | Kind::Int | Kind::Code | Kind::Bytes => {
                Values::U32(reuse(&mut self.u32s))
            }
            Kind::Mac | Kind::Big => Values::U64(reuse(&mut self.u64s)),
            Kind::Addr => Values::Addr(reuse(&mut self.addrs)),
            Kind::CommunityId => Values::CommunityId(reuse(&mut self.community_ids)),
        };
        let none = Selection::none(len);
        let present = match self.picks.pop() {
            Some(mut these) => {
                *these = none;
                these
            }
            None => Box::new(none),
        };
        Column { values, present: Present::Some(present) }
    }
}

/// An empty vector that has held a batch before, or will.
fn reuse<T>(spare: &mut Vec<Vec<T>>) -> Vec<T> {
    match spare.pop() {
        Some(mut values) => {
            values.clear();
            values
        }
        None => Vec::with_capacity(BATCH_PACKETS_MAX),
    }
}

/// Adds one field's values. The fields named here are read so often that each has a loop of its
/// own, in which the extractor is compiled for that field alone; of the first it is known as well
/// where they stand in a plain packet.
fn append(field: Field, block: Block<'_>, column: &mut Column) {
    macro_rules! own_loops {
        ($values:ident, $these:ident, $read:path,
            $($most:ident $plain:path),*; $($name:ident)*) => {
            match field {
                $(Field::$most => {
                    plain::append(block, $values, $these, $plain, |v| $read(Field::$most, v));
                })*
                $(Field::$name => each(block, $values, $these, |v| $read(Field::$name, v)),)*
                _ => each(block, $values, $these, |v| $read(field, v)),
            }
        };
    }
    let Present::Some(these) = &mut column.present else { return };
    match &mut column.values {
        Values::U32(values) if Subject::of(field).is_some() => look_up(field, block, values, these),
        Values::U32(values) if matches!(field, Field::ExporterInput | Field::ExporterOutput) => {
            each(block, values, these, |v| block.origin(v.packet)?.interface(field));
        }
        Values::Addr(values) if field == Field::ExporterAddr => {
            each(block, values, these, |v| Some(block.origin(v.packet)?.exporter));
        }
        Values::U32(values) => own_loops!(values, these, extract::number,
            IpProto plain::ip_proto, IpLen plain::ip_len, Sport plain::sport, Dport plain::dport;
            IpVersion IpTtl TcpSport TcpDport UdpSport UdpDport
            TcpFlags TcpSyn TcpAck TcpFin TcpRst EthType VlanId IpFragment PayloadLen),
        Values::U64(values) => own_loops!(values, these, extract::big, ; EthSrc EthDst),
        Values::Addr(values) => own_loops!(values, these, extract::addr,
            IpSrc plain::ip_src, IpDst plain::ip_dst;),
        Values::CommunityId(values) => each(block, values, these, extract::community_id),
    }
}

/// Adds what a table knows of an address of each packet, looked up side by side.
fn look_up(field: Field, block: Block<'_>, values: &mut Vec<u32>, these: &mut Selection) {
    let Some((subject, is_dst)) = Subject::of(field) else { return };
    let mut known = [0; Block::PACKETS];
    if let Some(table) = block.lookups.table(subject) {
        let mut addrs = [None; Block::PACKETS];
        let side = if is_dst { Field::IpDst } else { Field::IpSrc };
        for (addr, view) in addrs.iter_mut().zip(block.views()) {
            *addr = extract::addr(side, view);
        }
        known = table.get_all(&addrs);
    }
    let mut known = known.into_iter();
    each(block, values, these, |_| known.next().filter(|value| *value != 0));
}

#[inline(always)]
fn each<'a, T: Default>(
    block: Block<'a>,
    values: &mut Vec<T>,
    these: &mut Selection,
    mut read: impl FnMut(View<'a>) -> Option<T>,
) {
    let word = values.len() / Block::PACKETS;
    let mut bits = 0;
    values.extend(block.views().enumerate().map(|(bit, view)| {
        let value = read(view);
        bits |= u64::from(value.is_some()) << bit;
        value.unwrap_or_default()
    }));
    these.used_mut()[word] = bits;
}
