//! Tunnels made by hand: which packet is found inside.

use crate::addr::Addr;
use crate::batch::Batch;
use crate::field::{Demand, Field, FieldValue};
use crate::packet::build::{Frame, batch_of};

const OUTER: [Addr; 2] = [Addr::v4([192, 0, 2, 1]), Addr::v4([192, 0, 2, 2])];
const INNER: [Addr; 2] = [Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2])];

/// A TCP packet from port 1000 to 80, without its link header.
fn ip_packet() -> Vec<u8> {
    ethernet_packet().split_off(14)
}

fn ethernet_packet() -> Vec<u8> {
    Frame::tcp((INNER[0], 1000), (INNER[1], 80)).bytes()
}

fn over_ip(proto: u8, bytes: &[&[u8]]) -> Frame {
    Frame::ip((OUTER[0], 0), (OUTER[1], 0), proto).payload(bytes.concat())
}

fn over_udp(port: u16, bytes: &[&[u8]]) -> Frame {
    Frame::udp((OUTER[0], 5000), (OUTER[1], port)).payload(bytes.concat())
}

/// Asserts that the TCP packet is found inside `frame`, with this identifier.
#[track_caller]
fn check(frame: Frame, id: Option<u32>) {
    let batch = batch_of([frame]);
    let number = |field| match batch.value(0, field) {
        Some(FieldValue::Uint(n)) => Some(n),
        None => None,
        other => panic!("no number: {other:?}"),
    };
    assert_eq!(number(Field::TunnelId), id);
    assert_eq!(number(Field::InnerIpProto), Some(6));
    assert_eq!(number(Field::InnerIpVersion), Some(4));
    assert_eq!(number(Field::InnerSport), Some(1000));
    assert_eq!(number(Field::InnerDport), Some(80));
    let dst = FieldValue::Addr(INNER[1]);
    assert_eq!(batch.value(0, Field::InnerIpDst), Some(dst));
}

#[test]
fn the_packet_inside_each_kind_of_tunnel_is_found() {
    let (ip, ethernet) = (ip_packet(), ethernet_packet());
    check(over_ip(4, &[&ip]), None);
    check(over_ip(47, &[&[0, 0, 8, 0], &ip]), None);
    check(over_ip(47, &[&[0x20, 0, 8, 0], &[0, 0, 0, 7], &ip]), Some(7));
    check(
        over_ip(47, &[&[0xb0, 0, 0x65, 0x58], &[0; 4], &[0, 0, 0, 9], &[0; 4], &ethernet]),
        Some(9),
    );
    check(over_ip(47, &[&[0x10, 0, 0x88, 0xbe], &[0; 4], &[0; 8], &ethernet]), None);
    let third = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9];
    check(over_ip(47, &[&[0x10, 0, 0x22, 0xeb], &[0; 4], &third, &ethernet]), None);
    // PPTP with an acknowledgment and without; PPP with all its bytes, and as short as it may be.
    check(
        over_ip(47, &[&[0x30, 0x81, 0x88, 0x0b, 0, 44, 0, 7], &[0; 8], &[255, 3, 0, 33], &ip]),
        Some(7),
    );
    check(over_ip(47, &[&[0x30, 1, 0x88, 0x0b, 0, 41, 0, 7], &[0; 4], &[0x21], &ip]), Some(7));
    check(over_ip(47, &[&[0, 0, 0x88, 0x0b], &[0, 33], &ip]), None);
    check(over_udp(4789, &[&[8, 0, 0, 0, 0, 1, 0, 0], &ethernet]), Some(256));
    check(over_udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 5, 0], &[0; 4], &ethernet]), Some(5));
    check(over_udp(6081, &[&[0, 0, 8, 0, 0, 0, 6, 0], &ip]), Some(6));
    check(over_udp(2152, &[&[0x30, 255, 0, 60, 0, 0, 0, 3], &ip]), Some(3));
    let extended = [0x34, 255, 0, 60, 0, 0, 0, 4, 0, 0, 0, 0x85, 1, 0, 0, 0];
    check(over_udp(2152, &[&extended, &ip]), Some(4));
    // A sequence number alone: what would be the next type means nothing.
    let numbered = [0x32, 255, 0, 60, 0, 0, 0, 5, 0, 1, 0, 0x85];
    check(over_udp(2152, &[&numbered, &ip]), Some(5));
}

#[test]
fn an_ipv6_packet_is_found_inside_ipv4() {
    let six =
        Frame::udp((Addr::v6([0xfd; 16]), 7), (Addr::v6([0xfe; 16]), 8)).bytes().split_off(14);
    let batch = batch_of([over_ip(41, &[&six])]);
    assert_eq!(batch.value(0, Field::InnerIpVersion), Some(FieldValue::Uint(6)));
    assert_eq!(batch.value(0, Field::InnerDport), Some(FieldValue::Uint(8)));
}

#[test]
fn what_is_no_tunnel_has_no_inside() {
    let ethernet = ethernet_packet();
    let not = [
        over_udp(53, &[&[8, 0, 0, 0, 0, 1, 0, 0], &ethernet]),
        // Without its identifier, of another version, a message of the tunnel's own.
        over_udp(4789, &[&[0, 0, 0, 0, 0, 1, 0, 0], &ethernet]),
        over_udp(6081, &[&[0x41, 0, 0x65, 0x58, 0, 0, 5, 0], &ethernet]),
        over_udp(2152, &[&[0x30, 1, 0, 60, 0, 0, 0, 3], &ethernet]),
        // PPTP that only acknowledges, and what is none of it.
        over_ip(47, &[&[0x20, 0x81, 0x88, 0x0b], &[0; 8], &ethernet]),
        over_ip(47, &[&[0x30, 1, 8, 0], &[0; 8], &ip_packet()]),
        over_ip(4, &[]),
    ];
    let batch = batch_of(not);
    for at in 0..batch.len() {
        assert_eq!(batch.value(at, Field::InnerIpProto), None, "packet {at}");
    }
}

#[test]
fn columns_say_the_same_as_single_values() {
    let batch = |demand| -> Batch {
        let frames = [over_ip(4, &[&ip_packet()]), Frame::tcp((INNER[0], 1), (INNER[1], 2))];
        let mut batch = batch_of(frames);
        batch.decode(demand);
        batch
    };
    let batch = batch(Demand::NONE.field(Field::InnerDport).field(Field::InnerIpSrc));
    let (ports, present) = batch.numbers(Field::InnerDport).expect("a column");
    assert_eq!((ports[0], present.has(0), present.has(1)), (80, true, false));
    let (sources, _) = batch.addrs(Field::InnerIpSrc).expect("a column");
    assert_eq!(sources[0], INNER[0]);
}
