//! Dumps of routes, byte by byte.

use super::*;

/// How a dump begins: the time and type of a record of peers.
pub const HEAD: &[u8] = &[0x66, 0, 0, 0, 0, 13, 0, 2, 0, 0, 0, 40, 0, 0, 0, 1];

/// One record.
fn record(kind: u8, subtype: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[0x66, 0, 0, 0, 0, kind, 0, subtype][..], &len, body].concat()
}

/// The table of peers, which is passed over.
fn peers() -> Vec<u8> {
    record(13, 1, &[0, 0, 0, 0, 0, 0, 0, 0])
}

/// An attribute of a route.
fn attribute(flags: u8, kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).expect("short").to_be_bytes();
    let len = if flags & 0x10 != 0 { &len[..] } else { &len[1..] };
    [&[flags, kind][..], len, value].concat()
}

/// A segment of an AS path.
fn segment(kind: u8, path: &[u32]) -> Vec<u8> {
    let numbers = path.iter().flat_map(|asn| asn.to_be_bytes());
    [kind, path.len() as u8].into_iter().chain(numbers).collect()
}

/// The origin and path of a route, the path's segments as given.
fn attributes(path: &[Vec<u8>]) -> Vec<u8> {
    [attribute(0x40, 1, &[0]), attribute(0x50, 2, &path.concat())].concat()
}

/// The record of one prefix as several peers see it.
fn rib(subtype: u8, len: u8, part: &[u8], paths: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut body = [&[0, 0, 0, 9, len][..], part, &[0, paths.len() as u8]].concat();
    for path in paths {
        let attributes = attributes(path);
        body.extend([0, 1, 0, 0, 0, 0]);
        if subtype >= 8 {
            body.extend([0, 0, 0, 5]);
        }
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
    }
    record(13, subtype, &body)
}

fn sequence(path: &[u32]) -> Vec<Vec<u8>> {
    vec![segment(2, path)]
}

#[test]
fn the_last_as_of_a_path_announces_the_prefix() {
    let dump = [
        peers(),
        rib(2, 8, &[10], &[sequence(&[3356, 174, 64512])]),
        rib(2, 20, &[10, 1, 0xf0], &[sequence(&[4_200_000_000])]),
        rib(4, 32, &[0x20, 1, 0xd, 0xb8], &[sequence(&[1, 64513])]),
        rib(8, 24, &[192, 0, 2], &[sequence(&[1, 64514])]),
    ];
    let want = [
        ("10.2.3.4", Some(64512)),
        ("10.1.240.1", Some(4_200_000_000)),
        ("10.1.239.1", Some(64512)),
        ("2001:db8::1", Some(64513)),
        ("192.0.2.1", Some(64514)),
        ("192.0.3.1", None),
    ];
    check(Subject::Asn, &dump.concat(), &want);
}

#[test]
fn peers_decide_by_majority_and_of_equals_the_smallest_counts() {
    let dump = [
        rib(2, 8, &[10], &[sequence(&[1, 7]), sequence(&[2, 9]), sequence(&[3, 9])]),
        rib(2, 8, &[11], &[sequence(&[1, 9]), sequence(&[2, 7])]),
    ];
    check(Subject::Asn, &dump.concat(), &[("10.0.0.1", Some(9)), ("11.0.0.1", Some(7))]);
}

#[test]
fn sets_say_nothing_and_confederations_are_passed_over() {
    let path = |segments: &[(u8, &[u32])]| {
        segments.iter().map(|(kind, path)| segment(*kind, path)).collect::<Vec<_>>()
    };
    let dump = [
        rib(2, 8, &[10], &[path(&[(2, &[1, 2]), (1, &[8, 9])])]),
        rib(2, 8, &[11], &[path(&[(2, &[1, 2]), (1, &[8])])]),
        rib(2, 8, &[12], &[path(&[(3, &[65000]), (2, &[1, 2])])]),
        rib(2, 8, &[13], &[path(&[(3, &[65000, 65001])])]),
        rib(2, 8, &[14], &[path(&[])]),
        rib(2, 8, &[15], &[sequence(&[5, 0])]),
    ];
    let want = [
        ("10.0.0.1", None),
        ("11.0.0.1", Some(8)),
        ("12.0.0.1", Some(2)),
        ("13.0.0.1", None),
        ("14.0.0.1", None),
        ("15.0.0.1", None),
    ];
    check(Subject::Asn, &dump.concat(), &want);
}

#[test]
fn a_default_route_belongs_to_nobody() {
    let dump = [rib(2, 0, &[], &[sequence(&[7])]), rib(2, 8, &[10], &[sequence(&[8])])];
    check(Subject::Asn, &dump.concat(), &[("10.0.0.1", Some(8)), ("9.0.0.1", None)]);
}

/// A route in the older form.
fn old(subtype: u8, addr: &[u8], len: u8, attributes: &[u8]) -> Vec<u8> {
    let peer = vec![0; addr.len()];
    let many = (attributes.len() as u16).to_be_bytes();
    let body =
        [&[0, 0, 0, 1], addr, &[len, 1, 0, 0, 0, 0], &peer, &[0x0d, 0x1c], &many, attributes];
    record(12, subtype, &body.concat())
}

#[test]
fn older_dumps_have_a_record_a_peer_and_16_bits_an_as() {
    let path = |origin: [u8; 2]| attribute(0x40, 2, &[2, 2, 0, 1, origin[0], origin[1]]);
    // AS_TRANS, and the number it stands for.
    let long = [path([0x5b, 0xa0]), attribute(0xc0, 17, &segment(2, &[1, 200_000]))].concat();
    let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let dump = [
        old(1, &[10, 0, 0, 0], 8, &path([0, 9])),
        old(1, &[10, 0, 0, 0], 8, &path([0, 8])),
        old(1, &[10, 0, 0, 0], 8, &path([0, 9])),
        old(1, &[11, 0, 0, 0], 8, &long),
        old(2, &v6, 32, &path([0, 7])),
    ];
    let want = [("10.0.0.1", Some(9)), ("11.0.0.1", Some(200_000)), ("2001:db8::1", Some(7))];
    check(Subject::Asn, &dump.concat(), &want);
}

#[test]
fn a_dump_that_is_cut_or_lies_is_refused_with_the_place() {
    let dump = [peers(), rib(2, 8, &[10], &[sequence(&[7])])].concat();
    let cut = "the dump ends within the record at byte 20";
    refused(Subject::Asn, &dump[..dump.len() - 1], cut);
    refused(Subject::Asn, &dump[..25], cut);
    let wrong = "the record at byte 20 makes no sense";
    // A prefix of 33 bits, more routes than there are, attributes beyond the end.
    refused(Subject::Asn, &[peers(), rib(2, 33, &[10; 5], &[])].concat(), wrong);
    let beyond = record(13, 2, &[0, 0, 0, 1, 8, 10, 0, 9]);
    refused(Subject::Asn, &[peers(), beyond].concat(), wrong);
    let long = [peers(), vec![0x66, 0, 0, 0, 0, 13, 0, 2, 0xff, 0xff, 0xff, 0xff]].concat();
    refused(Subject::Asn, &long, wrong);
    refused(Subject::Asn, &peers(), "holds no asn");
}
