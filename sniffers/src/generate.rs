//! `gen`: seeded traffic, so that demos, tests and benchmarks need no foreign file.
//!
//! Hosts and flows with heavy tails; TCP, UDP, DNS, ICMP and ARP over IPv4,
//! IPv6 and VLANs, with right lengths, sequence numbers and checksums. The same
//! options make the same bytes for ever: a test pins them.

mod config;
mod conversation;
mod dns;
mod frame;
mod hosts;
mod random;
mod traffic;

use std::time::{Duration, Instant};

use como_core::packet::{LinkType, Packet};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Description, Pace, Sampling, Source, SourceError, Turn};
use como_core::time::{Span, Ts};

use crate::pool::{Buffer, Pool};
use crate::spec::{self, Kind, Opens, Options};
use config::Config;
use frame::FRAME_MAX;
use random::Random;
use traffic::Traffic;

/// Generated traffic, as `como sniffers` shows it.
pub const KIND: Kind = Kind {
    name: "gen",
    usage: "gen:packets=2000000,duration=300s,seed=1",
    doc: "Generated traffic of many hosts and flows, the same for the same seed.",
    offers: "whole packets, every field of Ethernet and IP; times in nanoseconds; nothing is lost",
    options: config::OPTIONS,
    opens: Opens::Each(|text, _| spec::one(Generator::open(text))),
};

/// How many bytes of frames lie in one buffer: few enough to stay in a processor's cache.
const BUFFER_BYTES: usize = 256 << 10;

/// How long a paced source waits in one turn.
const TURN: Duration = Duration::from_millis(50);

/// Traffic as a source.
#[derive(Debug)]
pub struct Generator {
    description: Description,
    config: Config,
    traffic: Traffic,
    // Apart from the traffic's, so that times do not change what is said.
    times: Random,
    pool: Pool,
    made: u64,
    began: Option<(Instant, Ts)>,
}

impl Generator {
    /// Reads the options of `gen:text`.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let config = Config::parse(&Options::parse(&KIND, text)?)?;
        let size = config.packets.checked_mul(u64::from(config.mean_len));
        let pace = if config.pace { Pace::Live } else { Pace::Stored };
        Ok(Self {
            description: Description {
                links: vec![LinkType::ETHERNET],
                offers: LinkType::ETHERNET.offers(),
                resolution: Span(1),
                sampling: Sampling::None,
                size_bytes: size,
                timed_here: config.pace,
                ..Description::new(format!("gen:{text}"), pace)
            },
            traffic: Traffic::new(&config),
            times: Random::new(!config.seed),
            pool: Pool::new(BUFFER_BYTES),
            made: 0,
            began: None,
            config,
        })
    }

    /// When all packets have come: each is earlier.
    pub fn until(&self) -> Ts {
        Ts(self.start().0.saturating_add(self.config.duration.0))
    }

    /// When packet number `nth` is, from the start: somewhere in its own slot of the duration, so
    /// that packets are in order and their number in any span is as it should be.
    fn offset(&self, nth: u64, place: u32) -> u64 {
        let slots = u128::from(nth) << 32 | u128::from(place);
        let packets = u128::from(self.config.packets) << 32;
        (slots * u128::from(self.config.duration.0) / packets) as u64
    }

    /// How many packets are due by now; all of them, unless paced.
    fn due(&mut self) -> u64 {
        if !self.config.pace {
            return self.config.packets;
        }
        let (began, _) = *self.began.get_or_insert_with(|| (Instant::now(), Ts::now()));
        let passed = u128::from(self.config.packets) * began.elapsed().as_nanos();
        let due = passed / u128::from(self.config.duration.0);
        u64::try_from(due).unwrap_or(u64::MAX).min(self.config.packets)
    }

    fn start(&self) -> Ts {
        self.began.map_or(self.config.start, |(_, ts)| ts)
    }

    /// Writes the next packet behind what the buffer holds; it must have room for a frame.
    fn packet(&mut self, buffer: &mut Buffer, region: u16) -> Option<Packet> {
        let offset = buffer.len() as u32;
        let out = buffer.unfilled().first_chunk_mut::<FRAME_MAX>()?;
        let len = self.traffic.packet(out);
        buffer.advance(len);
        let place = self.times.next_u32();
        let ts = self.start() + Span(self.offset(self.made, place));
        self.made += 1;
        Some(Packet {
            ts,
            offset,
            cap_len: len as u32,
            wire_len: len as u32,
            region,
            link: LinkType::ETHERNET,
            source: 0,
            marks: 0,
        })
    }
}

impl Source for Generator {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let mut due = self.due();
        if due == self.made && self.made < self.config.packets {
            std::thread::sleep(TURN);
            due = self.due();
        }
        let wanted = (due - self.made).min(BATCH_PACKETS_MAX as u64) as usize;
        while chunk.packets.len() < wanted {
            let mut buffer = self.pool.take();
            let region = chunk.regions.len() as u16;
            while chunk.packets.len() < wanted {
                let Some(packet) = self.packet(&mut buffer, region) else { break };
                chunk.packets.push(packet);
            }
            chunk.regions.push(buffer.share());
        }
        chunk.read_bytes = self.made.saturating_mul(u64::from(self.config.mean_len));
        Ok(match wanted {
            _ if self.made == self.config.packets => Turn::End,
            0 => Turn::Idle,
            _ => Turn::More,
        })
    }

    fn first_ts(&self) -> Option<Ts> {
        (self.made == 0 && !self.config.pace).then_some(self.config.start)
    }
}

#[cfg(test)]
mod tests;
