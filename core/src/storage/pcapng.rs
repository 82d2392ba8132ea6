//! pcapng: packets written so that any other tool can open them, and found again by time.
//!
//! Blocks are those of draft-ietf-opsawg-pcapng: a section header, an interface
//! description for each source and link type, an enhanced packet block for each
//! packet, times in nanoseconds, all little-endian. What a packet stands for,
//! where that is not itself alone, is a custom option of its block.

use std::io::{self, Read, Write};

use crate::packet::{LinkType, Weight};
use crate::storage::Window;
use crate::time::Ts;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

const OPT_END: u16 = 0;
const OPT_USER_APPLICATION: u16 = 4;
const OPT_IF_NAME: u16 = 2;
const OPT_IF_TSRESOL: u16 = 9;
/// A custom option of bytes that may be copied to other files.
const OPT_CUSTOM: u16 = 2989;

/// The enterprise number that RFC 5612 sets aside for those who have none.
pub const ENTERPRISE: u32 = 32_473;

/// What a custom option of ours begins with after the enterprise number.
pub const WEIGHT_MARK: [u8; 4] = *b"CoMW";

/// No block we write or read is longer.
const BLOCK_BYTES_MAX: u32 = 1 << 20;

/// Appends the header of a section.
pub fn put_section(out: &mut Vec<u8>) {
    put_block(out, SECTION, |out| {
        out.extend(BYTE_ORDER.to_le_bytes());
        out.extend([1, 0, 0, 0]);
        // The section's length is not stated: it grows.
        out.extend(u64::MAX.to_le_bytes());
        put_option(out, OPT_USER_APPLICATION, b"como");
        put_option(out, OPT_END, b"");
    });
}

/// Appends the description of the next interface.
pub fn put_interface(out: &mut Vec<u8>, link: LinkType, name: &str, snaplen: u32) {
    put_block(out, INTERFACE, |out| {
        out.extend(link.0.to_le_bytes());
        out.extend([0, 0]);
        out.extend(snaplen.to_le_bytes());
        put_option(out, OPT_IF_NAME, name.as_bytes());
        put_option(out, OPT_IF_TSRESOL, &[9]);
        put_option(out, OPT_END, b"");
    });
}

/// Appends a packet seen on the given interface, counted from 0 in the section.
#[inline]
pub fn put_packet(
    out: &mut Vec<u8>,
    interface: u32,
    ts: Ts,
    data: &[u8],
    wire_len: u32,
    weight: Option<Weight>,
) {
    let data = &data[..data.len().min(BLOCK_BYTES_MAX as usize / 2)];
    put_block(out, PACKET, |out| {
        let head = [interface, (ts.0 >> 32) as u32, ts.0 as u32, data.len() as u32, wire_len];
        head.into_iter().for_each(|number| out.extend(number.to_le_bytes()));
        out.extend(data);
        pad(out, data.len());
        if let Some(weight) = weight {
            let mut bytes = [0; 24];
            bytes[..4].copy_from_slice(&ENTERPRISE.to_le_bytes());
            bytes[4..8].copy_from_slice(&WEIGHT_MARK);
            bytes[8..16].copy_from_slice(&weight.packets.to_le_bytes());
            bytes[16..].copy_from_slice(&weight.bytes.to_le_bytes());
            put_option(out, OPT_CUSTOM, &bytes);
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
        let word = |bytes: &[u8], at: usize| match bytes.get(at..at + 4) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        };
        let (kind, len) = (word(&self.block, 0), word(&self.block, 4));
        let swapped = kind == SECTION && word(&self.block, 8) != BYTE_ORDER;
        if !(12..=BLOCK_BYTES_MAX).contains(&len) || len % 4 != 0 || swapped {
            return Err(foreign);
        }
        self.block.resize(len as usize, 0);
        if !fill(&mut self.from, &mut self.block[12..])? {
            return Ok(None);
        }
        if word(&self.block, len as usize - 4) != len {
            return Err(foreign);
        }
        self.read += u64::from(len);
        match kind {
            SECTION => Ok(Some(Block::Section(&self.block))),
            INTERFACE => Ok(Some(Block::Interface(&self.block))),
            PACKET if len >= 32 => {
                let ts = u64::from(word(&self.block, 12)) << 32 | u64::from(word(&self.block, 16));
                Ok(Some(Block::Packet { ts: Ts(ts), bytes: &self.block }))
            }
            _ => Err(foreign),
        }
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

/// Copies the packets of a window, with what describes them, and returns how many those were.
///
/// The copy is a capture of its own, or may follow another one.
pub fn copy(from: impl Read, window: Window, out: &mut dyn Write) -> Result<u64, PcapngError> {
    let mut blocks = Blocks::new(from);
    // What stands before the first packet of the window.
    let mut head = Vec::new();
    let mut packets = 0;
    while let Some(block) = blocks.advance()? {
        match block {
            Block::Section(bytes) => {
                head.clear();
                head.extend(bytes);
            }
            Block::Interface(bytes) => head.extend(bytes),
            Block::Packet { ts, bytes } if window.from <= ts && ts < window.to => {
                out.write_all(&head)?;
                head.clear();
                out.write_all(bytes)?;
                packets += 1;
            }
            Block::Packet { .. } => {}
        }
    }
    Ok(packets)
}

#[cfg(test)]
mod tests;
