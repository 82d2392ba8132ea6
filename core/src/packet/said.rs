//! What a record says of its packets, and the packet that is made of it.
//!
//! Each part is said or not; of the packet's fields those have a value that
//! follow from what is said.

use super::craft::{HEADERS_MAX, Headers};
use super::{Known, LinkType};
use crate::addr::Addr;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;

/// Bytes of a Linux cooked header, which carries nothing but an EtherType.
const COOKED_BYTES: usize = 16;

/// Parts of the headers of packets, as far as they are said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// EtherType.
    pub ether_type: Option<u16>,
    /// Version of IP; an address says it, too.
    pub version: Option<u8>,
    /// Source address.
    pub src: Option<Addr>,
    /// Destination address.
    pub dst: Option<Addr>,
    /// Protocol number.
    pub proto: Option<u8>,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port.
    pub dport: Option<u16>,
    /// Type of service.
    pub tos: Option<u8>,
    /// TCP flags.
    pub flags: Option<u8>,
    /// ICMP type.
    pub icmp_type: Option<u8>,
    /// ICMP code.
    pub icmp_code: Option<u8>,
    /// Whether the bytes the packet stands for are those that IP states.
    pub ip_len: bool,
}

impl Said {
    /// What it says, and where it says nothing what `other` does.
    pub fn or(self, other: Self) -> Self {
        Self {
            ether_type: self.ether_type.or(other.ether_type),
            version: self.version.or(other.version),
            src: self.src.or(other.src),
            dst: self.dst.or(other.dst),
            proto: self.proto.or(other.proto),
            sport: self.sport.or(other.sport),
            dport: self.dport.or(other.dport),
            tos: self.tos.or(other.tos),
            flags: self.flags.or(other.flags),
            icmp_type: self.icmp_type.or(other.icmp_type),
            icmp_code: self.icmp_code.or(other.icmp_code),
            ip_len: self.ip_len || other.ip_len,
        }
    }

    /// What of a packet is known by it.
    pub fn known(&self) -> Known {
        let parts = [
            (self.ether_type.is_some(), Known::ETHER_TYPE),
            (self.version().is_some(), Known::VERSION),
            (self.src.is_some(), Known::SRC),
            (self.dst.is_some_and(|dst| self.fits(dst)), Known::DST),
            (self.proto.is_some(), Known::PROTO),
            (self.sport.is_some(), Known::SPORT),
            (self.dport.is_some(), Known::DPORT),
            (self.tos.is_some(), Known::TOS),
            (self.flags.is_some(), Known::FLAGS),
            (self.icmp_type.is_some() && self.icmp_code.is_some(), Known::ICMP),
            (self.ip_len, Known::IP_LEN),
        ];
        let known = parts.iter().filter(|(known, _)| *known);
        known.fold(Known::NONE, |all, (_, part)| all.and(*part))
    }

    /// Which version of IP it is, where that follows. The first address decides.
    fn version(&self) -> Option<u8> {
        let of = |addr: Addr| if addr.is_v6() { 6 } else { 4 };
        self.src.or(self.dst).map(of).or(self.version)
    }

    /// Whether an address is of that version: another has no place in the packet.
    fn fits(&self, addr: Addr) -> bool {
        addr.is_v6() == (self.version() == Some(6))
    }

    /// What the packet begins with.
    pub fn link(&self) -> LinkType {
        if self.ether_type.is_some() { LinkType::LINUX_SLL } else { LinkType::RAW }
    }

    /// Appends a packet of about `len` bytes as far as its headers reach.
    pub fn write(&self, len: u64, out: &mut Vec<u8>) {
        if let Some(ether_type) = self.ether_type {
            out.resize(out.len() + COOKED_BYTES - 2, 0);
            out.extend(ether_type.to_be_bytes());
        }
        let Some(headers) = self.headers() else { return };
        let mut bytes = [0; HEADERS_MAX];
        let (held, _) = headers.write(len, &mut bytes);
        out.extend(bytes.iter().take(held));
    }

    /// The headers of IP and behind, where anything is said of them.
    fn headers(&self) -> Option<Headers> {
        let nothing = Self { ether_type: self.ether_type, ip_len: self.ip_len, ..Self::default() };
        if *self == nothing {
            return None;
        }
        let is_v6 = self.version() == Some(6);
        let none = Addr::from_bits(is_v6, 0);
        let addr = |addr: Option<Addr>| addr.filter(|a| self.fits(*a)).unwrap_or(none);
        // Where no protocol is said, one that has what is said; nobody is told of it.
        let proto = self.proto.unwrap_or(match self {
            Self { flags: Some(_), .. } => TCP,
            Self { sport: Some(_), .. } | Self { dport: Some(_), .. } => UDP,
            Self { icmp_type: Some(_), .. } if is_v6 => ICMP6,
            Self { icmp_type: Some(_), .. } => ICMP,
            _ => 0,
        });
        let icmp = [self.icmp_type, self.icmp_code].map(Option::unwrap_or_default);
        Some(Headers {
            src: addr(self.src),
            dst: addr(self.dst),
            proto,
            tos: self.tos.unwrap_or(0),
            flags: self.flags.unwrap_or(0),
            sport: self.sport.unwrap_or(0),
            dport: self.dport.unwrap_or(0),
            icmp: u16::from_be_bytes(icmp),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::Batch;
    use crate::field::{Field, FieldValue};
    use crate::packet::Packet;
    use crate::time::Ts;

    /// The fields a packet has, but those of any packet, after what is said of it.
    #[track_caller]
    fn check(said: Said, want: &[(Field, FieldValue<'_>)]) {
        let mut bytes = Vec::new();
        said.write(100, &mut bytes);
        let mut batch = Batch::default();
        let cap_len = bytes.len() as u32;
        let (link, marks) = (said.link(), said.known().marks());
        batch.push_region(Arc::new(bytes));
        let (ts, source) = (Ts(1), 0);
        let packet =
            Packet { ts, offset: 0, cap_len, wire_len: 100, region: 0, link, source, marks };
        batch.push(packet, None);
        let fields = Field::ALL.iter().copied().filter(|field| !field.is_free());
        let got: Vec<_> = fields.filter_map(|f| Some((f, batch.value(0, f)?))).collect();
        assert_eq!(got, want);
        assert!(got.iter().all(|(field, _)| said.known().fields().has(*field)));
    }

    #[test]
    fn a_packet_has_what_is_said_of_it_and_nothing_else() {
        use FieldValue::{Addr as A, Uint as U};
        let (a, b) = (Addr::v4([10, 0, 0, 1]), Addr::from_bits(true, 1));
        check(Said::default(), &[]);
        check(
            Said { dst: Some(a), ..Said::default() },
            &[(Field::IpVersion, U(4)), (Field::IpDst, A(a))],
        );
        check(
            Said { src: Some(a), dst: Some(b), ..Said::default() },
            &[(Field::IpVersion, U(4)), (Field::IpSrc, A(a))],
        );
        check(Said { proto: Some(6), ..Said::default() }, &[(Field::IpProto, U(6))]);
        check(Said { dport: Some(53), ..Said::default() }, &[(Field::Dport, U(53))]);
        check(
            Said { src: Some(b), proto: Some(17), sport: Some(53), ..Said::default() },
            &[
                (Field::IpVersion, U(6)),
                (Field::IpSrc, A(b)),
                (Field::IpProto, U(17)),
                (Field::Sport, U(53)),
                (Field::UdpSport, U(53)),
            ],
        );
        check(Said { ether_type: Some(0x806), ..Said::default() }, &[(Field::EthType, U(0x806))]);
        check(
            Said { version: Some(4), ip_len: true, ..Said::default() },
            &[(Field::IpVersion, U(4)), (Field::IpLen, U(100))],
        );
    }
}
