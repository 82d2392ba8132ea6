//! Frames made to order, taken apart again.

use super::*;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

#[track_caller]
fn check(frame: Frame, len: usize, want: impl Fn(&SlicedPacket<'_>) -> bool) {
    let bytes = frame.bytes();
    assert_eq!(bytes.len(), len, "length of {frame:?}");
    let sliced = SlicedPacket::from_ethernet(&bytes).expect("a frame others can read");
    assert!(want(&sliced), "{sliced:?}");
}

#[test]
fn others_read_back_what_was_asked_for() {
    let frame = Frame::tcp("10.0.0.1:1234", "10.0.0.2:80").flags(SYN | ACK).seq(7, 8).window(9);
    check(frame, 54, |p| match (&p.net, &p.transport) {
        (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) => {
            let header = tcp.to_header();
            let sum = header.calc_checksum_ipv4_raw([10, 0, 0, 1], [10, 0, 0, 2], &[]);
            header.syn
                && header.ack
                && !header.fin
                && (header.sequence_number, header.acknowledgment_number) == (7, 8)
                && header.window_size == 9
                && sum == Ok(header.checksum)
                && ip.header().source() == [10, 0, 0, 1]
                && (tcp.source_port(), tcp.destination_port()) == (1234, 80)
        }
        _ => false,
    });
}

#[test]
fn a_length_is_reached_with_zeros_in_the_payload() {
    let frame = Frame::udp("[fe80::1]:53", "[fe80::2]:5353").payload(*b"abc").len(200);
    check(frame, 200, |p| match &p.transport {
        Some(TransportSlice::Udp(udp)) => {
            udp.payload().starts_with(b"abc\0") && udp.payload().len() == 200 - 14 - 40 - 8
        }
        _ => false,
    });
}

#[test]
fn tags_stand_outermost_first() {
    let frame = Frame::udp("10.0.0.1:1", "10.0.0.2:2").vlan(0x2005).vlan(7);
    check(frame, 14 + 8 + 28, |p| {
        let ids: Vec<u16> = p.vlan_ids().iter().map(|id| id.value()).collect();
        ids == [5, 7] && p.transport.is_some()
    });
}

#[test]
fn a_later_fragment_has_no_transport_header() {
    for (src, dst, len) in [("10.0.0.1", "10.0.0.2", 14 + 20), ("fe80::1", "fe80::2", 14 + 48)] {
        let frame = Frame::udp(src, dst).fragment(1480, true).payload([1; 8]);
        check(frame, len + 8, |p| p.is_ip_payload_fragmented() && p.transport.is_none());
    }
}

#[test]
fn a_pppoe_session_states_the_length_it_carries() {
    let frame = Frame::udp("10.0.0.1:1", "10.0.0.2:2").pppoe(9).len(100);
    let mut out = vec![0; 1000];
    frame.write(&mut out);
    assert_eq!(out.len(), 1100);
    let stated = &out[1000 + 14..1000 + 22];
    assert_eq!(stated, [0x11, 0, 0, 9, 0, 80, 0, 0x21]);
}

#[test]
fn raw_bytes_are_all_there_is() {
    let frame = Frame::raw(LinkType::ETHERNET, [1, 2, 3]).len(5);
    assert_eq!(frame.bytes(), [1, 2, 3, 0, 0]);
}

#[test]
fn a_batch_holds_what_was_captured_of_each() {
    let whole = Frame::arp("10.0.0.1", "10.0.0.2", true);
    let batch = batch_of([whole.clone(), whole.clone().cap(20), whole.weight(10, 420)]);
    assert_eq!(batch.len(), 3);
    assert_eq!([batch.data(0).len(), batch.data(1).len()], [42, 20]);
    assert_eq!(batch.all()[1].wire_len, 42);
    assert_eq!([batch.weight(0).packets, batch.weight(2).packets], [1, 10]);
}
