//! pcapng: packets written so that any other tool can open them, and found again by time.
//!
//! Blocks are those of draft-ietf-opsawg-pcapng: a section header, an interface
//! description for each source and link type, an enhanced packet block for each
//! packet, times in nanoseconds, all little-endian. What a packet stands for,
//! where that is not itself alone, is a custom option of its block.

mod classic;
mod filler;
mod kept;
mod quick;
mod stands;

use std::io::{self, Read};
use std::ops::Range;

pub use classic::{pcap_head, pcap_record, put_pcap_header};
pub use filler::{lengthen, packet_bytes};
pub use kept::{is_apart, put_section_kept, run, set_run};
pub(crate) use quick::quick_packet;
pub(crate) use stands::replace_exporter;
pub use stands::{Stands, stands};

use crate::field::{Field, Fields};
use crate::packet::{LinkType, Packet};
use crate::time::Ts;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

const OPT_END: u16 = 0;
const OPT_COMMENT: u16 = 1;
const OPT_USER_APPLICATION: u16 = 4;
const OPT_IF_NAME: u16 = 2;
const OPT_IF_DESCRIPTION: u16 = 3;
const OPT_IF_TSRESOL: u16 = 9;
const OPT_IF_FILTER: u16 = 11;
/// A custom option of bytes that may be copied to other files.
const OPT_CUSTOM: u16 = 2989;

/// The enterprise number that RFC 5612 sets aside for those who have none.
pub const ENTERPRISE: u32 = 32_473;

/// What the custom option of an interface begins with after the enterprise number that says which
/// fields its packets have.
const FIELDS_MARK: [u8; 4] = *b"CoMF";

/// Where the captured bytes lie in the block of a packet.
const PACKET_HEAD: usize = 28;

/// No block we write or read is longer.
pub(crate) const BLOCK_BYTES_MAX: u32 = 1 << 20;

/// Appends the header of a section.
pub fn put_section(out: &mut Vec<u8>) {
    put_section_about(out, "");
}

/// Appends the header of a section with a comment, unless that is empty.
pub fn put_section_about(out: &mut Vec<u8>, comment: &str) {
    section(out, comment, |_| ());
}

/// Appends the header of a section with more options.
fn section(out: &mut Vec<u8>, comment: &str, more: impl FnOnce(&mut Vec<u8>)) {
    put_block(out, SECTION, |out| {
        out.extend(BYTE_ORDER.to_le_bytes());
        out.extend([1, 0, 0, 0]);
        // The section's length is not stated: it grows.
        out.extend(u64::MAX.to_le_bytes());
        if !comment.is_empty() {
            put_option(out, OPT_COMMENT, comment.as_bytes());
        }
        put_option(out, OPT_USER_APPLICATION, b"como");
        more(out);
        put_option(out, OPT_END, b"");
    });
}

/// Appends the description of the next interface.
pub fn put_interface(out: &mut Vec<u8>, link: LinkType, name: &str, snaplen: u32) {
    put_block(out, INTERFACE, |out| interface(out, link, name, snaplen));
}

/// The same, of whose packets only those were kept that a filter picks.
pub fn put_filtered_interface(
    out: &mut Vec<u8>,
    link: LinkType,
    name: &str,
    (snaplen, filter): (u32, &str),
) {
    put_block(out, INTERFACE, |out| {
        interface(out, link, name, snaplen);
        out.truncate(out.len() - 4);
        // A byte says that text follows.
        put_option(out, OPT_IF_FILTER, &[&[0], filter.as_bytes()].concat());
        put_option(out, OPT_END, b"");
    });
}

/// Appends the description of an interface whose packets were made from records, and have only
/// these fields.
pub fn put_made_interface(
    out: &mut Vec<u8>,
    link: LinkType,
    name: &str,
    description: &str,
    fields: Fields,
) {
    let names: Vec<&str> = fields.without(Fields::NONE).map(Field::name).collect();
    let mark = [&ENTERPRISE.to_le_bytes()[..], &FIELDS_MARK, names.join(" ").as_bytes()].concat();
    put_block(out, INTERFACE, |out| {
        interface(out, link, name, 0);
        out.truncate(out.len() - 4);
        put_option(out, OPT_IF_DESCRIPTION, description.as_bytes());
        put_option(out, OPT_CUSTOM, &mark);
        put_option(out, OPT_END, b"");
    });
}

fn interface(out: &mut Vec<u8>, link: LinkType, name: &str, snaplen: u32) {
    out.extend(link.0.to_le_bytes());
    out.extend([0, 0]);
    out.extend(snaplen.to_le_bytes());
    put_option(out, OPT_IF_NAME, name.as_bytes());
    put_option(out, OPT_IF_TSRESOL, &[9]);
    put_option(out, OPT_END, b"");
}

/// Appends a packet seen on the given interface, counted from 0 in the section.
#[inline]
pub fn put_packet(
    out: &mut Vec<u8>,
    interface: u32,
    ts: Ts,
    data: &[u8],
    wire_len: u32,
    stands: Option<Stands>,
) {
    let data = &data[..data.len().min(BLOCK_BYTES_MAX as usize / 2)];
    put_block(out, PACKET, |out| {
        let head = [interface, (ts.0 >> 32) as u32, ts.0 as u32, data.len() as u32, wire_len];
        head.into_iter().for_each(|number| out.extend(number.to_le_bytes()));
        out.extend(data);
        pad(out, data.len());
        if let Some(stands) = stands {
            stands.put(out);
            put_option(out, OPT_END, b"");
        }
    });
}

#[inline]
fn put_block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let len = ((out.len() - start + 4) as u32).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&len);
    out.extend(len);
}

fn put_option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend(value);
    pad(out, value.len());
}

fn pad(out: &mut Vec<u8>, len: usize) {
    out.extend(&[0; 3][..len.wrapping_neg() % 4]);
}

/// Why a file is not one we wrote, as far as it was read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcapngError {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins or goes on with something else.
    #[error("not a capture of our own at byte {at}")]
    Foreign {
        /// Where.
        at: u64,
    },
}

/// One block of a file, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// A section begins.
    Section(&'a [u8]),
    /// An interface.
    Interface(&'a [u8]),
    /// A packet.
    Packet {
        /// When it was seen.
        ts: Ts,
        /// The whole block.
        bytes: &'a [u8],
    },
}

/// Reads the files this module writes, block by block.
pub struct Blocks<R> {
    from: R,
    block: Vec<u8>,
    read: u64,
}

impl<R: Read> Blocks<R> {
    /// Reads from the beginning of a file.
    pub fn new(from: R) -> Self {
        Self { from, block: Vec::new(), read: 0 }
    }

    /// How many bytes the whole blocks read so far had.
    pub fn read_bytes(&self) -> u64 {
        self.read
    }

    /// The next block; none at the end, or where the last block is not whole.
    pub fn advance(&mut self) -> Result<Option<Block<'_>>, PcapngError> {
        let foreign = PcapngError::Foreign { at: self.read };
        self.block.resize(12, 0);
        if !fill(&mut self.from, &mut self.block)? {
            return Ok(None);
        }
        let Some(len) = block_len(&self.block) else { return Err(foreign) };
        self.block.resize(len, 0);
        if !fill(&mut self.from, &mut self.block[12..])? {
            return Ok(None);
        }
        let block = whole(&self.block).ok_or(foreign)?;
        self.read += len as u64;
        Ok(Some(block))
    }
}

/// The block that `bytes` begin with, and what follows it; none where that is not a whole block of
/// our own.
#[inline]
pub fn split(bytes: &[u8]) -> Option<(Block<'_>, &[u8])> {
    let (block, rest) = bytes.split_at_checked(block_len(bytes)?)?;
    Some((whole(block)?, rest))
}

/// Whether `bytes` can be the beginning of no block of our own, however they go on.
pub(crate) fn is_foreign(bytes: &[u8]) -> bool {
    match block_len(bytes) {
        Some(len) => bytes.get(..len).is_some_and(|block| whole(block).is_none()),
        None => bytes.len() >= 12,
    }
}

/// Whether bytes end with a whole block.
pub(crate) fn ends_whole(bytes: &[u8]) -> bool {
    let len = bytes.len().checked_sub(4).map_or(0, |at| word(bytes, at) as usize);
    let last = bytes.len().checked_sub(len).and_then(|at| bytes.get(at..));
    last.is_some_and(|last| len > 0 && whole(last).is_some())
}

/// The length that a block states, if one of our own may be so long.
#[inline]
fn block_len(head: &[u8]) -> Option<usize> {
    let (kind, len) = (word(head, 0), word(head, 4));
    let swapped = kind == SECTION && word(head, 8) != BYTE_ORDER;
    let fits = (12..=BLOCK_BYTES_MAX).contains(&len) && len.is_multiple_of(4);
    (fits && !swapped).then_some(len as usize)
}

/// What a whole block is; none if it is not one of our own.
#[inline]
fn whole(bytes: &[u8]) -> Option<Block<'_>> {
    let len = bytes.len();
    if word(bytes, len.checked_sub(4)?) as usize != len {
        return None;
    }
    match word(bytes, 0) {
        SECTION => Some(Block::Section(bytes)),
        INTERFACE => Some(Block::Interface(bytes)),
        PACKET if len >= 32 => {
            let ts = u64::from(word(bytes, 12)) << 32 | u64::from(word(bytes, 16));
            Some(Block::Packet { ts: Ts(ts), bytes })
        }
        _ => None,
    }
}

/// Fills all of `bytes`; false if the file ends before.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where things lie in the block of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The interface, counted from 0 in the section.
    pub interface: u32,
    /// The captured bytes, inside the block.
    pub data: Range<usize>,
    /// How many bytes were sent.
    pub wire_len: u32,
}

impl Seen {
    /// The packet as a batch has it: seen at `ts` in a block that begins `start` bytes into its
    /// region.
    pub(crate) fn as_packet(&self, ts: Ts, start: usize, link: LinkType) -> Packet {
        Packet {
            ts,
            offset: (start + self.data.start) as u32,
            cap_len: self.data.len() as u32,
            wire_len: self.wire_len,
            region: 0,
            link,
            source: 0,
            marks: 0,
        }
    }
}

/// Where the block of a packet begins, in its region.
pub(crate) fn start(packet: &Packet) -> usize {
    (packet.offset as usize).saturating_sub(PACKET_HEAD)
}

/// Finds a packet in its block; none if the block says it is longer than the block is.
pub fn packet(block: &[u8]) -> Option<Seen> {
    let cap_len = word(block, 20) as usize;
    let data = PACKET_HEAD..PACKET_HEAD.checked_add(cap_len)?;
    let fits = data.end + 4 <= block.len();
    fits.then(|| Seen { interface: word(block, 8), data, wire_len: word(block, 24) })
}

/// The fields that the packets of an interface have, where its block says so.
pub fn fields(block: &[u8]) -> Option<Fields> {
    let value = options(block, 16).find_map(|option| marked(option, FIELDS_MARK))?;
    let names = std::str::from_utf8(value).ok()?;
    let fields = names.split(' ').filter_map(Field::named);
    Some(fields.fold(Fields::NONE, |all, field| all.and(Fields::of(&[field]))))
}

/// How the block of an interface describes it, where it does.
pub fn description(block: &[u8]) -> Option<&str> {
    let (_, value) = options(block, 16).find(|(code, _)| *code == OPT_IF_DESCRIPTION)?;
    std::str::from_utf8(value).ok()
}

/// Of which packets of an interface some were kept, where its block says so.
pub fn filter(block: &[u8]) -> Option<&str> {
    let (_, value) = options(block, 16).find(|(code, _)| *code == OPT_IF_FILTER)?;
    std::str::from_utf8(value.strip_prefix(&[0])?).ok()
}

/// How the block of an interface calls it, where it does.
pub fn name(block: &[u8]) -> Option<&str> {
    let (_, value) = options(block, 16).find(|(code, _)| *code == OPT_IF_NAME)?;
    std::str::from_utf8(value).ok()
}

/// What a custom option of ours that begins with a mark says behind it; none of any other.
fn marked((code, value): (u16, &[u8]), mark: [u8; 4]) -> Option<&[u8]> {
    let is_ours = code == OPT_CUSTOM && word(value, 0) == ENTERPRISE;
    value.get(4..).filter(|_| is_ours)?.strip_prefix(&mark)
}

/// The options in a block from a byte on, as far as they are whole. We write little-endian.
fn options(block: &[u8], from: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = block.get(from..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (code, len) = (word(rest, 0) as u16, (word(rest, 0) >> 16) as usize);
        let value = rest.get(4..)?.get(..len)?;
        rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        (code != OPT_END).then_some((code, value))
    })
}

/// The comment of a section header, if it has one.
pub fn comment(block: &[u8]) -> Option<&str> {
    // Of options we write it first.
    let option = block.get(24..)?;
    let (code, len) = (word(option, 0) as u16, (word(option, 0) >> 16) as usize);
    let text = option.get(4..)?.get(..len).filter(|_| code == OPT_COMMENT)?;
    std::str::from_utf8(text).ok()
}

/// The link type that the block of an interface states.
pub fn link(block: &[u8]) -> LinkType {
    LinkType(word(block, 8) as u16)
}

/// How many bytes of a packet are kept, as the block of an interface states it.
pub fn snaplen(block: &[u8]) -> u32 {
    word(block, 12)
}

/// The number at a place; 0 behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
