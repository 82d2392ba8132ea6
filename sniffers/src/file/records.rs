//! Records: what a parser of a capture format reads, and how it says that it needs more.
//!
//! A parser walks over the bytes of one window and adds packets to a chunk. It
//! owns no bytes and knows no files, so it is the same for every input.

use como_core::field::Fields;
use como_core::packet::{LinkType, Packet, Weight};
use como_core::source::{Counts, Origin};
use como_core::time::Span;

use super::compressed::Packing;
use super::erf::Erf;
use super::{pcap::Pcap, pcapng::PcapNg};

/// Where the packets of one window go.
pub struct Sink<'a> {
    /// The chunk's packets.
    pub packets: &'a mut Vec<Packet>,
    /// Their weights, as far as the last packet that has one of its own; empty where none has.
    pub weights: &'a mut Vec<Weight>,
    /// Where packets come from that say so, by their places in the chunk.
    pub origins: &'a mut Vec<(usize, Origin)>,
    /// How many it may hold.
    pub limit: usize,
    /// The index the window's region has, or will have, in the chunk.
    pub region: u16,
    /// Whether to fetch the bytes ahead: they are not in the processor's caches.
    pub cold: bool,
    /// What is known lost, and records that are skipped.
    pub counts: &'a mut Counts,
}

/// Why a parser stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The chunk is full.
    Full,
    /// The record here has this many bytes (or starts with so many that matter) and the window
    /// holds fewer.
    Needs(usize),
    /// The next so many bytes are of no interest, and the window may not hold them.
    Skip(u64),
}

/// Why a record makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It contradicts its format.
    Format(String),
    /// Its packets cannot be decoded.
    Link(LinkType),
}

impl From<String> for Flaw {
    fn from(why: String) -> Self {
        Self::Format(why)
    }
}

/// A capture format, as far as the first bytes have told.
pub enum Format {
    /// Nothing has been read.
    Unknown,
    /// Classic pcap.
    Pcap(Pcap),
    /// pcapng.
    PcapNg(PcapNg),
    /// ERF.
    Erf(Erf),
}

impl Format {
    /// Walks over `bytes` from `pos` on, adding packets to `sink`, until something stops it.
    ///
    /// `pos` is left at the record that stopped it: at the flaw, the record that is not all
    /// there, the bytes to skip, or the next packet's record.
    pub fn walk(&mut self, bytes: &[u8], pos: &mut usize, sink: &mut Sink) -> Result<Stop, Flaw> {
        loop {
            match self {
                Self::Pcap(pcap) => return pcap.walk(bytes, pos, sink),
                Self::PcapNg(pcapng) => return pcapng.walk(bytes, pos, sink),
                Self::Erf(erf) => return erf.walk(bytes, pos, sink),
                Self::Unknown => {
                    let Some(magic) = array(bytes, *pos) else { return Ok(Stop::Needs(4)) };
                    if PcapNg::is_magic(magic) {
                        *self = Self::PcapNg(PcapNg::default());
                        continue;
                    }
                    let Some(header) = array::<24>(bytes, *pos) else {
                        return Ok(Stop::Needs(24));
                    };
                    if let Some(flaw) = packed(header) {
                        return Err(flaw);
                    }
                    if array(header, 0).is_some_and(Erf::is_likely) && !Pcap::is_magic(magic) {
                        *self = Self::Erf(Erf::default());
                        continue;
                    }
                    *self = Self::Pcap(Pcap::decode(header)?);
                    *pos += 24;
                }
            }
        }
    }

    /// The kind of source that reads it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Erf(_) => "erf",
            _ => "pcap",
        }
    }

    /// The link types of its packets, as far as known.
    pub fn links(&self) -> Vec<LinkType> {
        match self {
            Self::Unknown => Vec::new(),
            Self::Pcap(pcap) => pcap.links(),
            Self::PcapNg(pcapng) => pcapng.links(),
            Self::Erf(erf) => erf.links(),
        }
    }

    /// The finest step of its timestamps.
    pub fn resolution(&self) -> Span {
        match self {
            Self::Unknown => Span(1_000),
            Self::Pcap(pcap) => pcap.resolution(),
            Self::PcapNg(pcapng) => pcapng.resolution(),
            Self::Erf(_) => Span(1),
        }
    }

    /// How many bytes of a packet it keeps, 0 where nothing is cut.
    pub fn snaplen(&self) -> u32 {
        match self {
            Self::Unknown | Self::Erf(_) => 0,
            Self::Pcap(pcap) => pcap.snaplen(),
            Self::PcapNg(pcapng) => pcapng.snaplen(),
        }
    }

    /// The fields its packets may have: fewer than all only where no other packets can follow.
    pub fn offers(&self) -> Fields {
        match self {
            Self::Pcap(pcap) => pcap.offers(),
            Self::PcapNg(pcapng) => pcapng.offers(),
            _ => Fields::ALL,
        }
    }

    /// What it tells of packets in it that were made from records.
    pub fn made(&self) -> &[String] {
        match self {
            Self::PcapNg(pcapng) => pcapng.made(),
            _ => &[],
        }
    }
}

/// Bytes that are packed yet: files are unpacked before they get here, connections are not,
/// because to unpack is to wait for whoever sends.
fn packed(header: &[u8]) -> Option<Flaw> {
    let (name, unpack) = Packing::of(header).name()?;
    let why = format!("packed with {name}: send it unpacked, through `{unpack}`");
    Some(Flaw::Format(why))
}

/// The `N` bytes at `at`, if they are there.
#[inline]
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// Which end of a number comes first in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The little one.
    Little,
    /// The big one.
    Big,
}

impl Order {
    /// A 16-bit number.
    #[inline]
    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// A 32-bit number.
    #[inline]
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The 32-bit number at `at` in `bytes`, which must reach that far; 0 if they do not.
    #[inline]
    pub fn u32_at(self, bytes: &[u8], at: usize) -> u32 {
        array(bytes, at).map_or(0, |b| self.u32(*b))
    }

    /// The 16-bit number at `at` in `bytes`, which must reach that far; 0 if they do not.
    #[inline]
    pub fn u16_at(self, bytes: &[u8], at: usize) -> u16 {
        array(bytes, at).map_or(0, |b| self.u16(*b))
    }
}

/// The link type a file's number means.
pub fn link_type(number: u32) -> Result<LinkType, Flaw> {
    let small = u16::try_from(number).map_err(|_| format!("link type {number} does not exist"))?;
    Ok(LinkType(small))
}
