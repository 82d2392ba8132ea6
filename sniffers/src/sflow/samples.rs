//! From datagrams to packets: headers copied once, weights, counts.
//!
//! Datagrams are taken in while all their samples fit a chunk, so that memory
//! is bounded whatever arrives, and no packet waits for another datagram.

use como_core::addr::Addr;
use como_core::packet::craft::HEADERS_MAX;
use como_core::packet::{Layers, LinkType, Packet, Weight};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::flows::Volume;
use como_core::source::{Chunk, Description, Flows, Origin};
use como_core::time::Ts;

use super::agents::Agents;
use super::datagram::{Fields, Item, Sampled, head};
use crate::flow::Flow;
use crate::flow::tally::Tally;
use crate::pool::{Buffer, Pool};

/// The longest datagram, and with it all the headers in one.
const DATAGRAM_MAX: usize = 1 << 16;

/// How many sampled packets fit a datagram: each takes 52 bytes at least, which is one of version
/// 4.
const SAMPLES_MAX: usize = DATAGRAM_MAX / 52;

/// How many bytes of headers lie in one buffer.
const BUFFER_BYTES: usize = 4 * DATAGRAM_MAX;

/// Samples on their way to become packets.
#[derive(Debug)]
pub struct Samples {
    pool: Pool,
    agents: Agents,
    tally: Tally,
    told: u64,
    // Samples that agents lost, and nobody has been told of yet.
    dropped: u64,
    // Packets of the datagrams read, never more than a chunk holds, and where their headers are.
    ready: Vec<(Packet, Weight, Origin)>,
    headers: Buffer,
    // The most bytes of a packet that any agent sent of one it cut.
    cut_at: u32,
}

impl Default for Samples {
    fn default() -> Self {
        let pool = Pool::new(BUFFER_BYTES);
        Self {
            agents: Agents::default(),
            tally: Tally::default(),
            told: 0,
            dropped: 0,
            ready: Vec::new(),
            headers: pool.take(),
            cut_at: 0,
            pool,
        }
    }
}

impl Samples {
    /// Whether there is room for another datagram, whatever is in it.
    pub fn has_room(&self) -> bool {
        self.ready.len() + SAMPLES_MAX <= BATCH_PACKETS_MAX && self.headers.room() >= DATAGRAM_MAX
    }

    /// Takes in a datagram that `sender` sent and that arrived at `arrived`.
    pub fn take(&mut self, sender: Addr, arrived: Ts, payload: &[u8]) {
        let Some((head, items)) = head(payload) else {
            self.tally.undecodable += 1;
            return;
        };
        self.tally.datagrams += 1;
        let mut agent = self.agents.hear(sender, &head);
        for item in items {
            let sample = match item {
                Item::Other => continue,
                Item::Counters(place) => {
                    agent.count_counters(place);
                    continue;
                }
                Item::Sample(sample) => sample,
                Item::Bad => {
                    agent.reject();
                    self.tally.undecodable += 1;
                    continue;
                }
            };
            self.dropped += agent.newly_dropped(sample.place, sample.drops);
            let Some(sampled) = sample.packet else { continue };
            let rate = sample.rate.max(1);
            let (packet, len) = packet(&sampled, arrived, &mut self.headers);
            // Without its checksum, which agents leave out, a packet is whole.
            if packet.cap_len.saturating_add(4) < packet.wire_len {
                self.cut_at = self.cut_at.max(packet.cap_len);
            }
            self.tally.sampling.note(rate.into());
            let weight = Weight { packets: rate.into(), bytes: u64::from(len) * u64::from(rate) };
            let [input, output] = sample.interfaces;
            self.ready.push((packet, weight, Origin { exporter: sender, input, output }));
            agent.count(volume(weight), rate);
            match protocol(&sampled) {
                Some(proto) => {
                    let Weight { packets, bytes } = weight;
                    self.tally.add(&Flow { proto, packets, bytes, ..Flow::default() });
                }
                None => self.tally.all.add(volume(weight)),
            }
        }
    }

    /// Fills `chunk`, which is empty, with all there is, and tells it what was lost.
    pub fn fill(&mut self, chunk: &mut Chunk) {
        if !self.ready.is_empty() {
            chunk.packets.extend(self.ready.iter().map(|(packet, ..)| *packet));
            chunk.weights.extend(self.ready.iter().map(|(_, weight, _)| *weight));
            let headers = std::mem::replace(&mut self.headers, self.pool.take());
            chunk.regions.push(headers.share());
            for (at, (.., origin)) in self.ready.drain(..).enumerate() {
                chunk.tell(at, origin);
            }
        }
        chunk.counts.dropped += std::mem::take(&mut self.dropped);
        let undecodable = self.tally.undecodable;
        chunk.counts.malformed += undecodable - std::mem::replace(&mut self.told, undecodable);
    }

    /// Adds what has been learned of the packets.
    pub fn tell(&self, description: &mut Description) {
        description.sampling = self.tally.sampling;
        if self.cut_at > 0 {
            description.snaplen = self.cut_at;
        }
    }

    /// What has been read so far.
    pub fn report(&self) -> Flows {
        let mut flows = self.tally.report();
        self.agents.report(&mut flows);
        flows
    }
}

fn volume(weight: Weight) -> Volume {
    Volume { records: 1, packets: weight.packets, bytes: weight.bytes }
}

/// What IP carries in a sampled packet, if it is one.
fn protocol(sampled: &Sampled) -> Option<u8> {
    match sampled {
        Sampled::Header { link, bytes, wire_len } => {
            Layers::find(*link, bytes, *wire_len).protocol()
        }
        Sampled::Ip(fields) => Some(fields.proto),
    }
}

/// The packet of a sample, its header behind what the buffer holds, and its length on the wire as
/// the agent states it.
fn packet(sampled: &Sampled, ts: Ts, headers: &mut Buffer) -> (Packet, u32) {
    let offset = headers.len() as u32;
    let of = |cap_len: usize, wire_len: u32, link: LinkType, marks: u16| Packet {
        ts,
        offset,
        cap_len: cap_len as u32,
        wire_len,
        region: 0,
        link,
        source: 0,
        marks,
    };
    match sampled {
        Sampled::Header { link, bytes, wire_len } => {
            (of(headers.append(bytes), *wire_len, *link, 0), *wire_len)
        }
        Sampled::Ip(fields) => {
            let mut made = [0; HEADERS_MAX];
            let (len, wire_len) = one(fields).write(&mut made);
            let cap_len = headers.append(&made[..len]);
            // What the agent did not pick is not to be read from what was made up.
            (of(cap_len, wire_len, LinkType::RAW, Packet::FLOW), fields.len)
        }
    }
}

/// A sampled IP packet as a flow of itself.
fn one(fields: &Fields) -> Flow {
    let Fields { len, proto, src, dst, sport, dport, flags, tos } = *fields;
    // Of ICMP the ports are type and code.
    let icmp = sport << 8 | dport & 0xff;
    let (packets, bytes) = (1, len.into());
    Flow { src, dst, packets, bytes, sport, dport, icmp, proto, tos, flags, ..Flow::default() }
}
