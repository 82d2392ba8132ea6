//! UDP packets of a capture, in which others carry what they report.

use como_core::addr::Addr;
use como_core::packet::{Layers, Packet};

/// The length of a UDP header.
const UDP_HEADER: usize = 8;

/// Of a UDP packet who sent it, what it carries as far as it was captured, and how much that was
/// when it was sent.
pub fn udp<'a>(packet: &Packet, bytes: &'a [u8]) -> Option<(Addr, &'a [u8], usize)> {
    let layers = Layers::find(packet.link, bytes, packet.wire_len);
    let is_udp = layers.has(Layers::UDP) && !layers.has(Layers::SHORT);
    if !is_udp || layers.l3 == Layers::NONE || layers.l4 == Layers::NONE {
        return None;
    }
    let network = bytes.get(usize::from(layers.l3)..)?;
    let addr = match layers.has(Layers::IPV6) {
        true => Addr::v6(*network.get(8..)?.first_chunk()?),
        false => Addr::v4(*network.get(12..)?.first_chunk()?),
    };
    let datagram = bytes.get(usize::from(layers.l4)..)?;
    let [.., high, low, _, _] = datagram.first_chunk::<UDP_HEADER>()?;
    let sent = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(UDP_HEADER)?;
    let payload = &datagram[UDP_HEADER..];
    Some((addr, payload.get(..sent).unwrap_or(payload), sent))
}
