//! Blocks as literal bytes, and as any bytes at all.

use proptest::prelude::*;

use super::*;

/// A block of packets: status, tag, sent or received, bytes. It begins behind its signal.
fn block(packets: &[(u32, [u16; 2], u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    // How many; where the first is; length, number and times of the block, which nobody reads.
    out.extend((packets.len() as u32).to_ne_bytes());
    out.extend(48_u32.to_ne_bytes());
    out.resize(48 - SIGNAL_BYTES, 0);
    for (at, (status, [tci, tpid], kind, data)) in packets.iter().enumerate() {
        let len = (82 + data.len()).next_multiple_of(8);
        let next = if at + 1 == packets.len() { 0 } else { len as u32 };
        let mut header = Vec::new();
        // Next, seconds, nanoseconds, bytes held, bytes sent, status.
        let held = data.len() as u32;
        for number in [next, 1_700_000_000, 123_456_789, held, held + 100, *status] {
            header.extend(number.to_ne_bytes());
        }
        // Where the frame begins and its payload; the flow's hash, the tag and its protocol.
        header.extend([82_u16, 96].into_iter().flat_map(u16::to_ne_bytes));
        header.extend([0, u32::from(*tci)].into_iter().flat_map(u32::to_ne_bytes));
        header.extend(tpid.to_ne_bytes());
        header.resize(48 + 10, 0);
        header.push(*kind);
        header.resize(82, 0);
        header.extend(*data);
        header.resize(len, 0);
        out.extend(header);
    }
    out
}

const FRAME: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45, 0];

#[test]
fn packets_are_read_with_time_lengths_and_direction() {
    let bytes = block(&[(1, [0, 0], 0, &FRAME), (1, [0, 0], 4, &FRAME[..5])]);
    let frames: Vec<Frame> = Frames::of(&bytes, None).collect();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].ts, Ts::new(1_700_000_000, 123_456_789));
    assert_eq!((frames[0].data, frames[0].wire_len, frames[0].outgoing), (&FRAME[..], 116, false));
    assert_eq!((frames[1].data, frames[1].wire_len, frames[1].outgoing), (&FRAME[..5], 105, true));
    assert_eq!(frames[0].parts(), ([&FRAME[..], &[], &[]], 116));
}

#[track_caller]
fn tag(status: u32, tag: [u16; 2], data: &[u8], want: &[u8]) {
    let bytes = block(&[(status, tag, 0, data)]);
    let frame = Frames::of(&bytes, None).next().expect("a packet");
    let (parts, wire_len) = frame.parts();
    assert_eq!(parts.concat(), want);
    assert_eq!(wire_len as usize, want.len() + 100);
}

#[test]
fn a_tag_is_put_back_where_it_was() {
    let (valid, tpid) = (libc::TP_STATUS_VLAN_VALID, libc::TP_STATUS_VLAN_TPID_VALID);
    let with = |four: [u8; 4]| [&FRAME[..12], &four, &FRAME[12..]].concat();
    tag(1 | valid | tpid, [0x2005, 0x88a8], &FRAME, &with([0x88, 0xa8, 0x20, 5]));
    // Tag 0 is one, too; without a protocol it is 802.1Q.
    tag(1 | valid, [0, 0], &FRAME, &with([0x81, 0, 0, 0]));
    tag(1, [5, 0x8100], &FRAME, &FRAME);
    tag(1 | valid, [5, 0], &FRAME[..11], &FRAME[..11]);
}

#[test]
fn a_block_is_read_on_from_where_it_was_left() {
    let all: Vec<_> = (0..5).map(|n| (1, [0, 0], 0, &FRAME[..n + 1])).collect();
    let bytes = block(&all);
    let (mut place, mut lens) = (None, Vec::new());
    loop {
        let mut frames = Frames::of(&bytes, place);
        lens.extend(frames.by_ref().take(2).map(|f| f.data.len()));
        place = frames.place();
        if place.is_none() {
            break;
        }
    }
    assert_eq!(lens, [1, 2, 3, 4, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_read_to_an_end_within_them(
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        count in 0..40_u32,
        first in 0..100_u32,
        damage in prop::collection::vec((0..600_usize, any::<u8>()), 0..8),
        whole in any::<bool>(),
    ) {
        if whole {
            bytes = block(&[(1, [0, 0], 0, &FRAME), (17, [5, 0], 4, &FRAME), (1, [0, 0], 0, &[])]);
        } else if bytes.len() >= 8 {
            bytes[..4].copy_from_slice(&count.to_ne_bytes());
            bytes[4..8].copy_from_slice(&first.to_ne_bytes());
        }
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        // One that claims more packets than fit ends at the last that is there.
        let mut frames = Frames::of(&bytes, None);
        let n_max = bytes.len() + 1;
        prop_assert!(frames.by_ref().take(n_max).all(|f| f.data.len() <= bytes.len()));
        prop_assert_eq!(frames.place(), None);
    }
}
