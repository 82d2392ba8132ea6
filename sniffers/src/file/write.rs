//! Writing captures: classic pcap, which every tool reads.
//!
//! The link type stands in the header once, so it is taken from the first
//! packet and a second one is an error, not a file that lies.

use std::io::{self, Write};

use como_core::batch::Batch;
use como_core::packet::{LinkType, Packet};
use como_core::source::Chunk;
use como_core::time::{SECOND, Ts};

use super::CAP_LEN_MAX;

/// Packets are written in whole blocks of this size, at multiples of it. So the system keeps the
/// file in large pages, and reading it back costs a third (25 instead of 75 ns a packet).
const BLOCK_BYTES: usize = 4 << 20;

/// The end of the time that classic pcap knows: its seconds have 32 bits.
pub const LAST: Ts = Ts::new(1 << 32, 0);

/// Why a packet was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file, or what it goes to, refused.
    #[error("cannot write the capture")]
    Io(#[from] io::Error),
    /// Classic pcap has one link type.
    #[error("packets of link types {first} and {then} do not go into one pcap file")]
    MixedLinks {
        /// That of the first packet.
        first: LinkType,
        /// That of a later one.
        then: LinkType,
    },
    /// Classic pcap counts seconds in 32 bits.
    #[error("a packet at {ts} does not go into a pcap file, which ends in 2106")]
    Late {
        /// The packet's time.
        ts: Ts,
    },
}

/// The step of the timestamps in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Microseconds, which even the oldest tools read.
    Micros,
    /// Nanoseconds.
    #[default]
    Nanos,
}

/// Writes packets to a capture.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    // What is held back until it is a whole block.
    block: Vec<u8>,
    step: Step,
    link: Option<LinkType>,
}

impl<W: Write> Writer<W> {
    /// A capture of nothing so far.
    pub fn new(out: W, step: Step) -> Self {
        Self { out, block: Vec::with_capacity(BLOCK_BYTES), step, link: None }
    }

    /// Writes all packets of a chunk.
    pub fn chunk(&mut self, chunk: &Chunk) -> Result<(), WriteError> {
        for packet in &chunk.packets {
            self.packet(packet, chunk.data(packet))?;
        }
        Ok(())
    }

    /// Writes all packets of a batch.
    pub fn batch(&mut self, batch: &Batch) -> Result<(), WriteError> {
        for (at, packet) in batch.all().iter().enumerate() {
            self.packet(packet, batch.data(at))?;
        }
        Ok(())
    }

    /// Writes one packet, captured as `bytes`.
    pub fn packet(&mut self, packet: &Packet, bytes: &[u8]) -> Result<(), WriteError> {
        match self.link {
            None => self.header(packet.link)?,
            Some(first) if first != packet.link => {
                return Err(WriteError::MixedLinks { first, then: packet.link });
            }
            Some(_) => {}
        }
        let (secs, nanos) = packet.ts.parts();
        let secs = u32::try_from(secs).map_err(|_| WriteError::Late { ts: packet.ts })?;
        let fraction = match self.step {
            Step::Micros => nanos / (SECOND / 1_000_000) as u32,
            Step::Nanos => nanos,
        };
        let mut record = [0; 16];
        let fields = [secs, fraction, bytes.len() as u32, packet.wire_len];
        for (room, field) in record.chunks_exact_mut(4).zip(fields) {
            room.copy_from_slice(&field.to_le_bytes());
        }
        self.put(&record)?;
        Ok(self.put(bytes)?)
    }

    /// Writes what is still held back, and the header if there was no packet.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if self.link.is_none() {
            self.header(LinkType::ETHERNET)?;
        }
        self.out.write_all(&self.block)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn header(&mut self, link: LinkType) -> Result<(), WriteError> {
        let magic: u32 = match self.step {
            Step::Micros => super::pcap::MAGIC_MICROS,
            Step::Nanos => super::pcap::MAGIC_NANOS,
        };
        self.put(&magic.to_le_bytes())?;
        self.put(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        self.put(&(CAP_LEN_MAX as u32).to_le_bytes())?;
        self.put(&u32::from(link.0).to_le_bytes())?;
        self.link = Some(link);
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while bytes.len() >= BLOCK_BYTES - self.block.len() {
            let (now, later) = bytes.split_at(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(now);
            self.out.write_all(&self.block)?;
            self.block.clear();
            bytes = later;
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::read;

    fn packet(ts: Ts, cap_len: u32, link: LinkType) -> Packet {
        Packet { ts, offset: 0, cap_len, wire_len: 60, region: 0, link, source: 0, marks: 0 }
    }

    #[test]
    fn what_is_written_reads_back() {
        let ts = Ts::new(1, 234_567_891);
        for (step, want) in [(Step::Nanos, ts), (Step::Micros, Ts::new(1, 234_567_000))] {
            let mut writer = Writer::new(Vec::new(), step);
            writer.packet(&packet(ts, 5, LinkType::RAW), b"hello").expect("memory");
            let (seen, e) = read(&writer.finish().expect("memory"));
            assert_eq!((seen.len(), e), (1, None));
            assert_eq!((seen[0].ts, seen[0].link, seen[0].wire_len), (want, LinkType::RAW, 60));
            assert_eq!(seen[0].bytes, b"hello");
        }
    }

    #[test]
    fn a_capture_of_nothing_is_a_capture() {
        let bytes = Writer::new(Vec::new(), Step::Nanos).finish().expect("memory");
        assert_eq!(read(&bytes), (vec![], None));
    }

    #[test]
    fn what_the_format_cannot_say_is_refused() {
        let mut writer = Writer::new(Vec::new(), Step::Nanos);
        writer.packet(&packet(Ts(0), 0, LinkType::ETHERNET), b"").expect("memory");
        let e = writer.packet(&packet(Ts(0), 0, LinkType::RAW), b"").expect_err("an error");
        assert!(matches!(e, WriteError::MixedLinks { .. }));
        let late = packet(Ts::new(1 << 32, 0), 0, LinkType::ETHERNET);
        let e = writer.packet(&late, b"").expect_err("an error");
        assert!(matches!(e, WriteError::Late { .. }));
    }
}
