//! ERF by its bytes: every type that is decoded, what is passed over, damage.

use crate::file::buffered::Buffered;
use crate::file::mapped::Mapped;
use crate::file::tests::{Seen, drain, file, over, read};
use crate::file::{Capture, Taken};
use como_core::packet::LinkType;
use como_core::source::{Chunk, Counts, Source, Turn};
use como_core::time::Ts;

/// A record of this type at 3.5 s, with `tail` behind its header.
fn record(kind: u8, lost: u16, wire_len: u16, tail: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0x80, 3, 0, 0, 0, kind, 4];
    out.extend((tail.len() as u16 + 16).to_be_bytes());
    out.extend(lost.to_be_bytes());
    out.extend(wire_len.to_be_bytes());
    out.extend(tail);
    out
}

/// A packet of three bytes and five that fill its record, behind so many others.
fn body(before: usize) -> Vec<u8> {
    [&vec![0x11; before][..], b"abc", &[0; 5]].concat()
}

#[track_caller]
fn check(bytes: &[u8], links: &[LinkType]) {
    let want = |link: &LinkType| Seen {
        ts: Ts::new(3, 500_000_000),
        wire_len: 3,
        link: *link,
        marks: 0,
        bytes: b"abc".to_vec(),
    };
    assert_eq!(read(bytes), (links.iter().map(want).collect(), None));
}

/// Everything that is counted beside the packets, and how many packets there are.
fn counted(bytes: &[u8]) -> (usize, Counts) {
    let mut capture = over(Box::new(Mapped::new(file(bytes))));
    let (mut packets, mut counts, mut chunk) = (0, Counts::default(), Chunk::default());
    loop {
        chunk.clear();
        let turn = capture.next(&mut chunk).expect("a chunk");
        packets += chunk.packets.len();
        counts.add(chunk.counts);
        if turn == Turn::End {
            return (packets, counts);
        }
    }
}

#[test]
fn every_type_that_is_decoded() {
    for (kinds, before, link) in [
        (&[1u8, 10, 15, 19][..], 0, LinkType::PPP_HDLC),
        (&[2, 11, 16, 20], 2, LinkType::ETHERNET),
        (&[4], 4, LinkType::ATM_RFC1483),
        (&[5, 17], 4, LinkType::PPP_HDLC),
        (&[9], 8, LinkType::ATM_RFC1483),
        (&[22], 0, LinkType::IPV4),
        (&[23], 0, LinkType::IPV6),
    ] {
        for kind in kinds {
            check(&record(*kind, 0, 3, &body(before)), &[link]);
        }
    }
}

#[test]
fn extension_headers_are_passed_over() {
    let extensions = |n: u8| {
        let each = (0..n).flat_map(|i| [if i + 1 < n { 0x83 } else { 3 }, 9, 9, 9, 9, 9, 9, 9]);
        each.chain(body(2)).collect::<Vec<u8>>()
    };
    for n in [1, 2, 7] {
        check(&record(0x82, 0, 3, &extensions(n)), &[LinkType::ETHERNET]);
    }
    // A chain without an end is no packet, and the next record is one.
    let endless = record(0x82, 0, 3, &[0xff; 24]);
    let file = [record(2, 0, 3, &body(2)), endless, record(2, 0, 3, &body(2))].concat();
    assert_eq!(counted(&file), (2, Counts { dropped: 0, malformed: 1, ..Counts::default() }));
}

#[test]
fn loss_counters_count_as_dropped_and_colours_do_not() {
    let file = [
        record(2, 7, 3, &body(2)),
        record(1, 0xffff, 3, &body(0)),
        record(11, 9, 3, &body(2)),
        record(3, 5, 52, &body(4)),
    ];
    assert_eq!(
        counted(&file.concat()),
        (3, Counts { dropped: 7 + 0xffff + 5, malformed: 1, ..Counts::default() })
    );
}

#[test]
fn what_was_never_on_the_wire_is_passed_over() {
    let (link, packet) = (LinkType::ETHERNET, record(2, 0, 3, &body(2)));
    let meta = record(27, 0, 0, &[1; 48]);
    let padding = record(48, 0, 0, &[0; 8]);
    check(&[&meta[..], &packet, &padding, &packet, &meta].concat(), &[link, link]);
    assert_eq!(counted(&meta.repeat(9)), (0, Counts::default()));
}

#[test]
fn a_packet_has_no_more_bytes_than_were_sent_and_no_more_than_were_kept() {
    let seen = |wire_len| read(&record(2, 0, wire_len, &body(2))).0;
    assert_eq!((seen(64)[0].wire_len, seen(64)[0].bytes.len()), (64, 8));
    assert_eq!((seen(2)[0].wire_len, seen(2)[0].bytes.len()), (2, 2));
}

#[test]
fn a_file_cut_short_gives_what_it_holds() {
    let file = record(2, 0, 3, &body(2)).repeat(2);
    let (seen, e) = read(&file[..file.len() - 1]);
    let want = "`x`: cut short, 25 bytes are left of a record of at least 26, at byte 26";
    assert_eq!((seen.len(), e.as_deref()), (1, Some(want)));
    let mut short = file;
    short[26 + 10..26 + 12].copy_from_slice(&[0, 15]);
    let (seen, e) = read(&short);
    let want = "`x`: a record of 15 bytes, shorter than its header, at byte 26";
    assert_eq!((seen.len(), e.as_deref()), (1, Some(want)));
}

#[test]
fn text_and_other_files_are_not_taken_for_erf() {
    for bytes in [
        &b"#!/bin/sh\nset -e\necho hello\n"[..],
        b"one line\nand another, long enough",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0",
        b"PK\x03\x04\x14\0\0\0\x08\0\x02\x02\0\x20\0\0\0\0\0\0\0\0\0\0",
        &[0; 64],
        &[0xff; 64],
    ] {
        let (seen, e) = read(bytes);
        assert!(seen.is_empty() && e.is_some_and(|e| e.contains("not a capture in pcap")));
    }
}

#[test]
fn what_only_begins_like_erf_is_no_capture() {
    let bytes = &record(2, 0, 3, &body(2))[..25];
    let input = Box::new(Buffered::of_file(file(bytes), bytes.len() as u64));
    let e = Capture::over("x".to_owned(), input, Taken::AsTold).described();
    let e = e.expect_err("none").to_string();
    assert!(e.starts_with("`x`: not a capture; taken for ERF, cut short"), "{e}");
}

#[test]
fn a_file_named_as_erf_is_taken_for_one() {
    // Reserved flags, which a file is not recognised by.
    let mut bytes = record(2, 0, 3, &body(2));
    bytes[9] = 0xc4;
    assert!(read(&bytes).1.is_some());
    let input = Box::new(Buffered::of_file(file(&bytes), bytes.len() as u64));
    let mut capture = Capture::over("x".to_owned(), input, Taken::AsErf);
    assert_eq!(capture.description().name, "erf:x");
    let (seen, e) = drain(&mut capture);
    assert_eq!((seen.len(), e.is_none()), (1, true));
}
