//! Decapsulation: the packet inside a tunnel becomes the packet.
//!
//! Tunnels in tunnels are followed a few deep. A packet that is no tunnel's, or
//! whose inside was not captured, stays what it is; lengths on the wire become
//! those of the inside.

use como_core::packet::{Layers, LinkType, Packet, tunnel};
use como_core::source::{Chunk, Description, Flows, Source, SourceError, Treatment, Turn};
use como_core::time::Ts;

use crate::spec::OptionDoc;

/// How many tunnels inside each other are followed.
const DEPTH_MAX: usize = 8;

/// The option that asks for it, of every source.
const OPTION: &str = "decap=";

/// That option, as `como sniffers` shows it.
pub const ANY: OptionDoc = OptionDoc {
    name: "decap",
    default: "false",
    doc: "What is inside a tunnel becomes the packet: GRE, ERSPAN, IP in IP, VXLAN, GENEVE, GTP-U.",
};

/// Takes `decap=true` out of the text behind a kind, wherever among the options it stands.
pub fn take(text: &str) -> Result<(String, bool), SourceError> {
    let (mut rest, mut given) = (Vec::new(), None);
    for part in text.split(',') {
        match part.trim().strip_prefix(OPTION) {
            Some(_) if given.is_some() => {
                let why = "`decap` is given twice".to_owned();
                return Err(SourceError::Spec { text: text.to_owned(), why });
            }
            Some("true" | "yes" | "on" | "1") => given = Some(true),
            Some("false" | "no" | "off" | "0") => given = Some(false),
            Some(value) => {
                let why = format!("`decap={value}` must be true or false");
                return Err(SourceError::Spec { text: text.to_owned(), why });
            }
            None => rest.push(part),
        }
    }
    Ok((rest.join(","), given.unwrap_or(false)))
}

/// A source whose packets are those inside tunnels.
struct Decap {
    source: Box<dyn Source>,
    description: Description,
}

/// The insides of the packets of `source`, if they are wanted.
pub fn of(source: Box<dyn Source>, wanted: bool) -> Box<dyn Source> {
    if !wanted {
        return source;
    }
    let mut description = source.description().clone();
    // What is inside is IP, or Ethernet.
    description.offers = description.offers.and(LinkType::ETHERNET.offers());
    description.keep_up(source.description(), &[Treatment::Decapsulated]);
    Box::new(Decap { source, description })
}

impl Source for Decap {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let turn = self.source.next(chunk);
        self.description.keep_up(self.source.description(), &[Treatment::Decapsulated]);
        let Chunk { packets, weights, regions, .. } = chunk;
        for (at, packet) in packets.iter_mut().enumerate() {
            let Some(region) = regions.get(usize::from(packet.region)) else { continue };
            let before = packet.wire_len;
            open(packet, (**region).as_ref());
            if let Some(weight) = weights.get_mut(at) {
                let gone = u64::from(before.saturating_sub(packet.wire_len))
                    .saturating_mul(weight.packets);
                weight.bytes = weight.bytes.saturating_sub(gone);
            }
        }
        turn
    }

    fn flows(&self) -> Option<Flows> {
        self.source.flows()
    }

    fn is_at_hand(&self) -> bool {
        self.source.is_at_hand()
    }

    fn first_ts(&self) -> Option<Ts> {
        self.source.first_ts()
    }

    fn recorded_ts(&self) -> Option<Ts> {
        self.source.recorded_ts()
    }
}

/// Makes a packet the innermost one inside it.
fn open(packet: &mut Packet, region: &[u8]) {
    for _ in 0..DEPTH_MAX {
        let start = packet.offset as usize;
        let end = start.saturating_add(packet.cap_len as usize);
        let Some(data) = region.get(start..end) else { return };
        let layers = Layers::find(packet.link, data, packet.wire_len);
        let Some(inner) = tunnel::inner(data, &layers, packet.wire_len) else { return };
        // A header's offset is far smaller than what the fields hold, and lies before the end.
        let around = inner.at as u32;
        let sent = u32::try_from(inner.end - inner.at).unwrap_or(packet.wire_len);
        packet.offset += around;
        packet.cap_len = (packet.cap_len - around).min(sent);
        packet.wire_len = sent;
        packet.link = inner.link;
    }
}

#[cfg(test)]
mod tests {
    use como_core::source::Region;
    use std::sync::Arc;

    use super::*;
    use crate::file::KIND;

    /// Eight bytes of UDP from and to port 9, in as many IPv4 headers as wanted.
    fn nested(headers: usize) -> Vec<u8> {
        let mut bytes = [0, 9, 0, 9, 0, 8, 0, 0].to_vec();
        for at in 0..headers {
            let total = (bytes.len() + 20) as u16;
            let proto = if at == 0 { 17 } else { 4 };
            let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            header[2..4].copy_from_slice(&total.to_be_bytes());
            bytes.splice(0..0, header);
        }
        bytes
    }

    fn opened(bytes: Vec<u8>) -> (Packet, usize) {
        let len = bytes.len();
        let mut packet = Packet {
            ts: Ts(0),
            offset: 0,
            cap_len: len as u32,
            wire_len: len as u32,
            region: 0,
            link: como_core::packet::LinkType::IPV4,
            source: 0,
            marks: 0,
        };
        let region: Region = Arc::new(bytes);
        open(&mut packet, (*region).as_ref());
        (packet, len)
    }

    #[test]
    fn tunnels_in_tunnels_are_opened_and_no_deeper_than_allowed() {
        for (headers, left) in [(1, 1), (2, 1), (DEPTH_MAX + 1, 1), (DEPTH_MAX + 5, 5)] {
            let (packet, len) = opened(nested(headers));
            let want = (8 + 20 * left) as u32;
            assert_eq!((packet.cap_len, packet.wire_len), (want, want), "{headers} headers");
            assert_eq!(packet.offset + packet.cap_len, len as u32);
        }
    }

    #[test]
    fn the_option_stands_anywhere_and_is_checked() {
        let taken = |text| take(text).expect("a text");
        assert_eq!(taken("a.pcap"), ("a.pcap".to_owned(), false));
        assert_eq!(taken("a,b.pcap,decap=true,speed=1x"), ("a,b.pcap,speed=1x".to_owned(), true));
        assert_eq!(taken("eth0,decap=no"), ("eth0".to_owned(), false));
        assert!(take("a.pcap,decap=maybe").is_err());
        assert!(take("a.pcap,decap=true,decap=false").is_err());
        assert!(KIND.options.iter().all(|option| !OPTION.starts_with(option.name)));
    }
}
