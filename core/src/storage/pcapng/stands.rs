//! What a packet stands for and where it comes from, in the one custom option of its block.

use std::ops::Range;

use super::{ENTERPRISE, OPT_CUSTOM, packet, put_option, word};
use crate::addr::Addr;
use crate::batch::Batch;
use crate::packet::{Known, Packet, Weight};
use crate::source::Origin;

/// What custom options of ours begin with after the enterprise number: what a packet stands for;
/// the same of one whose headers were made from a record; the same of one that an exporter
/// reported.
const WEIGHT_MARK: [u8; 4] = *b"CoMW";
const MADE_MARK: [u8; 4] = *b"CoMM";
const FROM_MARK: [u8; 4] = *b"CoMX";

/// How long the custom options of packets are.
const WEIGHT_BYTES: usize = 24;
const MADE_BYTES: usize = 28;
const FROM_BYTES: usize = 52;

/// Which of a packet's marks are written with it.
const MADE: u16 = Packet::FLOW | Packet::REPLAYED | Known::ALL;

/// What a packet stands for, how its headers came to be, and who reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stands {
    /// The packets and bytes.
    pub weight: Weight,
    /// Of [`Packet::marks`], those that tell of headers made from a record.
    pub marks: u16,
    /// Where it comes from, if its source told.
    pub origin: Option<Origin>,
}

impl Stands {
    /// What is to be written with packet `at`; none where it stands for itself as it was sent.
    pub fn of(batch: &Batch, at: usize) -> Option<Self> {
        let (packet, weight) = (batch.all().get(at)?, batch.weight(at));
        let (marks, origin) = (packet.marks & MADE, batch.origin(at));
        let is_itself = marks == 0 && origin.is_none() && weight == Weight::of(packet);
        (!is_itself).then_some(Self { weight, marks, origin })
    }

    /// How long the option is that says so.
    pub(super) fn option_bytes(self) -> usize {
        match self {
            Self { origin: Some(_), .. } => FROM_BYTES,
            Self { marks: 0, .. } => WEIGHT_BYTES,
            _ => MADE_BYTES,
        }
    }

    /// Appends the option that says so.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        let Self { weight, marks, origin } = self;
        let len = self.option_bytes();
        let mark = match len {
            WEIGHT_BYTES => WEIGHT_MARK,
            MADE_BYTES => MADE_MARK,
            _ => FROM_MARK,
        };
        let mut bytes = [0; FROM_BYTES];
        bytes[..4].copy_from_slice(&ENTERPRISE.to_le_bytes());
        bytes[4..8].copy_from_slice(&mark);
        bytes[8..16].copy_from_slice(&weight.packets.to_le_bytes());
        bytes[16..24].copy_from_slice(&weight.bytes.to_le_bytes());
        bytes[24..26].copy_from_slice(&marks.to_le_bytes());
        if let Some(origin) = origin {
            put_origin(origin, &mut bytes[ORIGIN..]);
        }
        put_option(out, OPT_CUSTOM, &bytes[..len]);
    }
}

impl From<Weight> for Stands {
    fn from(weight: Weight) -> Self {
        Self { weight, marks: 0, origin: None }
    }
}

/// What the packet in a block stands for, where that is not itself alone as it was sent.
pub fn stands(block: &[u8]) -> Option<Stands> {
    let value = block.get(option_value(block)?)?;
    let len = value.len();
    let made = word(value, 24) as u16 & MADE;
    let (marks, origin) = match (*value.get(4..)?.first_chunk::<4>()?, len) {
        (WEIGHT_MARK, WEIGHT_BYTES) => (0, None),
        (MADE_MARK, MADE_BYTES) => (made, None),
        (FROM_MARK, FROM_BYTES) => (made, read_origin(value.get(ORIGIN..)?)),
        _ => return None,
    };
    let long = |at| u64::from(word(value, at)) | u64::from(word(value, at + 4)) << 32;
    Some(Stands { weight: Weight { packets: long(8), bytes: long(16) }, marks, origin })
}

/// Where the value of that option lies in a block. Of options we write this one first.
fn option_value(block: &[u8]) -> Option<Range<usize>> {
    let at = packet(block)?.data.end.next_multiple_of(4);
    let (code, len) = (word(block, at) as u16, (word(block, at) >> 16) as usize);
    let value = at + 4..at + 4 + len;
    let is_ours = code == OPT_CUSTOM && word(block, value.start) == ENTERPRISE;
    (is_ours && value.end <= block.len()).then_some(value)
}

/// Replaces the address of who reported the packet in a block, where it says that.
pub(crate) fn replace_exporter(block: &mut [u8], by: impl FnOnce(Addr) -> Addr) {
    let Some(mut origin) = stands(block).and_then(|stands| stands.origin) else { return };
    let Some(value) = option_value(block) else { return };
    origin.exporter = by(origin.exporter);
    put_origin(origin, &mut block[value][ORIGIN..]);
}

/// Where it is told who reported it, behind the marks.
const ORIGIN: usize = 26;

/// What is said: an exporter of IPv6, the interface in, the interface out.
const IS_V6: u8 = 1;
const HAS_INPUT: u8 = 2;
const HAS_OUTPUT: u8 = 4;

/// Where the address lies behind those bits, and the interfaces.
const ADDR: usize = 2;
const INPUT: usize = 18;
const OUTPUT: usize = 22;

/// Writes it into the last part of the option.
fn put_origin(origin: Origin, out: &mut [u8]) {
    let Origin { exporter, input, output } = origin;
    let bits = [(exporter.is_v6(), IS_V6), (input.is_some(), HAS_INPUT)];
    let bits = bits.into_iter().chain([(output.is_some(), HAS_OUTPUT)]);
    out[0] = bits.filter(|(is_so, _)| *is_so).map(|(_, bit)| bit).sum();
    out[ADDR..INPUT].copy_from_slice(&exporter.bits().to_le_bytes());
    out[INPUT..OUTPUT].copy_from_slice(&input.unwrap_or(0).to_le_bytes());
    out[OUTPUT..].copy_from_slice(&output.unwrap_or(0).to_le_bytes());
}

/// Reads it from there.
fn read_origin(value: &[u8]) -> Option<Origin> {
    let said = *value.first()?;
    let bits = u128::from_le_bytes(*value.get(ADDR..)?.first_chunk()?);
    let number = |bit, at| (said & bit != 0).then(|| word(value, at));
    Some(Origin {
        exporter: Addr::from_bits(said & IS_V6 != 0, bits),
        input: number(HAS_INPUT, INPUT),
        output: number(HAS_OUTPUT, OUTPUT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::pcapng::{packet_bytes, put_packet};
    use crate::time::Ts;

    #[test]
    fn a_reported_packet_says_by_whom_and_through_which_interfaces() {
        let v4 = Origin { exporter: Addr::v4([10, 0, 0, 1]), input: Some(3), output: None };
        let v6 = Origin { exporter: Addr::from_bits(true, 7 << 100), input: None, output: Some(0) };
        for (origin, marks) in [(v4, 0), (v6, Packet::FLOW)] {
            let weight = Weight { packets: 3, bytes: 120 };
            let stood = Some(Stands { weight, marks, origin: Some(origin) });
            let mut block = Vec::new();
            put_packet(&mut block, 0, Ts(1), &[1, 2, 3, 4, 5], 40, stood);
            assert_eq!(stands(&block), stood);
            assert_eq!(block.len(), packet_bytes(5, stood));
        }
    }
}
