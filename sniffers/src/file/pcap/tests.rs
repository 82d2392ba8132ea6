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

#[test]
fn a_version_that_never_was_is_refused() {
    let (_, e) = read(b"\xd4\xc3\xb2\xa1\x09\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0");
    assert_eq!(e.as_deref(), Some("`x`: pcap version 9.4 is none that exists at byte 0"));
}
