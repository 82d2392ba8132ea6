//! Fillers: how long a packet is, and how it is made longer, so that what follows it begins where
//! it is to.

use super::{ENTERPRISE, OPT_CUSTOM, OPT_END, PACKET_HEAD, Stands, packet, put_option};

/// What a custom option that fills begins with after the enterprise number.
const FILLER_MARK: [u8; 4] = *b"CoMP";

/// The option with nothing in it, and the end of options.
const OPTION_BYTES: usize = 12;
const END_BYTES: usize = 4;

/// No filler has more zeros: an option's length is a number of 16 bits.
const ZEROS_MAX: usize = 65_520;

/// How long the block of a packet is of which so many bytes are kept.
#[inline]
pub fn packet_bytes(kept: usize, stands: Option<Stands>) -> usize {
    let options = stands.map_or(0, |stands| stands.option_bytes() + 8);
    PACKET_HEAD + kept.next_multiple_of(4) + options + 4
}

/// Makes the packet longer that `out` ends with and whose block begins at `at`: by `more` bytes, in
/// an option that means nothing. False, changing nothing, where it cannot be so few, or so many.
pub fn lengthen(out: &mut Vec<u8>, at: usize, more: usize) -> bool {
    let Some(seen) = out.get(at..).and_then(packet) else { return false };
    let options = at + seen.data.end.next_multiple_of(4);
    let has_options = out.len() > options + 4;
    let least = if has_options { OPTION_BYTES } else { OPTION_BYTES + END_BYTES };
    let Some(zeros) = more.checked_sub(least).filter(|zeros| *zeros <= ZEROS_MAX) else {
        return false;
    };
    if !more.is_multiple_of(4) {
        return false;
    }
    // Off with the block's length, and with the end of its options.
    out.truncate(out.len() - 4 - if has_options { END_BYTES } else { 0 });
    let mut value = [&ENTERPRISE.to_le_bytes()[..], &FILLER_MARK].concat();
    value.resize(value.len() + zeros, 0);
    put_option(out, OPT_CUSTOM, &value);
    put_option(out, OPT_END, b"");
    let len = ((out.len() - at + 4) as u32).to_le_bytes();
    out[at + 4..at + 8].copy_from_slice(&len);
    out.extend(len);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Weight;
    use crate::storage::pcapng::{Block, put_packet, split, stands};
    use crate::time::Ts;

    #[test]
    fn a_longer_packet_is_the_same_packet() {
        let weighed = Stands::from(Weight { packets: 7, bytes: 700 });
        for stood in [None, Some(weighed)] {
            for more in [16, 20, 396, 65_000] {
                let mut out = b"before..".to_vec();
                put_packet(&mut out, 3, Ts(5), b"a packet", 90, stood);
                let short = out.clone();
                assert_eq!(short.len(), 8 + packet_bytes(8, stood));
                assert!(lengthen(&mut out, 8, more));
                assert_eq!(out.len(), short.len() + more);
                let (Block::Packet { ts, bytes }, []) = split(&out[8..]).expect("a block") else {
                    panic!("no packet, or more than one")
                };
                assert_eq!((ts, stands(bytes)), (Ts(5), stood));
                assert_eq!(packet(bytes), packet(&short[8..]));
            }
        }
    }

    #[test]
    fn what_no_option_fills_stays_as_it_is() {
        let mut out = Vec::new();
        put_packet(&mut out, 0, Ts(5), b"a packet", 8, None);
        let short = out.clone();
        for more in [0, 4, 12, 17, 100_000] {
            assert!(!lengthen(&mut out, 0, more));
            assert_eq!(out, short);
        }
        assert!(!lengthen(&mut Vec::new(), 0, 16));
    }
}
