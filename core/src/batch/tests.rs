//! Batches: every column says what the packets say one by one.

use super::*;
use crate::addr::Mac;
use crate::field::Code;
use crate::field::Kind;
use crate::field::decode_int;
use crate::packet::LinkType;
use crate::packet::build::{ACK, Frame, SYN, batch_of};
use proptest::prelude::*;

/// A demand for every field.
fn everything() -> Demand {
    Field::ALL.iter().fold(Demand::NONE, |demand, field| demand.field(*field))
}

fn addr(text: &str) -> FieldValue<'static> {
    FieldValue::Addr(text.parse().expect("an address"))
}

fn uint(value: u32) -> Option<FieldValue<'static>> {
    Some(FieldValue::Uint(value))
}

fn bool(value: bool) -> Option<FieldValue<'static>> {
    Some(FieldValue::Bool(value))
}

/// Checks fields of one packet.
#[track_caller]
fn check(frame: Frame, want: &[(Field, Option<FieldValue<'_>>)]) {
    let mut batch = batch_of([frame]);
    batch.decode(everything());
    for (field, want) in want {
        assert_eq!(batch.value(0, *field), *want, "{}", field.name());
    }
    check_columns(&batch);
}

/// Every column says what the packets say one by one.
#[track_caller]
fn check_columns(batch: &Batch) {
    for field in Field::ALL.iter().copied() {
        let Some(column) = batch.column(field) else {
            assert!(field.is_free() || field.kind() == Kind::Bytes, "{}", field.name());
            continue;
        };
        for at in 0..batch.len() {
            let filler_or = match &column.values {
                Values::U32(values) if field.kind() == Kind::Bool => {
                    FieldValue::Bool(values[at] != 0)
                }
                Values::U32(values) if field.kind() == Kind::Int => {
                    FieldValue::Int(decode_int(values[at]))
                }
                Values::U32(values) if field.kind() == Kind::Code => {
                    FieldValue::Code(Code::from_kept(values[at]))
                }
                Values::CommunityId(values) => FieldValue::CommunityId(values[at]),
                Values::U32(values) => FieldValue::Uint(values[at]),
                Values::U64(values) if field.kind() == Kind::Mac => {
                    FieldValue::Mac(Mac(values[at]))
                }
                Values::U64(values) => FieldValue::Big(values[at]),
                Values::Addr(values) => FieldValue::Addr(values[at]),
            };
            let got = column.present.has(at).then_some(filler_or);
            assert_eq!(got, batch.value(at, field), "{} of packet {at}", field.name());
        }
    }
}

const A4: &str = "10.0.0.1:1000";
const B4: &str = "10.0.0.2:2000";
const A6: &str = "[fe80::1]:1000";
const B6: &str = "[fe80::2]:2000";

#[test]
fn reads_every_field_of_a_tagged_segment() {
    let frame = Frame::tcp(A4, B4)
        .vlan(0xa007)
        .vlan(9)
        .flags(SYN | ACK)
        .seq(0x0102_0304, 0x0506_0708)
        .window(512)
        .ttl(63)
        .tos(0x2e)
        .id(77)
        .dont_fragment()
        .payload([1, 2, 3]);
    check(
        frame,
        &[
            (Field::Len, uint(14 + 8 + 43)),
            (Field::EthType, uint(0x0800)),
            (Field::EthSrc, Some(FieldValue::Mac(Mac::new([2, 0, 0, 0, 0, 1])))),
            (Field::EthDst, Some(FieldValue::Mac(Mac::new([2, 0, 0, 0, 0, 2])))),
            (Field::VlanId, uint(7)),
            (Field::VlanPriority, uint(5)),
            (Field::VlanDepth, uint(2)),
            (Field::MplsLabel, None),
            (Field::PppoeSession, None),
            (Field::ArpOp, None),
            (Field::IpVersion, uint(4)),
            (Field::IpSrc, Some(addr("10.0.0.1"))),
            (Field::IpDst, Some(addr("10.0.0.2"))),
            (Field::IpProto, uint(6)),
            (Field::IpTtl, uint(63)),
            (Field::IpTos, uint(0x2e)),
            (Field::IpLen, uint(43)),
            (Field::IpId, uint(77)),
            (Field::IpHlen, uint(20)),
            (Field::IpDf, bool(true)),
            (Field::IpMf, bool(false)),
            (Field::IpOffset, uint(0)),
            (Field::IpFragment, bool(false)),
            (Field::Sport, uint(1000)),
            (Field::Dport, uint(2000)),
            (Field::TcpSport, uint(1000)),
            (Field::TcpDport, uint(2000)),
            (Field::TcpSeq, uint(0x0102_0304)),
            (Field::TcpAckNumber, uint(0x0506_0708)),
            (Field::TcpHlen, uint(20)),
            (Field::TcpFlags, uint(0x12)),
            (Field::TcpSyn, bool(true)),
            (Field::TcpAck, bool(true)),
            (Field::TcpFin, bool(false)),
            (Field::TcpWindow, uint(512)),
            (Field::UdpSport, None),
            (Field::UdpLen, None),
            (Field::PayloadLen, uint(3)),
            (Field::Payload, Some(FieldValue::Bytes(&[1, 2, 3]))),
        ],
    );
}

#[test]
fn reads_the_fields_ipv6_has() {
    let frame = Frame::udp(A6, B6).hop_by_hop().ttl(9).tos(0xab).payload([0; 10]);
    check(
        frame,
        &[
            (Field::IpVersion, uint(6)),
            (Field::IpSrc, Some(addr("fe80::1"))),
            (Field::IpDst, Some(addr("fe80::2"))),
            (Field::IpProto, uint(17)),
            (Field::IpTtl, uint(9)),
            (Field::IpTos, uint(0xab)),
            (Field::IpLen, uint(40 + 8 + 18)),
            (Field::IpId, None),
            (Field::IpHlen, None),
            (Field::IpDf, None),
            (Field::IpMf, bool(false)),
            (Field::IpOffset, uint(0)),
            (Field::IpFragment, bool(false)),
            (Field::UdpLen, uint(18)),
            (Field::TcpFlags, None),
            (Field::PayloadLen, uint(10)),
        ],
    );
}

#[test]
fn fragments_say_where_they_belong_in_either_family() {
    for (src, dst) in [(A4, B4), (A6, B6)] {
        let frame = || Frame::udp(src, dst).payload([0; 8]);
        check(
            frame().fragment(0, true),
            &[
                (Field::IpMf, bool(true)),
                (Field::IpOffset, uint(0)),
                (Field::IpFragment, bool(true)),
                (Field::Sport, uint(1000)),
            ],
        );
        check(
            frame().fragment(1480, false),
            &[
                (Field::IpMf, bool(false)),
                (Field::IpOffset, uint(1480)),
                (Field::IpFragment, bool(true)),
                (Field::IpProto, uint(17)),
                (Field::Sport, None),
                (Field::PayloadLen, None),
            ],
        );
    }
}

#[test]
fn headers_that_are_cut_off_or_contradict_themselves_are_told() {
    let mut short = Frame::tcp(A4, B4).bytes();
    short[14] = 0x41;
    let tcp = || Frame::tcp(A4, B4);
    for (frame, malformed, truncated) in [
        (tcp(), bool(false), bool(false)),
        (tcp().cap(40), bool(false), bool(true)),
        (Frame::raw(LinkType::ETHERNET, short), bool(true), bool(false)),
        (tcp().flow(3, 301), None, None),
    ] {
        check(frame, &[(Field::Malformed, malformed), (Field::Truncated, truncated)]);
    }
}

#[test]
fn reads_what_stands_between_link_and_network() {
    check(
        Frame::icmp(A4, B4, 3, 4).mpls(1234).mpls(5),
        &[
            (Field::MplsLabel, uint(1234)),
            (Field::MplsDepth, uint(2)),
            (Field::EthType, uint(0x8847)),
            (Field::IcmpType, uint(3)),
            (Field::IcmpCode, uint(4)),
            (Field::Icmp6Type, None),
        ],
    );
    check(
        Frame::icmp(A6, B6, 135, 0).pppoe(99).mpls(8),
        &[
            (Field::PppoeSession, uint(99)),
            (Field::MplsLabel, uint(8)),
            (Field::Icmp6Type, uint(135)),
            (Field::IcmpType, None),
        ],
    );
    check(Frame::arp(A4, B4, false), &[(Field::ArpOp, uint(2)), (Field::IpSrc, None)]);
}

#[test]
fn padding_is_not_payload() {
    let frame = Frame::tcp(A4, B4).payload([9; 2]).trailer(4);
    check(
        frame,
        &[
            (Field::PayloadLen, uint(2)),
            (Field::Payload, Some(FieldValue::Bytes(&[9, 9]))),
            (Field::CapLen, uint(60)),
        ],
    );
}

#[test]
fn padding_is_no_transport_header_either() {
    // IP states four bytes of TCP; flags would be read from what lies behind.
    let mut bytes = Frame::tcp(A4, B4).trailer(6).bytes();
    bytes[16..18].copy_from_slice(&24u16.to_be_bytes());
    check(
        Frame::raw(LinkType::ETHERNET, bytes),
        &[
            (Field::Sport, uint(1000)),
            (Field::TcpDport, uint(2000)),
            (Field::TcpFlags, None),
            (Field::TcpSyn, None),
            (Field::PayloadLen, None),
        ],
    );
}

#[test]
fn a_field_cut_off_is_absent() {
    // Two bytes of the TCP header are captured, of 40 bytes of payload none.
    let frame = Frame::tcp(A4, B4).payload([0; 40]).cap(36);
    check(
        frame,
        &[
            (Field::IpDst, Some(addr("10.0.0.2"))),
            (Field::Sport, uint(1000)),
            (Field::Dport, None),
            (Field::TcpFlags, None),
            (Field::PayloadLen, None),
        ],
    );
    let frame = Frame::udp(A4, B4).payload([0; 40]).cap(45);
    check(
        frame,
        &[(Field::PayloadLen, uint(40)), (Field::Payload, Some(FieldValue::Bytes(&[0; 3])))],
    );
}

#[test]
fn weights_are_fields_too() {
    check(
        Frame::udp(A4, B4).weight(100, 9000),
        &[
            (Field::Packets, Some(FieldValue::Big(100))),
            (Field::Bytes, Some(FieldValue::Big(9000))),
            (Field::Len, uint(42)),
        ],
    );
}

#[test]
fn a_reported_flow_has_no_more_than_a_record_says() {
    check(
        Frame::tcp(A4, B4).flags(SYN | ACK).tos(8).len(100).flow(3, 301),
        &[
            (Field::Packets, Some(FieldValue::Big(3))),
            (Field::Bytes, Some(FieldValue::Big(301))),
            (Field::Dport, uint(2000)),
            (Field::IpTos, uint(8)),
            (Field::TcpFlags, uint((SYN | ACK).into())),
            (Field::TcpSyn, bool(true)),
            (Field::IpTtl, None),
            (Field::IpId, None),
            (Field::IpFragment, None),
            (Field::TcpSeq, None),
            (Field::TcpWindow, None),
            (Field::PayloadLen, None),
            (Field::Payload, None),
        ],
    );
}

#[test]
fn only_what_is_asked_for_is_filled() {
    let mut batch = batch_of([Frame::udp(A4, B4)]);
    batch.decode(Demand::NONE.field(Field::Dport).field(Field::Len));
    assert_eq!(batch.numbers(Field::Dport), Some((&[2000][..], &Present::All)));
    assert!(batch.column(Field::Sport).is_none() && batch.addrs(Field::Dport).is_none());
    batch.decode(Demand::NONE);
    assert!(batch.column(Field::Dport).is_none());
    assert_eq!(batch.layers(0), &Layers::EMPTY);
    assert_eq!(batch.value(0, Field::Dport), uint(2000));
}

#[test]
fn nothing_of_the_last_use_is_left() {
    let mut batch = batch_of((0..500).map(|_| Frame::udp(A4, B4)));
    batch.decode(everything());
    batch.clear();
    assert!(batch.column(Field::Dport).is_none());
    batch.decode(everything());
    assert_eq!(batch.numbers(Field::Dport).map(|(values, _)| values.len()), Some(0));
}

#[test]
fn a_batch_in_use_again_allocates_no_columns() {
    let frames =
        || (0..300).map(|i| if i % 3 == 0 { Frame::tcp(A4, B4) } else { Frame::arp(A4, B4, true) });
    let mut batch = batch_of(frames());
    let place = |batch: &Batch| {
        let (values, present) = batch.numbers(Field::Dport).expect("a column");
        let Present::Some(these) = present else { panic!("not all are TCP") };
        (values.as_ptr(), std::ptr::from_ref(&**these))
    };
    batch.decode(Demand::NONE.field(Field::Dport));
    let before = place(&batch);
    batch.decode(Demand::NONE.field(Field::Dport));
    assert_eq!(place(&batch), before);
}

#[test]
fn columns_reach_across_blocks_and_words() {
    for len in [1, 63, 64, 65, 255, 256, 257, 1000, 4096] {
        let mut batch = batch_of((0..len).map(|i| match i % 5 {
            0 => Frame::arp(A4, B4, true),
            1 => Frame::udp(A6, B6),
            _ => Frame::tcp(A4, B4).window(i as u16),
        }));
        batch.decode(everything());
        check_columns(&batch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_of_any_link_make_columns_that_agree(
        packets in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..80), 0u16..300), 0..20
        ),
    ) {
        let frames = packets.into_iter().map(|(bytes, link)| Frame::raw(LinkType(link), bytes));
        let mut batch = batch_of(frames);
        batch.decode(everything());
        check_columns(&batch);
    }

    #[test]
    fn a_frame_with_a_byte_changed_makes_columns_that_agree(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), 0u32..120), 0..20
        ),
        v6: bool, vlan: bool, mpls: bool, pppoe: bool, proto in 0u8..60,
    ) {
        let frames = changes.into_iter().map(|(at, to, cap)| {
            let (src, dst) = if v6 { (A6, B6) } else { (A4, B4) };
            let mut frame = Frame::ip(src, dst, proto).payload([4; 24]);
            if vlan { frame = frame.vlan(1) }
            if mpls { frame = frame.mpls(1) }
            if pppoe { frame = frame.pppoe(1) }
            let mut bytes = frame.bytes();
            let at = at.index(bytes.len());
            bytes[at] = to;
            Frame::raw(LinkType::ETHERNET, bytes).cap(cap)
        });
        let mut batch = batch_of(frames);
        batch.decode(everything());
        check_columns(&batch);
    }
}
