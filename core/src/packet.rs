//! A packet as the monitor sees it: where its bytes lie, when it was, what it stands for.
//!
//! Headers are found once per packet ([`layers`]) and their values are read
//! into columns once per batch ([`crate::batch`]).

pub mod build;
pub mod craft;
pub mod known;
pub mod layers;
pub mod link;
pub mod said;
pub mod tunnel;
pub(crate) mod wlan;

use crate::time::Ts;
pub use known::Known;
pub(crate) use layers::Headers;
pub use layers::Layers;
pub use link::LinkType;
pub use said::Said;

/// What is known of one packet before any header is read. Plain data, 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was seen.
    pub ts: Ts,
    /// Where its first captured byte lies in its region.
    pub offset: u32,
    /// How many bytes were captured.
    pub cap_len: u32,
    /// How many bytes were sent.
    pub wire_len: u32,
    /// Which of the batch's regions holds its bytes.
    pub region: u16,
    /// What the first byte is the start of.
    pub link: LinkType,
    /// Which source saw it: the index the monitor gave the source.
    pub source: u16,
    /// [`Packet::NO_TS`], [`Packet::BACKWARDS`] and such.
    pub marks: u16,
}

impl Packet {
    /// The source gave it no timestamp (pcapng simple packet blocks); `ts` repeats the last one.
    pub const NO_TS: u16 = 1;
    /// Its timestamp steps back behind one already seen; it counts in the open interval.
    pub const BACKWARDS: u16 = 2;
    /// Its timestamp leaps far ahead and nothing after it agrees; it counts in the open interval.
    pub const AHEAD: u16 = 4;
    /// It stands for a flow that an exporter reported, and its headers were made from the record:
    /// what a record does not say (time to live, sequence numbers, payload) is absent, and the
    /// lengths are means, of which the weight gives the exact sum.
    pub const FLOW: u16 = 8;
    /// It stands for a record of a module, and of its headers only what [`Known::of`] its marks
    /// says is known. It is a [`Packet::FLOW`], too.
    pub const REPLAYED: u16 = 16;
}

/// How many packets and bytes one packet stands for, where that is not itself alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Packets it stands for.
    pub packets: u64,
    /// Bytes on the wire it stands for.
    pub bytes: u64,
}

impl Weight {
    /// That of a packet that stands for itself alone.
    pub fn of(packet: &Packet) -> Self {
        Self { packets: 1, bytes: u64::from(packet.wire_len) }
    }
}
