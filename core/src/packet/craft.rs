//! Headers made from a record: IPv4 or IPv6, and a transport header with its ports.
//!
//! What a record does not say is zero here, and absent to whoever asks the
//! packet for it, because it is marked ([`super::Packet::FLOW`],
//! [`super::Known`]). Checksums are not filled in.

use crate::addr::Addr;

/// The longest headers there are: IPv6 and TCP.
pub const HEADERS_MAX: usize = 60;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

/// What headers are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Source address; its family is the packet's.
    pub src: Addr,
    /// Destination address, of the same family.
    pub dst: Addr,
    /// What IP carries.
    pub proto: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// TCP flags.
    pub flags: u8,
    /// Source port; means nothing where the protocol has none.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// ICMP type in the upper byte, code in the lower.
    pub icmp: u16,
}

impl Headers {
    /// The length of the transport header that is made for a protocol.
    fn transport_len(&self) -> usize {
        match (self.proto, self.src.is_v6()) {
            (TCP, _) => 20,
            (SCTP, _) => 12,
            (UDP, _) | (ICMP, false) | (ICMP6, true) => 8,
            _ => 0,
        }
    }

    /// Writes the headers of a packet of about `len` bytes, IP headers included; returns their
    /// length and the packet's as stated in them, which is at least that.
    pub fn write(&self, len: u64, out: &mut [u8; HEADERS_MAX]) -> (usize, u32) {
        out.fill(0);
        let network = if self.src.is_v6() { 40 } else { 20 };
        let headers = network + self.transport_len();
        let len = len.clamp(headers as u64, 0xffff) as u16;
        if self.src.is_v6() {
            let word = 6 << 28 | u32::from(self.tos) << 20;
            out[..4].copy_from_slice(&word.to_be_bytes());
            out[4..6].copy_from_slice(&(len - 40).to_be_bytes());
            out[6] = self.proto;
            out[8..24].copy_from_slice(&self.src.bits().to_be_bytes());
            out[24..40].copy_from_slice(&self.dst.bits().to_be_bytes());
        } else {
            out[0] = 0x45;
            out[1] = self.tos;
            out[2..4].copy_from_slice(&len.to_be_bytes());
            out[9] = self.proto;
            out[12..16].copy_from_slice(&(self.src.bits() as u32).to_be_bytes());
            out[16..20].copy_from_slice(&(self.dst.bits() as u32).to_be_bytes());
        }
        self.transport(len - network as u16, &mut out[network..headers]);
        (headers, u32::from(len))
    }

    /// Writes the transport header into `out`, which is as long as it is; IP carries `len` bytes.
    fn transport(&self, len: u16, out: &mut [u8]) {
        match (self.proto, out) {
            (TCP | UDP | SCTP, out) => {
                out[..2].copy_from_slice(&self.sport.to_be_bytes());
                out[2..4].copy_from_slice(&self.dport.to_be_bytes());
                match self.proto {
                    TCP => out[12..14].copy_from_slice(&[5 << 4, self.flags]),
                    UDP => out[4..6].copy_from_slice(&len.to_be_bytes()),
                    _ => {}
                }
            }
            (_, [kind, code, ..]) => [*kind, *code] = self.icmp.to_be_bytes(),
            _ => {}
        }
    }
}
