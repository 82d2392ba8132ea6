//! What a slab holds: its packets are found in the same pass over its bytes as their checksum.
//!
//! A slab is larger than the nearest caches of a processor. So a little of it is
//! summed up at a time, and walked over before it is gone from there: that costs
//! little more than the sum alone.

use crate::packet::{LinkType, Packet};
use crate::storage::packets::read::Slab;
use crate::storage::pcapng::{self, Block, Stands};
use crate::time::Ts;

/// How much is summed up at a time: with four times as much a packet costs two nanoseconds more.
const STEP_BYTES: usize = 8 << 10;

/// The blocks of a slab, taken one after another.
#[derive(Debug, Default)]
pub struct Scan {
    // Packets, each with the number of its interface for a source.
    packets: Vec<Packet>,
    extent: Extent,
    // What stands between them: where, and before which packet.
    heads: Vec<(usize, usize)>,
    // What packets stand for, where that is not themselves.
    stands: Vec<(usize, Stands)>,
    // Whether bytes follow that are no block.
    is_broken: bool,
    // How many of each were taken.
    packet: usize,
    head: usize,
    stand: usize,
}

/// Between what the packets of a slab lie.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The earliest.
    pub first: Ts,
    /// The latest.
    pub last: Ts,
    // The numbers of their interfaces.
    interfaces: (u16, u16),
}

impl Default for Extent {
    fn default() -> Self {
        Self { first: Ts(u64::MAX), last: Ts(0), interfaces: (u16::MAX, 0) }
    }
}

impl Extent {
    #[inline]
    fn hold(&mut self, packet: &Packet) {
        self.first = self.first.min(packet.ts);
        self.last = self.last.max(packet.ts);
        let (low, high) = self.interfaces;
        self.interfaces = (low.min(packet.source), high.max(packet.source));
    }

    /// The interface of all of them, if they have one.
    pub fn interface(&self) -> Option<u16> {
        let (low, high) = self.interfaces;
        (low == high).then_some(low)
    }
}

/// What comes next in a slab.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A section or an interface, in the bytes from here on.
    Head(usize),
    /// A packet, with the number of its interface for a source and a link type that is still to be
    /// known.
    Packet(Packet, Option<Stands>),
    /// Bytes that make no sense.
    Nonsense,
    /// Nothing.
    End,
}

impl Scan {
    /// Scans a slab; whether its bytes are those that were written, as far as `crc` tells.
    pub fn read(&mut self, slab: &Slab, crc: Option<u32>) -> bool {
        self.clear();
        let bytes = slab.up_to_end();
        let (mut at, mut summed) = (slab.range().start, slab.range().start);
        let mut sum = crc32fast::Hasher::new();
        for step in slab.chunks(STEP_BYTES) {
            if crc.is_some() {
                sum.update(step);
            }
            summed += step.len();
            while at < summed && !self.is_broken {
                match self.add(bytes, at) {
                    Some(next) => at = next,
                    None => self.is_broken = true,
                }
            }
        }
        let is_sound = crc.is_none_or(|crc| sum.finalize() == crc);
        if !is_sound {
            self.clear();
        }
        is_sound
    }

    /// Adds a block; where the next begins.
    #[inline]
    fn add(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        if let Some((packet, end)) = pcapng::quick_packet(bytes, at) {
            self.extent.hold(&packet);
            self.packets.push(packet);
            return Some(end);
        }
        let (block, rest) = pcapng::split(bytes.get(at..)?)?;
        match block {
            Block::Packet { ts, bytes } => {
                let seen = pcapng::packet(bytes)?;
                let source = u16::try_from(seen.interface).ok()?;
                let stands = pcapng::stands(bytes).map(|stands| (self.packets.len(), stands));
                self.stands.extend(stands);
                let packet = Packet { source, ..seen.as_packet(ts, at, LinkType::ETHERNET) };
                self.extent.hold(&packet);
                self.packets.push(packet);
            }
            Block::Section(_) | Block::Interface(_) => self.heads.push((self.packets.len(), at)),
        }
        Some(bytes.len() - rest.len())
    }

    /// Forgets all that is left.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.heads.clear();
        self.stands.clear();
        (self.packet, self.head, self.stand, self.is_broken) = (0, 0, 0, false);
        self.extent = Extent::default();
    }

    /// All packets of the slab, if they are what is left of it, and stand for themselves.
    pub fn whole(&self) -> Option<(&[Packet], Extent)> {
        let is_alone = self.packet == 0 && self.head == self.heads.len();
        let is_whole = is_alone && self.stands.is_empty() && !self.is_broken;
        is_whole.then_some((self.packets.as_slice(), self.extent))
    }

    /// Gives these away, for an empty vector.
    pub fn give(&mut self, packets: &mut Vec<Packet>) {
        std::mem::swap(&mut self.packets, packets);
        self.clear();
    }

    /// What comes next.
    #[inline]
    pub fn peek(&self) -> Next {
        if let Some((_, at)) = self.heads.get(self.head).filter(|(n, _)| *n == self.packet) {
            return Next::Head(*at);
        }
        let Some(packet) = self.packets.get(self.packet) else {
            return if self.is_broken { Next::Nonsense } else { Next::End };
        };
        let stands = self.stands.get(self.stand).filter(|(n, _)| *n == self.packet);
        Next::Packet(*packet, stands.map(|(_, stands)| *stands))
    }

    /// The packets that come next one behind another, and stand for themselves.
    #[inline]
    pub fn run(&self) -> &[Packet] {
        let head = self.heads.get(self.head).map_or(usize::MAX, |(packet, _)| *packet);
        let stands = self.stands.get(self.stand).map_or(usize::MAX, |(packet, _)| *packet);
        let end = self.packets.len().min(head).min(stands);
        self.packets.get(self.packet..end).unwrap_or_default()
    }

    /// Goes on behind some of those.
    pub fn pass_run(&mut self, packets: usize) {
        self.packet += packets;
    }

    /// Where that begins, in the region of the slab; none at the end.
    pub fn at(&self) -> Option<usize> {
        match self.peek() {
            Next::Head(at) => Some(at),
            Next::Packet(packet, _) => Some(pcapng::start(&packet)),
            Next::Nonsense | Next::End => None,
        }
    }

    /// Goes on behind it.
    #[inline]
    pub fn pass(&mut self) {
        match self.peek() {
            Next::Head(_) => self.head += 1,
            Next::Packet(_, stands) => {
                self.packet += 1;
                self.stand += usize::from(stands.is_some());
            }
            Next::Nonsense => self.is_broken = false,
            Next::End => {}
        }
    }
}
