//! The quick way to a packet: most blocks are one with nothing beside it, and are known at a look.

use super::{BLOCK_BYTES_MAX, PACKET, PACKET_HEAD};
use crate::packet::{LinkType, Packet};
use crate::time::Ts;

/// The packet that bytes begin with from `at` on, whose source is the number of its interface, and
/// where its block ends; none where anything else is there, or anything is said beside it.
#[inline]
pub(crate) fn quick_packet(bytes: &[u8], at: usize) -> Option<(Packet, usize)> {
    let head = bytes.get(at..)?.first_chunk::<PACKET_HEAD>()?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (len, cap_len) = (word(4), word(20));
    let is_plain = word(0) == PACKET
        && len <= BLOCK_BYTES_MAX
        && cap_len <= len
        && PACKET_HEAD + (cap_len as usize).next_multiple_of(4) + 4 == len as usize;
    let end = at.checked_add(len as usize)?;
    if !is_plain || bytes.get(..end)?.last_chunk() != Some(&len.to_le_bytes()) {
        return None;
    }
    let packet = Packet {
        ts: Ts(u64::from(word(12)) << 32 | u64::from(word(16))),
        offset: u32::try_from(at + PACKET_HEAD).ok()?,
        cap_len,
        wire_len: word(24),
        region: 0,
        link: LinkType::ETHERNET,
        source: u16::try_from(word(8)).ok()?,
        marks: 0,
    };
    Some((packet, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Weight;
    use crate::storage::pcapng::{Block, Stands, packet, put_packet, split, stands};

    proptest! {
        #[test]
        fn the_quick_way_leads_where_the_long_one_does(
            kept in 0usize..200, interface in 0u32..70_000, weighed: bool,
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let stood = weighed.then(|| Stands::from(Weight { packets: 7, bytes: 700 }));
            let mut bytes = b"before..".to_vec();
            put_packet(&mut bytes, interface, Ts(1 << 40), &vec![7; kept], 300, stood);
            if let Some((at, to)) = change {
                let at = 8 + at.index(bytes.len() - 8);
                bytes[at] = to;
            }
            let quick = quick_packet(&bytes, 8);
            prop_assert!(change.is_some() || quick.is_some() == (!weighed && interface < 65_536));
            if let Some((got, end)) = quick {
                let Some((Block::Packet { ts, bytes: block }, rest)) = split(&bytes[8..]) else {
                    return Err(TestCaseError::fail("no packet"));
                };
                let seen = packet(block).expect("a packet");
                prop_assert_eq!(stands(block), None);
                prop_assert_eq!(u32::from(got.source), seen.interface);
                let long = seen.as_packet(ts, 8, LinkType::ETHERNET);
                let want = Packet { source: got.source, ..long };
                prop_assert_eq!((got, end), (want, bytes.len() - rest.len()));
            }
        }
    }
}
