//! Addresses that become others, and checksums that stay right.

use super::*;
use crate::packet::build::Frame;

fn anonymizer() -> Anonymizer {
    let mut key = [7; 32];
    key[0] = 1;
    Anonymizer::new(&Secret(key))
}

/// A frame as it is kept.
fn kept(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.bytes();
    let wire_len = bytes.len() as u32;
    let end = Layers::find(LinkType::ETHERNET, &bytes, wire_len).end(LinkType::ETHERNET, &bytes);
    bytes.truncate(end);
    anonymizer().packet(LinkType::ETHERNET, &mut bytes, wire_len);
    bytes
}

/// The one's complement sum of an IPv4 header, 0xffff where its checksum is right.
fn sum(bytes: &[u8]) -> u32 {
    let words =
        bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b)));
    words.fold(0, |sum, word| (sum + word) % 0xffff)
}

/// What the transport checksum of a whole packet over IPv4 counts in, 0 modulo 0xffff where right.
fn transport_sum(ip: &[u8]) -> u32 {
    (sum(&ip[12..20]) + u32::from(ip[9]) + (ip.len() as u32 - 20) + sum(&ip[20..])) % 0xffff
}

#[test]
fn addresses_change_alike_and_keep_their_prefixes() {
    let a = kept(&Frame::tcp("10.1.2.3:1", "10.1.2.77:80"));
    let b = kept(&Frame::tcp("10.1.2.77:80", "10.1.2.3:1"));
    assert_ne!(a[26..30], [10, 1, 2, 3]);
    assert_eq!((&a[26..30], &a[30..34]), (&b[30..34], &b[26..30]));
    assert_eq!(a[26..29], a[30..33]);
    let c = kept(&Frame::udp("[2001:db8::1]:1", "[2001:db8::2]:53"));
    assert_eq!(c[22..36], c[38..52]);
    assert_ne!(c[22..26], [0x20, 0x01, 0x0d, 0xb8]);
}

#[test]
fn checksums_that_were_right_stay_right() {
    for frame in [Frame::tcp("10.1.2.3:1", "8.8.8.8:80"), Frame::udp("10.1.2.3:1", "8.8.8.8:53")] {
        let before = frame.bytes();
        let after = kept(&frame);
        assert_eq!(sum(&before[14..34]), sum(&after[14..34]), "{frame:?}");
        assert_eq!(transport_sum(&before[14..]), transport_sum(&after[14..]), "{frame:?}");
    }
}

#[test]
fn no_address_is_left_wherever_a_packet_is_cut() {
    let frames = [
        Frame::tcp("10.20.30.40:1", "10.20.30.40:80").payload(b"\x0a\x14\x1e\x28 payload"),
        Frame::arp("10.20.30.40", "10.20.30.40", true),
        Frame::icmp("10.20.30.40", "10.20.30.40", 5, 1)
            .payload(b"\x0a\x14\x1e\x28\x0a\x14\x1e\x28"),
    ];
    for frame in frames {
        let whole = frame.bytes();
        for len in 0..=whole.len() {
            let mut bytes = whole[..len].to_vec();
            anonymizer().packet(LinkType::ETHERNET, &mut bytes, whole.len() as u32);
            let found = bytes.windows(4).any(|four| four == [10, 20, 30, 40]);
            assert!(!found, "{len} bytes of {frame:?}");
            // Nor half of one.
            assert!(
                !bytes.windows(3).any(|three| three == [10, 20, 30]),
                "{len} bytes of {frame:?}"
            );
        }
    }
}

#[test]
fn extension_headers_say_nothing_more() {
    let mut packet = vec![0x60, 0, 0, 0, 0, 24, 43, 64];
    packet.extend([1; 32]);
    // A routing header with one address, then TCP.
    packet.extend([6, 2, 0, 1, 0, 0, 0, 0]);
    packet.extend([9; 16]);
    blank_extensions(&mut packet, Some(64));
    assert_eq!(packet[40..42], [6, 2]);
    assert!(packet[42..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_key_is_32_bytes_or_64_digits_and_never_shows() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("key");
    let key = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a file");
        Secret::read(&path)
    };
    let digits = "00112233445566778899aabbccddeeff0102030405060708090a0b0c0d0e0f10\n";
    let secret = key(digits.as_bytes()).expect("a key");
    assert_eq!((secret.0[1], secret.0[31]), (0x11, 0x10));
    assert_eq!(format!("{secret:?}"), "Secret");
    assert!(key(&secret.0).is_ok_and(|same| same == secret));
    for wrong in [&[7; 32][..], b"", b"secret", &[0; 33]] {
        let error = key(wrong).expect_err("no key").to_string();
        assert!(error.contains("is no key: write 32 random bytes"), "{error}");
    }
    assert!(Secret::read(&dir.path().join("none")).is_err());
}

#[test]
fn the_packets_of_a_slab_are_replaced_in_place() {
    let mut slab = Vec::new();
    pcapng::put_section(&mut slab);
    pcapng::put_interface(&mut slab, LinkType::ETHERNET, "source 0", 96);
    let mut frame = Frame::udp("10.20.30.40:1", "10.20.30.41:53").bytes();
    for second in 0..3 {
        pcapng::put_packet(&mut slab, 0, crate::time::Ts(second), &frame, 60, None);
    }
    let len = slab.len();
    anonymizer().apply(&mut slab);
    let wire_len = frame.len() as u32;
    anonymizer().packet(LinkType::ETHERNET, &mut frame, wire_len);
    assert_eq!(slab.windows(frame.len()).filter(|bytes| *bytes == frame).count(), 3);
    assert_eq!(slab.len(), len);
}
