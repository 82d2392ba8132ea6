//! pcapng to the byte, read back, and cut short.

use proptest::prelude::*;

use super::*;

fn capture() -> Vec<u8> {
    let mut out = Vec::new();
    put_section(&mut out);
    put_interface(&mut out, LinkType::ETHERNET, "source 0", 96);
    put_packet(&mut out, 0, Ts(0x1_0000_0002), &[1, 2, 3, 4, 5], 60, None);
    let weight = Weight { packets: 10, bytes: 6000 };
    put_packet(&mut out, 0, Ts(0x1_0000_0009), &[6], 600, Some(weight));
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
fn packets_are_found_by_their_time_with_what_describes_them() {
    let all = capture();
    let found = |from, to| {
        let mut out = Vec::new();
        let window = Window { from: Ts(from), to: Ts(to) };
        let n = copy(&all[..], window, &mut out).expect("our own");
        (n, out.len())
    };
    assert_eq!(found(0, u64::MAX), (2, all.len()));
    assert_eq!(found(0x1_0000_0002, 0x1_0000_0009), (1, all.len() - 68));
    assert_eq!(found(0x1_0000_0003, u64::MAX), (1, all.len() - 40));
    assert_eq!(found(0, 5), (0, 0));
}

#[test]
fn a_file_cut_short_gives_its_whole_packets() {
    let all = capture();
    for end in 0..all.len() {
        let mut out = Vec::new();
        let n = copy(&all[..end], Window::ALL, &mut out).expect("our own");
        assert_eq!(n, u64::from(end >= all.len() - 68), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = copy(&bytes[..], Window::ALL, &mut Vec::new());
        let mut behind = capture();
        behind.extend(&bytes);
        let mut blocks = Blocks::new(&behind[..]);
        while let Ok(Some(_)) = blocks.advance() {}
        prop_assert!(blocks.read_bytes() >= (behind.len() - bytes.len()) as u64);
    }
}
