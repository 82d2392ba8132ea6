//! The pcap format by its bytes: both byte orders, both resolutions, damage.

use como_core::packet::LinkType;
use como_core::time::Ts;

use crate::file::tests::{Seen, read};

/// One packet `abc` of four bytes, at 0x01020304 s.
#[track_caller]
fn check(file: &[u8], nanos: u64) {
    let want = Seen {
        ts: Ts::new(0x0102_0304, nanos),
        wire_len: 4,
        link: LinkType::ETHERNET,
        marks: 0,
        bytes: b"abc".to_vec(),
    };
    assert_eq!(read(file), (vec![want], None));
}

#[test]
fn little_endian_microseconds() {
    check(
        b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0\
          \x04\x03\x02\x01\x05\0\0\0\x03\0\0\0\x04\0\0\0abc",
        5_000,
    );
}

#[test]
fn big_endian_microseconds() {
    check(
        b"\xa1\xb2\xc3\xd4\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\x01\
          \x01\x02\x03\x04\0\0\0\x05\0\0\0\x03\0\0\0\x04abc",
        5_000,
    );
}

#[test]
fn nanoseconds_in_both_orders() {
    check(
        b"\x4d\x3c\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0\
          \x04\x03\x02\x01\x05\0\0\0\x03\0\0\0\x04\0\0\0abc",
        5,
    );
    check(
        b"\xa1\xb2\x3c\x4d\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\x01\
          \x01\x02\x03\x04\0\0\0\x05\0\0\0\x03\0\0\0\x04abc",
        5,
    );
}

#[test]
fn the_modified_format_has_longer_records() {
    check(
        b"\x34\xcd\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0\
          \x04\x03\x02\x01\x05\0\0\0\x03\0\0\0\x04\0\0\0\x02\0\0\0\x08\0\0\0abc",
        5_000,
    );
}

#[test]
fn the_upper_bits_of_the_link_type_are_the_check_sequence() {
    check(
        b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\x44\
          \x04\x03\x02\x01\x05\0\0\0\x03\0\0\0\x04\0\0\0abc",
        5_000,
    );
}

#[test]
fn a_second_of_microseconds_carries_over() {
    check(
        b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0\
          \x03\x03\x02\x01\x40\x42\x0f\0\x03\0\0\0\x04\0\0\0abc",
        0,
    );
}

/// A record of ERF, of this type, in which a packet of `wire_len` bytes has the bytes of `tail`.
fn erf(kind: u8, lost: u8, wire_len: u8, tail: &[u8]) -> Vec<u8> {
    let len = 16 + tail.len() as u8;
    [&[9, 9, 9, 9, 9, 9, 9, 9, kind, 4, 0, len, 0, lost, 0, wire_len], tail].concat()
}

#[test]
fn records_of_erf_are_opened() {
    let records = [
        erf(2, 0, 60, b"\0\0abcd"),
        erf(0x82, 1, 61, b"\x03\0\0\0\0\0\0\0\0\0efg"),
        // Counters, cells, one shorter than its own header, one cut off, and filling.
        erf(14, 0, 0, b""),
        erf(3, 2, 53, &[0; 52]),
        [0; 16].to_vec(),
        erf(2, 0, 60, b"")[..10].to_vec(),
        erf(22, 0, 3, b"hij\0\0\0\0\0"),
    ];
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\xc5\0\0\0".to_vec();
    for record in &records {
        file.extend(b"\x04\x03\x02\x01\x05\0\0\0");
        file.extend([record.len() as u8, 0, 0, 0, 200, 0, 0, 0]);
        file.extend(record);
    }
    let ts = Ts::new(0x0102_0304, 5_000);
    let seen =
        |link, wire_len, bytes: &[u8]| Seen { ts, wire_len, link, marks: 0, bytes: bytes.to_vec() };
    let want = vec![
        seen(LinkType::ETHERNET, 60, b"abcd"),
        seen(LinkType::ETHERNET, 61, b"efg"),
        seen(LinkType::IPV4, 3, b"hij"),
    ];
    assert_eq!(read(&file), (want, None));
    let mut source = crate::read("pcap:x", Box::new(std::io::Cursor::new(file))).expect("a source");
    let mut chunk = como_core::source::Chunk::default();
    source.next(&mut chunk).expect("a turn");
    assert_eq!((chunk.counts.dropped, chunk.counts.malformed), (3, 3));
}

#[test]
fn a_version_that_never_was_is_refused() {
    let (_, e) = read(b"\xd4\xc3\xb2\xa1\x09\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0");
    assert_eq!(e.as_deref(), Some("`x`: pcap version 9.4 is none that exists"));
}
