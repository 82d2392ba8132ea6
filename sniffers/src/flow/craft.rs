//! Headers made from a flow record: IPv4 or IPv6, and a transport header with its ports.
//!
//! What a record does not say is zero here, and absent to whoever asks the
//! packet for it, because it is marked as a flow. Checksums are not filled in.

use super::Flow;

/// The longest headers there are: IPv6 and TCP.
pub const HEADERS_MAX: usize = 60;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

/// The length of the transport header that is made for a protocol.
fn transport_len(flow: &Flow) -> usize {
    match (flow.proto, flow.src.is_v6()) {
        (TCP, _) => 20,
        (SCTP, _) => 12,
        (UDP, _) | (ICMP, false) | (ICMP6, true) => 8,
        _ => 0,
    }
}

/// Writes the headers and returns their length and the mean length of the flow's packets, which
/// is at least that.
pub fn write(flow: &Flow, out: &mut [u8; HEADERS_MAX]) -> (usize, u32) {
    out.fill(0);
    let network = if flow.src.is_v6() { 40 } else { 20 };
    let headers = network + transport_len(flow);
    let mean = flow.bytes.checked_div(flow.packets).unwrap_or(0);
    let mean = mean.clamp(headers as u64, 0xffff) as u16;
    if flow.src.is_v6() {
        let word = 6 << 28 | u32::from(flow.tos) << 20;
        out[..4].copy_from_slice(&word.to_be_bytes());
        out[4..6].copy_from_slice(&(mean - 40).to_be_bytes());
        out[6] = flow.proto;
        out[8..24].copy_from_slice(&flow.src.bits().to_be_bytes());
        out[24..40].copy_from_slice(&flow.dst.bits().to_be_bytes());
    } else {
        out[0] = 0x45;
        out[1] = flow.tos;
        out[2..4].copy_from_slice(&mean.to_be_bytes());
        out[9] = flow.proto;
        out[12..16].copy_from_slice(&(flow.src.bits() as u32).to_be_bytes());
        out[16..20].copy_from_slice(&(flow.dst.bits() as u32).to_be_bytes());
    }
    transport(flow, mean - network as u16, &mut out[network..headers]);
    (headers, u32::from(mean))
}

/// Writes the transport header into `out`, which is as long as it is; IP carries `len` bytes.
fn transport(flow: &Flow, len: u16, out: &mut [u8]) {
    match (flow.proto, out) {
        (TCP | UDP | SCTP, out) => {
            out[..2].copy_from_slice(&flow.sport.to_be_bytes());
            out[2..4].copy_from_slice(&flow.dport.to_be_bytes());
            match flow.proto {
                TCP => out[12..14].copy_from_slice(&[5 << 4, flow.flags]),
                UDP => out[4..6].copy_from_slice(&len.to_be_bytes()),
                _ => {}
            }
        }
        (_, [kind, code, ..]) => [*kind, *code] = flow.icmp.to_be_bytes(),
        _ => {}
    }
}
