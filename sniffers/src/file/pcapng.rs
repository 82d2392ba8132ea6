//! pcapng: sections of blocks; interfaces are described before their packets.
//!
//! Layout: draft-ietf-opsawg-pcapng. Packets come in enhanced, simple and the
//! obsolete packet blocks; all other blocks and all options but a clock's
//! resolution and offset are passed over. A section has its own byte order and
//! its own interfaces, an interface its own link type and clock.

mod clock;

use como_core::field::Fields;
use como_core::packet::{LinkType, Packet};
use como_core::source::weigh;
use como_core::storage::pcapng::{self, Stands};
use como_core::time::{Span, Ts};

use super::CAP_LEN_MAX;
use super::erf::Erf;
use super::pcap::too_long;
use super::prefetch::Prefetch;
use super::records::{Flaw, Order, Sink, Stop, array, link_type};
use clock::Clock;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET_OBSOLETE: u32 = 2;
const PACKET_SIMPLE: u32 = 3;
const PACKET_ENHANCED: u32 = 6;

/// Fields of a block that are read before its packet's bytes start.
const BEFORE_PACKET_BYTES: usize = 28;

/// A block that is not longer than this is seen whole, so that its trailer can be checked.
const WHOLE_BYTES_MAX: usize = super::input::WANT_MAX;

/// A section may not describe more interfaces than this.
const INTERFACES_MAX: usize = 65_536;

/// How many descriptions of replays are remembered.
const MADE_MAX: usize = 8;

/// The open section.
#[derive(Debug)]
pub struct PcapNg {
    order: Order,
    interfaces: Vec<Interface>,
    last_ts: Ts,
    // What all sections so far had.
    links: Vec<LinkType>,
    // What opens packets that are ERF records.
    erf: Erf,
    resolution: Option<Span>,
    snaplen: Option<u32>,
    offers: Option<Fields>,
    // How interfaces whose packets were made from records are described.
    made: Vec<String>,
}

impl Default for PcapNg {
    fn default() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            last_ts: Ts(0),
            links: Vec::new(),
            erf: Erf::default(),
            resolution: None,
            snaplen: None,
            offers: None,
            made: Vec::new(),
        }
    }
}

/// One interface of a section.
#[derive(Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    clock: Clock,
    // Whether its packets can be decoded.
    supported: bool,
}

impl PcapNg {
    /// Whether a file that starts so is one.
    pub fn is_magic(magic: &[u8; 4]) -> bool {
        u32::from_le_bytes(*magic) == SECTION
    }

    /// The link types of the interfaces so far, and of the packets in ERF records.
    pub fn links(&self) -> Vec<LinkType> {
        let mut links = self.links.clone();
        links.extend(self.erf.links().iter().filter(|link| !self.links.contains(link)));
        links
    }

    /// The finest step of a clock so far.
    pub fn resolution(&self) -> Span {
        self.resolution.unwrap_or(Span(1_000))
    }

    /// The longest snap length so far.
    pub fn snaplen(&self) -> u32 {
        self.snaplen.filter(|len| (*len as usize) < CAP_LEN_MAX).unwrap_or(0)
    }

    /// The fields that packets of the interfaces so far may have.
    pub fn offers(&self) -> Fields {
        self.offers.unwrap_or(Fields::ALL)
    }

    /// What is told of interfaces whose packets were made from records.
    pub fn made(&self) -> &[String] {
        &self.made
    }

    /// See [`super::records::Format::walk`].
    pub fn walk(&mut self, bytes: &[u8], pos: &mut usize, sink: &mut Sink) -> Result<Stop, Flaw> {
        let mut prefetch = Prefetch::new(*pos, sink.cold);
        loop {
            if sink.packets.len() >= sink.limit {
                return Ok(Stop::Full);
            }
            prefetch.ahead(bytes, *pos);
            let Some(head) = array::<12>(bytes, *pos) else { return Ok(Stop::Needs(12)) };
            let kind = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            if kind == SECTION {
                self.order = byte_order(head)?;
            }
            let kind = self.order.u32_at(head, 0);
            let len = block_len(self.order.u32_at(head, 4))?;
            let seen = len.min(WHOLE_BYTES_MAX);
            let wanted = matches!(
                kind,
                SECTION | INTERFACE | PACKET_OBSOLETE | PACKET_SIMPLE | PACKET_ENHANCED
            );
            let Some(block) = bytes.get(*pos..*pos + seen) else {
                return Ok(if wanted || len == seen {
                    Stop::Needs(seen)
                } else {
                    Stop::Skip(len as u64)
                });
            };
            if seen == len && self.order.u32_at(block, len - 4) as usize != len {
                return Err(format!("a block of {len} bytes does not end with its length").into());
            }
            if wanted {
                // Without the trailer, if it is in sight.
                let body = &block[..seen.min(len - 4)];
                self.block(kind, body, *pos, sink)?;
            }
            if len > seen {
                return Ok(Stop::Skip(len as u64));
            }
            *pos += len;
        }
    }

    /// Takes one block, of which `body` is in sight, header included, at `pos` in the window.
    fn block(&mut self, kind: u32, body: &[u8], pos: usize, sink: &mut Sink) -> Result<(), Flaw> {
        match kind {
            PACKET_ENHANCED => {
                let head = array(body, 0).ok_or_else(too_short)?;
                let id = self.order.u32_at(head, 8);
                let before = sink.packets.len();
                self.packet(id, head, body, pos, sink)?;
                if sink.packets.len() > before
                    && let Some(Stands { weight, marks, origin }) = self.stands(body)
                    && let Some((packet, before)) = sink.packets.split_last_mut()
                {
                    packet.marks |= marks;
                    weigh(sink.weights, before);
                    sink.weights.push(weight);
                    sink.origins.extend(origin.map(|origin| (before.len(), origin)));
                }
                Ok(())
            }
            PACKET_OBSOLETE => {
                let head = array(body, 0).ok_or_else(too_short)?;
                let id = u32::from(self.order.u16_at(head, 8));
                self.packet(id, head, body, pos, sink)
            }
            PACKET_SIMPLE => self.simple_packet(body, pos, sink),
            INTERFACE => self.interface(body),
            _ => {
                self.interfaces.clear();
                Ok(())
            }
        }
    }

    /// What a packet stands for, where we wrote it and said so. We write little-endian.
    fn stands(&self, body: &[u8]) -> Option<Stands> {
        if self.order == Order::Little { pcapng::stands(body) } else { None }
    }

    /// Adds the packet of an enhanced or obsolete block, which agree from byte 12 on.
    #[inline]
    fn packet(
        &mut self,
        id: u32,
        head: &[u8; BEFORE_PACKET_BYTES],
        body: &[u8],
        pos: usize,
        sink: &mut Sink,
    ) -> Result<(), Flaw> {
        let order = self.order;
        let interface = self.interfaces.get(id as usize).ok_or_else(|| {
            format!("a packet of interface {id}, but {} are described", self.interfaces.len())
        })?;
        let [high, low, cap_len, wire_len] = [12, 16, 20, 24].map(|at| order.u32_at(head, at));
        let offset = BEFORE_PACKET_BYTES;
        check_cap_len(cap_len, body.len() - offset)?;
        if !interface.supported {
            return Err(Flaw::Link(interface.link));
        }
        let ts = interface.clock.ts(u64::from(high) << 32 | u64::from(low));
        self.last_ts = ts;
        let packet = Packet {
            ts,
            offset: (pos + offset) as u32,
            cap_len,
            wire_len,
            region: sink.region,
            link: interface.link,
            source: 0,
            marks: 0,
        };
        sink.packets.push(packet);
        self.open(body, offset, sink);
        Ok(())
    }

    /// Adds the packet of a simple block: the first interface's, without a timestamp.
    fn simple_packet(&mut self, body: &[u8], pos: usize, sink: &mut Sink) -> Result<(), Flaw> {
        let interface = self
            .interfaces
            .first()
            .ok_or_else(|| "a simple packet, but no interface is described".to_owned())?;
        if !interface.supported {
            return Err(Flaw::Link(interface.link));
        }
        let offset = 12;
        let room = body.len().checked_sub(offset).ok_or_else(too_short)?;
        let wire_len = self.order.u32_at(body, 8);
        let cut = if interface.snaplen == 0 { wire_len } else { wire_len.min(interface.snaplen) };
        check_cap_len(cut, room)?;
        sink.packets.push(Packet {
            ts: self.last_ts,
            offset: (pos + offset) as u32,
            cap_len: cut,
            wire_len,
            region: sink.region,
            link: interface.link,
            source: 0,
            marks: Packet::NO_TS,
        });
        self.open(body, offset, sink);
        Ok(())
    }

    /// Opens the packet just added, which lies `offset` bytes into its block, if it is an ERF
    /// record.
    #[inline]
    fn open(&mut self, body: &[u8], offset: usize, sink: &mut Sink) {
        let Some(outer) = sink.packets.pop_if(|packet| packet.link == LinkType::ERF) else {
            return;
        };
        let bytes = body.get(offset..).and_then(|rest| rest.get(..outer.cap_len as usize));
        let inner = self.erf.inside(outer, bytes.unwrap_or_default(), sink.counts);
        sink.packets.extend(inner);
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), Flaw> {
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(format!("more than {INTERFACES_MAX} interfaces in one section").into());
        }
        if body.len() < 16 {
            return Err(too_short());
        }
        let link = link_type(u32::from(self.order.u16_at(body, 8)))?;
        let snaplen = self.order.u32_at(body, 12);
        let clock = Clock::decode(self.order, &body[16..]);
        if link != LinkType::ERF && !self.links.contains(&link) {
            self.links.push(link);
        }
        let step = clock.resolution();
        self.resolution = Some(self.resolution.map_or(step, |finest| finest.min(step)));
        let kept = if snaplen == 0 { u32::MAX } else { snaplen };
        self.snaplen = Some(self.snaplen.map_or(kept, |most| most.max(kept)));
        let ours = self.order == Order::Little;
        let has = pcapng::fields(body).filter(|_| ours);
        if let Some(told) = pcapng::description(body).filter(|_| has.is_some())
            && self.made.len() < MADE_MAX
            && !self.made.iter().any(|known| known == told)
        {
            self.made.push(told.to_owned());
        }
        let has = has.unwrap_or(Fields::ALL);
        self.offers = Some(self.offers.map_or(has, |all| all.and(has)));
        let supported = link.is_supported() || link == LinkType::ERF;
        self.interfaces.push(Interface { link, snaplen, clock, supported });
        Ok(())
    }
}

/// The byte order of a section, from the number behind its header's type and length.
fn byte_order(head: &[u8; 12]) -> Result<Order, Flaw> {
    match head[8..] {
        [0x4d, 0x3c, 0x2b, 0x1a] => Ok(Order::Little),
        [0x1a, 0x2b, 0x3c, 0x4d] => Ok(Order::Big),
        _ => Err("a section whose byte-order magic is wrong".to_owned().into()),
    }
}

fn block_len(len: u32) -> Result<usize, Flaw> {
    if len < 12 || !len.is_multiple_of(4) {
        return Err(format!("a block of {len} bytes: at least 12 and a multiple of 4").into());
    }
    Ok(len as usize)
}

fn check_cap_len(cap_len: u32, room: usize) -> Result<(), Flaw> {
    if cap_len as usize > CAP_LEN_MAX {
        return Err(too_long(cap_len));
    }
    if cap_len as usize > room {
        return Err(format!("a packet of {cap_len} bytes in a block with room for {room}").into());
    }
    Ok(())
}

fn too_short() -> Flaw {
    "a block too short for its kind".to_owned().into()
}

#[cfg(test)]
mod tests;
