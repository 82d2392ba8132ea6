//! Classic pcap: the same packets for tools that read nothing newer.

use super::word;
use crate::packet::LinkType;
use crate::time::Ts;

/// Appends the header of a pcap file with times in nanoseconds.
pub fn put_pcap_header(out: &mut Vec<u8>, link: LinkType, snaplen: u32) {
    // Magic number, version 2.4, two fields that mean nothing any more.
    let head = [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, snaplen, u32::from(link.0)];
    head.into_iter().for_each(|number: u32| out.extend(number.to_le_bytes()));
}

/// What stands before a packet in a pcap file, from its block here.
pub fn pcap_record(block: &[u8]) -> [u8; 16] {
    let ts = u64::from(word(block, 12)) << 32 | u64::from(word(block, 16));
    pcap_head(Ts(ts), word(block, 20), word(block, 24))
}

/// What stands before a packet in a pcap file.
pub fn pcap_head(ts: Ts, cap_len: u32, wire_len: u32) -> [u8; 16] {
    let (secs, nanos) = ts.parts();
    let secs = u32::try_from(secs).unwrap_or(u32::MAX);
    let mut record = [0; 16];
    let numbers = [secs, nanos, cap_len, wire_len];
    for (bytes, number) in record.chunks_exact_mut(4).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    record
}
