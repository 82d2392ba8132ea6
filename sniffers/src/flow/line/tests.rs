//! Flows as packets: in order, in pieces, never more or less than the record said.

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Demand, Field, FieldValue};
use proptest::prelude::*;

use super::*;

const ONE: Shape = Shape { pieces: 1, disorder: Span(0) };

fn flow(first: u64, packets: u64, bytes: u64) -> Flow {
    Flow {
        src: Addr::v4([10, 0, 0, 1]),
        dst: Addr::v4([10, 0, 0, 2]),
        first: Ts::new(first, 0),
        last: Ts::new(first + 60, 0),
        packets,
        bytes,
        sport: 1000,
        dport: 80,
        proto: 6,
        flags: 0x12,
        ..Flow::default()
    }
}

#[test]
fn a_packet_tells_who_reported_its_flow_and_through_which_interfaces() {
    let origin =
        |n: u8| Origin { exporter: Addr::v4([192, 0, 2, n]), input: Some(n.into()), output: None };
    let from = |n: u8, first| Flow { origin: origin(n), ..flow(first, 1, 100) };
    let mut chunks = chunks(ONE, &[from(1, 1), from(2, 2), from(1, 3)]);
    assert_eq!(chunks[0].regions.len(), 3, "the bytes, and one for each origin");
    let mut batch = Batch::default();
    batch.take_chunk(&mut chunks[0]);
    let fields = [Field::ExporterAddr, Field::ExporterInput, Field::ExporterOutput, Field::IpSrc];
    batch.decode(fields.iter().fold(Demand::NONE, |all, field| all.field(*field)));
    for (at, n) in [1, 2, 1].into_iter().enumerate() {
        assert_eq!(batch.origin(at), Some(origin(n)));
        assert_eq!(batch.value(at, Field::ExporterInput), Some(FieldValue::Uint(n.into())));
        assert_eq!(batch.value(at, Field::ExporterOutput), None);
        let (values, present) = batch.addrs(Field::ExporterAddr).expect("asked for");
        assert!(present.has(at) && values[at] == Addr::v4([192, 0, 2, n]));
        let (values, present) = batch.numbers(Field::ExporterInput).expect("asked for");
        assert!(present.has(at) && values[at] == u32::from(n));
        assert!(!batch.numbers(Field::ExporterOutput).expect("asked for").1.has(at));
        assert_eq!(batch.addrs(Field::IpSrc).expect("asked for").0[at], Addr::v4([10, 0, 0, 1]));
    }
}

/// All chunks of a line that ends.
fn chunks(shape: Shape, flows: &[Flow]) -> Vec<Chunk> {
    let mut line = Line::new(shape);
    line.read.extend(flows);
    line.end();
    let mut chunks = Vec::new();
    loop {
        let mut chunk = Chunk::default();
        line.fill(&mut chunk, false);
        if chunk.packets.is_empty() {
            return chunks;
        }
        chunks.push(chunk);
    }
}

fn batch(flow: Flow) -> Batch {
    let mut chunks = chunks(ONE, &[flow]);
    let mut batch = Batch::default();
    batch.take_chunk(&mut chunks[0]);
    batch.decode(Demand::NONE.layers());
    batch
}

#[track_caller]
fn check(flow: Flow, want: &[(Field, Option<FieldValue<'static>>)]) {
    let batch = batch(flow);
    assert!(batch.faulty() == Some((0, 0)), "the headers are whole");
    for (field, want) in want {
        assert_eq!(batch.value(0, *field), *want, "{}", field.name());
    }
}

fn uint(value: u32) -> Option<FieldValue<'static>> {
    Some(FieldValue::Uint(value))
}

#[test]
fn a_packet_shows_what_the_record_says() {
    let tcp = flow(7, 3, 304);
    let common = [
        (Field::Ts, Some(FieldValue::Big(Ts::new(7, 0).0))),
        (Field::Packets, Some(FieldValue::Big(3))),
        (Field::Bytes, Some(FieldValue::Big(304))),
        (Field::IpLen, uint(101)),
        (Field::Len, uint(101)),
        (Field::IpTtl, None),
    ];
    check(tcp, &common);
    check(tcp, &[(Field::Dport, uint(80)), (Field::TcpFlags, uint(0x12))]);
    let v6 = |n| Addr::v6([n; 16]);
    let udp = Flow { proto: 17, tos: 0xb8, src: v6(1), dst: v6(2), ..tcp };
    check(udp, &common);
    check(
        udp,
        &[
            (Field::IpDst, Some(FieldValue::Addr(v6(2)))),
            (Field::UdpSport, uint(1000)),
            (Field::IpTos, uint(0xb8)),
            (Field::UdpLen, None),
        ],
    );
    let icmp = Flow { proto: 1, icmp: 0x0301, ..tcp };
    check(icmp, &[(Field::IcmpType, uint(3)), (Field::IcmpCode, uint(1)), (Field::Dport, None)]);
    check(Flow { proto: 47, ..tcp }, &[(Field::IpProto, uint(47)), (Field::Sport, None)]);
}

#[test]
fn lengths_fit_the_headers_whatever_the_record_says() {
    for (packets, bytes) in [(1, 0), (0, 5), (1, u64::MAX), (u64::MAX, 1)] {
        let batch = batch(flow(0, packets, bytes));
        assert_eq!(batch.faulty(), Some((0, 0)));
        assert_eq!(batch.weight(0), Weight { packets, bytes });
    }
    assert!(chunks(ONE, &[flow(0, 0, 0)]).is_empty(), "nothing stands for nothing");
}

#[test]
fn records_leave_in_the_order_of_their_start() {
    let flows = [5, 3, 9, 3].map(|first| flow(first, first, 100));
    let chunks = chunks(ONE, &flows);
    let starts: Vec<u64> = chunks[0].packets.iter().map(|p| p.ts.parts().0).collect();
    assert_eq!(starts, [3, 3, 5, 9]);
    let counts: Vec<u64> = chunks[0].weights.iter().map(|w| w.packets).collect();
    assert_eq!(counts, [3, 3, 5, 9]);
}

#[test]
fn records_wait_as_long_as_the_disorder_and_no_longer() {
    let mut line = Line::new(Shape { pieces: 1, disorder: Span::from_secs(60) });
    let mut leave = |now: u64, firsts: &[u64], idle| {
        line.read.extend(firsts.iter().map(|first| flow(*first, 1, 100)));
        line.note_time(Ts::new(now, 0));
        let mut chunk = Chunk::default();
        line.fill(&mut chunk, idle);
        chunk.packets.iter().map(|p| p.ts.parts().0).collect::<Vec<u64>>()
    };
    assert!(leave(100, &[90, 50], false).is_empty());
    assert!(leave(100, &[], true).is_empty());
    assert_eq!(leave(115, &[45], true), [45, 50]);
    assert_eq!(leave(200, &[], true), [90]);
}

#[test]
fn those_that_wait_are_never_too_many() {
    let mut line = Line::new(Shape { pieces: 1, disorder: Span::from_secs(3600) });
    let all = 3 * WAITING_MAX;
    let mut left = 0;
    for at in 0..all {
        line.read.push(flow(at as u64, 1, 100));
        if !line.has_room() {
            let mut chunk = Chunk::default();
            line.fill(&mut chunk, false);
            left += chunk.packets.len();
            assert!(line.waiting.len() + line.leaving.len() <= 2 * WAITING_MAX);
        }
    }
    assert!(left > 0);
    line.end();
    loop {
        let mut chunk = Chunk::default();
        line.fill(&mut chunk, false);
        if chunk.packets.is_empty() {
            break;
        }
        left += chunk.packets.len();
    }
    assert_eq!(left, all);
}

proptest! {
    #[test]
    fn pieces_are_together_the_flow(
        packets in prop_oneof![0u64..40, any::<u64>()],
        bytes in any::<u64>(),
        lasted in any::<u32>(),
        pieces in 1u64..=256,
    ) {
        let flow = Flow { last: Ts::new(u64::from(lasted), 7), ..flow(0, packets, bytes) };
        let chunks = chunks(Shape { pieces, disorder: Span(0) }, &[flow]);
        let all = || chunks.iter().flat_map(|chunk| chunk.packets.iter().zip(&chunk.weights));
        let sum = |count: fn(&Weight) -> u64| all().map(|(_, w)| count(w)).sum::<u64>();
        prop_assert_eq!((sum(|w| w.packets), sum(|w| w.bytes)), (packets, bytes));
        prop_assert!(all().count() as u64 <= pieces);
        prop_assert!(all().all(|(p, _)| flow.first <= p.ts && p.ts <= flow.last.max(flow.first)));
        prop_assert!(all().all(|(p, _)| p.marks == Packet::FLOW));
    }
}
