//! Copying packets out of memory that is only lent into recycled buffers.
//!
//! What a kernel's ring shows must be given back soon, and packets may be held
//! for long: so each is copied, once.

use std::sync::Arc;

use como_core::packet::Packet;
use como_core::source::{Chunk, Region};

use crate::pool::{Buffer, Pool};

/// How many bytes of packets lie in one buffer: few enough to stay in a processor's cache.
const BUFFER_BYTES: usize = 256 << 10;

/// Of a buffer of which no more than this is filled a copy is handed over, so that a few packets
/// that are held for long hold little more than themselves.
const FEW_BYTES: usize = BUFFER_BYTES / 4;

/// Fills buffers with packets and makes them regions of chunks.
#[derive(Debug)]
pub struct Copier {
    pool: Pool,
    // Holds at least one packet of the chunk being filled, whose next region it becomes.
    filling: Option<Buffer>,
}

impl Copier {
    /// A copier for packets of at most `cap_len_max` bytes.
    pub fn new(cap_len_max: usize) -> Self {
        Self { pool: Pool::new(BUFFER_BYTES.max(cap_len_max)), filling: None }
    }

    /// Adds a packet whose bytes are `parts`, one behind the other, as far as its `cap_len` goes.
    /// Its place is filled in here.
    pub fn push(&mut self, parts: [&[u8]; 3], mut packet: Packet, chunk: &mut Chunk) {
        let all: usize = parts.iter().map(|part| part.len()).sum();
        let mut left = all.min(packet.cap_len as usize);
        if self.filling.as_ref().is_some_and(|buffer| buffer.room() < left) {
            self.finish(chunk);
        }
        let buffer = self.filling.get_or_insert_with(|| self.pool.take());
        let offset = buffer.len();
        for part in parts {
            let n = buffer.append(&part[..part.len().min(left)]);
            left -= n;
        }
        packet.offset = offset as u32;
        packet.cap_len = (buffer.len() - offset) as u32;
        packet.region = chunk.regions.len() as u16;
        chunk.packets.push(packet);
    }

    /// Hands over what has been copied; due before the chunk goes anywhere.
    pub fn finish(&mut self, chunk: &mut Chunk) {
        let hand_over = |buffer: Buffer| -> Region {
            match buffer.len() <= FEW_BYTES {
                true => Arc::new(buffer.as_ref().to_vec()),
                false => buffer.share(),
            }
        };
        chunk.regions.extend(self.filling.take().map(hand_over));
    }
}

#[cfg(test)]
mod tests {
    use como_core::packet::LinkType;
    use como_core::time::Ts;

    use super::*;

    /// Copies packets of these lengths: where each one lies.
    #[track_caller]
    fn check(cap_len_max: usize, lens: &[usize], want: &[(u16, u32, u32)]) {
        let bytes = vec![7; 1 << 20];
        let (mut copier, mut chunk) = (Copier::new(cap_len_max), Chunk::default());
        for &len in lens {
            let packet = Packet {
                ts: Ts(0),
                offset: 0,
                cap_len: cap_len_max as u32,
                wire_len: len as u32,
                region: 0,
                link: LinkType::ETHERNET,
                source: 0,
                marks: 0,
            };
            let (head, tail) = bytes[..len].split_at(len / 2);
            copier.push([head, &[], tail], packet, &mut chunk);
        }
        copier.finish(&mut chunk);
        let places = chunk.packets.iter().map(|p| (p.region, p.offset, p.cap_len));
        assert_eq!(places.collect::<Vec<_>>(), want);
        let n_regions = want.last().map_or(0, |(region, ..)| usize::from(*region) + 1);
        assert_eq!(chunk.regions.len(), n_regions);
    }

    #[test]
    fn packets_lie_one_behind_the_other_and_are_cut() {
        check(96, &[60, 1500, 0, 96], &[(0, 0, 60), (0, 60, 96), (0, 156, 0), (0, 156, 96)]);
        check(1500, &[], &[]);
    }

    #[test]
    fn a_few_packets_hold_no_whole_buffer() {
        let buffers_held = |len: usize| {
            let (mut copier, mut chunk) = (Copier::new(1 << 20), Chunk::default());
            let packet = Packet {
                ts: Ts(0),
                offset: 0,
                cap_len: len as u32,
                wire_len: len as u32,
                region: 0,
                link: LinkType::ETHERNET,
                source: 0,
                marks: 0,
            };
            copier.push([&vec![7; len], &[], &[]], packet, &mut chunk);
            copier.finish(&mut chunk);
            assert_eq!((*chunk.regions[0]).as_ref(), vec![7; len]);
            // One that has come back has what was in it.
            usize::from(copier.pool.take().unfilled()[0] == 0)
        };
        assert_eq!([60, FEW_BYTES, FEW_BYTES + 1].map(buffers_held), [0, 0, 1]);
    }

    #[test]
    fn a_packet_that_does_not_fit_begins_another_buffer() {
        let n = 200 << 10;
        check(
            256 << 10,
            &[n, n, 1 << 20],
            &[(0, 0, n as u32), (1, 0, n as u32), (2, 0, 256 << 10)],
        );
    }
}
