//! pcapng to the byte, read back, and cut short.

use super::*;
use crate::packet::{Known, Weight};

fn capture() -> Vec<u8> {
    let mut out = Vec::new();
    put_section(&mut out);
    put_interface(&mut out, LinkType::ETHERNET, "source 0", 96);
    put_packet(&mut out, 0, Ts(0x1_0000_0002), &[1, 2, 3, 4, 5], 60, None);
    let weight = Weight { packets: 10, bytes: 6000 };
    put_packet(&mut out, 0, Ts(0x1_0000_0009), &[6], 600, Some(weight.into()));
    out
}

#[test]
fn a_capture_is_these_bytes() {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let want = [
        words(&[0x0a0d_0d0a, 40, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX]),
        vec![4, 0, 4, 0, b'c', b'o', b'm', b'o', 0, 0, 0, 0],
        words(&[40]),
        words(&[1, 44, 1, 96]),
        vec![2, 0, 8, 0],
        b"source 0".to_vec(),
        vec![9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0],
        words(&[44]),
        words(&[6, 40, 0, 1, 2, 5, 60]),
        vec![1, 2, 3, 4, 5, 0, 0, 0],
        words(&[40]),
        words(&[6, 68, 0, 1, 9, 1, 600]),
        vec![6, 0, 0, 0, 0xad, 0x0b, 24, 0],
        words(&[32_473]),
        b"CoMW".to_vec(),
        words(&[10, 0, 6000, 0, 0, 68]),
    ];
    assert_eq!(capture(), want.concat());
}

#[test]
fn a_packet_is_found_in_its_block_and_so_is_its_weight() {
    let all = capture();
    let mut blocks = Blocks::new(&all[..]);
    let mut seen = Vec::new();
    while let Some(block) = blocks.advance().expect("our own") {
        match block {
            Block::Section(_) => {}
            Block::Interface(bytes) => assert_eq!(link(bytes), LinkType::ETHERNET),
            Block::Packet { bytes, .. } => {
                let found = packet(bytes).expect("a packet");
                seen.push((bytes[found.data].to_vec(), found.wire_len, stands(bytes)));
            }
        }
    }
    let ten = Weight { packets: 10, bytes: 6000 };
    assert_eq!(seen, [(vec![1, 2, 3, 4, 5], 60, None), (vec![6], 600, Some(ten.into()))]);
}

#[test]
fn a_packet_made_from_a_record_says_so_and_its_interface_what_it_has() {
    let known = Known::DST.and(Known::VERSION);
    let made =
        Stands { weight: Weight { packets: 3, bytes: 120 }, marks: known.marks(), origin: None };
    let mut block = Vec::new();
    put_packet(&mut block, 0, Ts(1), &[1, 2, 3, 4, 5], 40, Some(made));
    assert_eq!(stands(&block), Some(made));
    let mut block = Vec::new();
    put_made_interface(&mut block, LinkType::RAW, "a", "replay of a, 5 s", known.fields());
    assert_eq!(fields(&block), Some(known.fields()));
    assert_eq!((link(&block), description(&block)), (LinkType::RAW, Some("replay of a, 5 s")));
    let mut plain = Vec::new();
    put_interface(&mut plain, LinkType::RAW, "a", 0);
    assert_eq!((fields(&plain), description(&plain)), (None, None));
}

#[test]
fn a_packet_longer_than_its_block_is_none() {
    let mut block = Vec::new();
    put_packet(&mut block, 0, Ts(1), &[1, 2, 3, 4], 60, None);
    assert!(packet(&block).is_some());
    block[20..24].copy_from_slice(&5u32.to_le_bytes());
    assert_eq!(packet(&block), None);
    block[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(packet(&block), None);
}
