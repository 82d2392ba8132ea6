//! Where the headers of a packet end, for whoever keeps headers and cuts what they carry.

use super::Layers;
use super::network::headers6;
use crate::packet::LinkType;
use crate::packet::wlan::{self, Frame};

impl Layers {
    /// The place behind the last header that was found in `data`, which begins with `link`: the
    /// transport header's options included, ICMP and ICMPv6 counted as eight bytes. Behind an IP
    /// header it is at once where the protocol is unknown, or the packet a later fragment. Where
    /// nothing is known of the link layer, it is 0.
    pub fn end(&self, link: LinkType, data: &[u8]) -> usize {
        let end = match (self.l4, self.l3) {
            (Self::NONE, Self::NONE) => self.link_end(link, data),
            (Self::NONE, l3) => usize::from(l3) + self.network_bytes(data, usize::from(l3)),
            (l4, _) => usize::from(l4) + self.transport_bytes(data, usize::from(l4)),
        };
        end.min(data.len())
    }

    fn transport_bytes(&self, data: &[u8], at: usize) -> usize {
        match self.found & (Self::TCP | Self::UDP | Self::SCTP) {
            // RFC 9293 section 3.1: the offset of the data, in words.
            Self::TCP => data.get(at + 12).map_or(20, |word| usize::from(word >> 4) * 4).max(20),
            Self::UDP => 8,
            Self::SCTP => 12,
            _ if self.has(Self::ICMP | Self::ICMP6) => 8,
            _ => 0,
        }
    }

    fn network_bytes(&self, data: &[u8], at: usize) -> usize {
        let byte = |offset: usize| data.get(at + offset).map_or(0, |byte| usize::from(*byte));
        if self.has(Self::ARP) {
            // RFC 826: two addresses of each kind, whose lengths stand in front.
            return 8 + 2 * (byte(4) + byte(5));
        }
        // RFC 791 section 3.1, RFC 8200 section 3.
        if self.has(Self::IPV4) { ((byte(0) & 15) * 4).max(20) } else { headers6(data, at) }
    }

    fn link_end(&self, link: LinkType, data: &[u8]) -> usize {
        if self.has(Self::WLAN) {
            let prefix = wlan::prefix(link, data).map_or(0, |prefix| prefix.len);
            return prefix + Frame::of(link, data).map_or(0, Frame::header_len);
        }
        if self.has(Self::ETHERNET) { 14 + 4 * usize::from(self.vlans) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::build::{Frame, batch_of};

    #[track_caller]
    fn check(frame: Frame, want: usize) {
        let batch = batch_of([frame.clone()]);
        let data = batch.data(0);
        let layers = Layers::find(LinkType::ETHERNET, data, data.len() as u32);
        assert_eq!(layers.end(LinkType::ETHERNET, data), want, "{frame:?}");
        for len in 0..data.len() {
            let layers = Layers::find(LinkType::ETHERNET, &data[..len], data.len() as u32);
            assert!(layers.end(LinkType::ETHERNET, &data[..len]) <= len);
        }
    }

    #[test]
    fn headers_end_where_their_payload_begins() {
        check(Frame::tcp("10.0.0.1:1", "10.0.0.2:80").payload(b"GET /"), 14 + 20 + 20);
        check(Frame::udp("[fe80::1]:1", "[fe80::2]:53").payload(b"question"), 14 + 40 + 8);
        check(Frame::arp("10.0.0.1", "10.0.0.2", true), 14 + 28);
    }

    #[test]
    fn of_a_later_fragment_the_headers_before_its_data_are_kept() {
        let v6 = || Frame::udp("[fe80::1]:1", "[fe80::2]:53").payload([0; 32]);
        check(v6().fragment(64, true), 14 + 40 + 8);
        check(v6().fragment(64, false), 14 + 40 + 8);
        check(v6().fragment(0, true), 14 + 40 + 8 + 8);
        check(v6().hop_by_hop().fragment(64, true), 14 + 40 + 8 + 8);
        check(Frame::udp("10.0.0.1:1", "10.0.0.2:2").payload([0; 32]).fragment(64, true), 14 + 20);
    }
}
