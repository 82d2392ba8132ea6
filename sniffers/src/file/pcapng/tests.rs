//! The pcapng format by its bytes: blocks, interfaces, clocks, damage.

use como_core::packet::{LinkType, Packet};
use como_core::time::Ts;

use crate::file::tests::{Seen, read};

/// Writes blocks in one byte order.
#[derive(Clone, Copy)]
struct Writer {
    big: bool,
}

impl Writer {
    fn u16(self, n: u16) -> [u8; 2] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn u32(self, n: u32) -> [u8; 4] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn block(self, kind: u32, body: &[&[u8]]) -> Vec<u8> {
        let mut body = body.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = self.u32(body.len() as u32 + 12);
        [&self.u32(kind)[..], &len, &body, &len].concat()
    }

    fn section(self) -> Vec<u8> {
        self.block(0x0a0d_0d0a, &[&self.u32(0x1a2b_3c4d), &self.u16(1), &self.u16(0), &[0xff; 8]])
    }

    fn interface(self, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.u16(link), &[0; 2], &self.u32(snaplen), options])
    }

    fn enhanced(self, interface: u32, ts: u64, bytes: &[u8], wire_len: u32) -> Vec<u8> {
        let (high, low) = (self.u32((ts >> 32) as u32), self.u32(ts as u32));
        let (cap, wire) = (self.u32(bytes.len() as u32), self.u32(wire_len));
        let pad = vec![0; bytes.len().next_multiple_of(4) - bytes.len()];
        let comment = [&self.u16(1)[..], &self.u16(2), b"hi\0\0", &[0; 4]].concat();
        self.block(6, &[&self.u32(interface), &high, &low, &cap, &wire, bytes, &pad, &comment])
    }

    fn simple(self, bytes: &[u8], wire_len: u32) -> Vec<u8> {
        self.block(3, &[&self.u32(wire_len), bytes])
    }

    fn obsolete(self, interface: u16, ts: u64, bytes: &[u8]) -> Vec<u8> {
        let (high, low) = (self.u32((ts >> 32) as u32), self.u32(ts as u32));
        let len = self.u32(bytes.len() as u32);
        self.block(2, &[&self.u16(interface), &[0; 2], &high, &low, &len, &len, bytes])
    }
}

fn seen(ts: Ts, bytes: &[u8], wire_len: u32, link: LinkType, marks: u16) -> Seen {
    Seen { ts, wire_len, link, marks, bytes: bytes.to_vec() }
}

const LITTLE: Writer = Writer { big: false };
const BIG: Writer = Writer { big: true };

/// Two sections, three interfaces, every packet block, blocks of no interest between them.
fn rich(w: Writer) -> Vec<u8> {
    let nanos = [&w.u16(9)[..], &w.u16(1), &[9, 0, 0, 0]].concat();
    [
        w.section(),
        w.interface(1, 0, &[]),
        w.block(4, &[&[1; 33]]),
        w.interface(101, 3, &nanos),
        w.enhanced(0, 1_000_001, b"abcde", 60),
        w.enhanced(1, 2_000_000_007, b"xyz", 3),
        w.block(0x8000_0001, &[]),
        w.simple(b"simple", 6),
        w.obsolete(1, 5, b"old"),
        w.section(),
        w.interface(113, 4, &[]),
        w.enhanced(0, 9, b"", 0),
        w.simple(b"cut!", 99),
    ]
    .concat()
}

#[test]
fn reads_every_packet_block_in_both_byte_orders() {
    for w in [LITTLE, BIG] {
        let want = vec![
            seen(Ts(1_000_001_000), b"abcde", 60, LinkType::ETHERNET, 0),
            seen(Ts(2_000_000_007), b"xyz", 3, LinkType::RAW, 0),
            seen(Ts(2_000_000_007), b"simple", 6, LinkType::ETHERNET, Packet::NO_TS),
            seen(Ts(5), b"old", 3, LinkType::RAW, 0),
            seen(Ts(9_000), b"", 0, LinkType::LINUX_SLL, 0),
            seen(Ts(9_000), b"cut!", 99, LinkType::LINUX_SLL, Packet::NO_TS),
        ];
        assert_eq!(read(&rich(w)), (want, None));
    }
}

#[test]
fn a_section_may_change_the_byte_order() {
    let (all, e) = read(&[rich(LITTLE), rich(BIG)].concat());
    assert_eq!((all.len(), e), (12, None));
}

#[test]
fn a_block_longer_than_any_window_is_passed_over() {
    let huge = vec![0xaa; 3 << 20];
    let file = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[]),
        LITTLE.block(0xbad, &[&huge]),
        LITTLE.enhanced(0, 1, b"after", 5),
    ]
    .concat();
    let (all, e) = read(&file);
    assert_eq!((all.len(), e), (1, None));
    let (_, e) = read(&file[..1 << 20]);
    let want = "`x`: cut short in the middle of a block, at byte 1048576";
    assert_eq!(e.as_deref(), Some(want));
}

#[track_caller]
fn check_refused(blocks: &[Vec<u8>], n_before: usize, why: &str) {
    let (all, e) = read(&blocks.concat());
    let e = e.expect("an error");
    assert_eq!(all.len(), n_before);
    assert!(e.contains(why), "{e}");
}

#[test]
fn what_contradicts_itself_is_an_error() {
    let (section, interface) = (LITTLE.section(), LITTLE.interface(1, 0, &[]));
    let start = [section.clone(), interface.clone(), LITTLE.enhanced(0, 1, b"abc", 3)].concat();
    let mut trailer = LITTLE.enhanced(0, 2, b"abc", 3);
    *trailer.last_mut().expect("a byte") = 1;
    check_refused(&[start.clone(), trailer], 1, "does not end with its length");
    check_refused(&[start.clone(), LITTLE.enhanced(7, 2, b"", 0)], 1, "interface 7, but 1 are");
    check_refused(&[section.clone(), LITTLE.simple(b"", 0)], 0, "no interface is described");
    let mut long = LITTLE.enhanced(0, 2, b"abc", 3);
    long[20] = 200;
    check_refused(&[start.clone(), long], 1, "a packet of 200 bytes in a block with room for");
    let mut lie = LITTLE.enhanced(0, 2, b"abc", 3);
    lie[23] = 0xff;
    check_refused(&[start.clone(), lie], 1, "more than the 256 KiB allowed");
    for len in [0u8, 8, 11, 13] {
        let short = vec![6, 0, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, 0];
        check_refused(&[start.clone(), short], 1, &format!("a block of {len} bytes"));
    }
    check_refused(&[start, LITTLE.block(6, &[&[0; 8]])], 1, "too short for its kind");
}

#[test]
fn an_interface_nobody_can_decode_is_refused_with_its_first_packet() {
    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[]), LITTLE.interface(147, 0, &[])];
    let before = LITTLE.enhanced(0, 1, b"fine", 4);
    let (all, e) = read(&[start.concat(), before.clone()].concat());
    assert_eq!((all.len(), e), (1, None));
    check_refused(
        &[start.concat(), before, LITTLE.enhanced(1, 2, b"", 0)],
        1,
        "link type user-defined (147)",
    );
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_before_the_cut() {
    let whole = rich(LITTLE);
    let (all, _) = read(&whole);
    let mut n_before = 0;
    for cut in 4..whole.len() {
        let (seen, _) = read(&whole[..cut]);
        assert!(seen.len() >= n_before && all.starts_with(&seen), "cut at {cut}");
        n_before = seen.len();
    }
    assert_eq!(n_before, all.len() - 1);
}

#[test]
fn damage_anywhere_neither_panics_nor_loops() {
    let whole = rich(BIG);
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            read(&bytes);
        }
    }
}

#[test]
fn records_of_erf_are_opened_on_their_interfaces_alone() {
    for w in [Writer { big: false }, Writer { big: true }] {
        let record =
            [&[9, 9, 9, 9, 9, 9, 9, 9, 2, 4, 0, 21, 0, 0, 0, 60, 0, 0][..], b"abc"].concat();
        let counters = [&[0; 8][..], &[14, 4, 0, 16, 0, 0, 0, 0]].concat();
        let blocks = [
            w.section(),
            w.interface(197, 0, &[]),
            w.interface(1, 0, &[]),
            w.enhanced(0, 7, &counters, 16),
            w.enhanced(0, 7, &record, 21),
            w.enhanced(1, 8, &record, 21),
            w.simple(&record, 21),
        ];
        let (ts, later) = (Ts::new(0, 7_000), Ts::new(0, 8_000));
        let want = vec![
            seen(ts, b"abc", 60, LinkType::ETHERNET, 0),
            seen(later, &record, 21, LinkType::ETHERNET, 0),
            seen(later, b"abc", 60, LinkType::ETHERNET, Packet::NO_TS),
        ];
        assert_eq!(read(&blocks.concat()), (want, None));
    }
}
