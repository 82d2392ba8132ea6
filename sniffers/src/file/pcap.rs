//! Classic pcap: one header, then records, each a short header and a packet.
//!
//! Layout: draft-ietf-opsawg-pcap. Both byte orders, micro- and nanoseconds,
//! and the "modified" format (magic a1b2cd34), whose records carry eight bytes
//! more. The header's snap length is not trusted: only the cap bounds a packet. Packets
//! that are ERF records are opened.

use como_core::field::Fields;
use como_core::packet::{LinkType, Packet};
use como_core::time::{Span, Ts};

use super::CAP_LEN_MAX;
use super::erf::Erf;
use super::prefetch::Prefetch;
use super::records::{Flaw, Order, Sink, Stop, array, link_type};

pub(super) const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
pub(super) const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// The header of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcap {
    order: Order,
    // Nanoseconds in one step of the fraction.
    step: u64,
    record_bytes: usize,
    snaplen: u32,
    link: LinkType,
    // What opens its packets, where they are ERF records.
    erf: Option<Erf>,
}

impl Pcap {
    /// Whether a file that starts so is one.
    pub fn is_magic(magic: &[u8; 4]) -> bool {
        let magic = u32::from_le_bytes(*magic);
        let known = [MAGIC_MICROS, MAGIC_NANOS, MAGIC_MODIFIED];
        known.contains(&magic) || known.contains(&magic.swap_bytes())
    }

    /// Decodes the header of a file.
    pub fn decode(header: &[u8; 24]) -> Result<Self, Flaw> {
        let magic = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let (order, magic) = match magic {
            MAGIC_MICROS | MAGIC_NANOS | MAGIC_MODIFIED => (Order::Little, magic),
            other => (Order::Big, other.swap_bytes()),
        };
        let (step, record_bytes) = match magic {
            MAGIC_MICROS => (1_000, 16),
            MAGIC_NANOS => (1, 16),
            MAGIC_MODIFIED => (1_000, 24),
            _ => return Err(unknown(&header[..4])),
        };
        let major = order.u16_at(header, 4);
        if major != 2 {
            let minor = order.u16_at(header, 6);
            return Err(format!("pcap version {major}.{minor} is none that exists").into());
        }
        // The upper bits say how long a frame check sequence is, if one was captured.
        let link = link_type(order.u32_at(header, 20) & 0x03ff_ffff)?;
        let erf = (link == LinkType::ERF).then(Erf::default);
        if !link.is_supported() && erf.is_none() {
            return Err(Flaw::Link(link));
        }
        Ok(Self { order, step, record_bytes, snaplen: order.u32_at(header, 16), link, erf })
    }

    /// The link type of all packets; of those in ERF records, the types of the packets so far.
    pub fn links(&self) -> Vec<LinkType> {
        self.erf.as_ref().map_or_else(|| vec![self.link], Erf::links)
    }

    /// The fields that packets of its link type may have; of ERF records each has its own.
    pub fn offers(&self) -> Fields {
        if self.erf.is_some() { Fields::ALL } else { self.link.offers() }
    }

    /// The step of the timestamps.
    pub fn resolution(&self) -> Span {
        Span(self.step)
    }

    /// The snap length the file claims; 0 where it is longer than any packet may be.
    pub fn snaplen(&self) -> u32 {
        if self.snaplen as usize >= CAP_LEN_MAX { 0 } else { self.snaplen }
    }

    /// See [`super::records::Format::walk`].
    pub fn walk(&mut self, bytes: &[u8], pos: &mut usize, sink: &mut Sink) -> Result<Stop, Flaw> {
        let from = sink.packets.len();
        // Compiled twice, so that the byte order is decided here and not for every number.
        let stop = match self.order {
            Order::Little => self.walk_in(Order::Little, bytes, pos, sink),
            Order::Big => self.walk_in(Order::Big, bytes, pos, sink),
        };
        if let Some(erf) = &mut self.erf {
            erf.open(bytes, from, sink);
        }
        stop
    }

    #[inline(always)]
    fn walk_in(
        &self,
        order: Order,
        bytes: &[u8],
        pos: &mut usize,
        sink: &mut Sink,
    ) -> Result<Stop, Flaw> {
        let mut prefetch = Prefetch::new(*pos, sink.cold);
        let mut at = *pos;
        let stop = loop {
            if sink.packets.len() >= sink.limit {
                break Ok(Stop::Full);
            }
            prefetch.ahead(bytes, at);
            let Some(header) = array::<16>(bytes, at) else {
                break Ok(Stop::Needs(self.record_bytes));
            };
            // One by one: an array of them is not always kept in registers.
            let (secs, fraction) = (order.u32_at(header, 0), order.u32_at(header, 4));
            let (cap_len, wire_len) = (order.u32_at(header, 8), order.u32_at(header, 12));
            if cap_len as usize > CAP_LEN_MAX {
                break Err(too_long(cap_len));
            }
            let len = self.record_bytes + cap_len as usize;
            if bytes.len() - at < len {
                break Ok(Stop::Needs(len));
            }
            sink.packets.push(Packet {
                // A fraction of a second or more carries over.
                ts: Ts::new(u64::from(secs), u64::from(fraction) * self.step),
                // A window is far smaller than 4 GiB.
                offset: (at + self.record_bytes) as u32,
                cap_len,
                wire_len,
                region: sink.region,
                link: self.link,
                source: 0,
                marks: 0,
            });
            at += len;
        };
        *pos = at;
        stop
    }
}

/// A record that claims more bytes than any packet may have.
pub fn too_long(cap_len: u32) -> Flaw {
    let most = CAP_LEN_MAX >> 10;
    format!("a packet claims {cap_len} captured bytes, more than the {most} KiB allowed").into()
}

/// A file that starts like no capture.
fn unknown(magic: &[u8]) -> Flaw {
    let hex: Vec<String> = magic.iter().map(|b| format!("{b:02x}")).collect();
    let hex = hex.join(" ");
    Flaw::Format(format!(
        "not a capture in pcap, pcapng or ERF format, plain or in gzip, zstd, xz or lz4: starts \
         with {hex}"
    ))
}

#[cfg(test)]
mod tests;
