//! Rows and the packets that come of them.

use super::*;
use crate::addr::Addr;
use crate::packet::{LinkType, Weight};
use crate::record::{Column, Output, Type, Value};
use crate::storage::packets::Capture;
use crate::storage::pcapng::{self, Block, Blocks};
use crate::storage::{About, MemoryStore, RecordStore, Window, Writer};
use crate::time::Span;

const DST: Addr = Addr::v4([10, 0, 0, 2]);

fn column(name: &str, ty: Type, of: &str) -> Column {
    Column::new(name, ty).of(of)
}

/// A row of an interval from 10 to 15 seconds, and the packets it becomes: time in seconds, what
/// is said, packets, bytes.
#[track_caller]
fn check(columns: &[(Column, Value)], filter: &str, want: &[(u64, Said, u64, u64)]) {
    let schema = Arc::new(Schema::new(columns.iter().map(|(column, _)| column.clone())));
    let mut records = Records::empty(schema, Span::from_secs(5));
    records.push(Ts::new(10, 0), columns.iter().map(|(_, value)| value.clone()));
    let mut packets = Vec::new();
    let replayed = Replayer::new(None).replay(&records, 0, filter, &mut packets);
    replayed.expect("a replay");
    let got = packets.iter().map(|p| (p.ts.parts().0, p.said, p.weight.packets, p.weight.bytes));
    assert_eq!(got.collect::<Vec<_>>(), want);
}

fn counted(packets: u64, bytes: u64) -> [(Column, Value); 2] {
    [
        (column("n", Type::Uint, "count()"), packets.into()),
        (column("b", Type::Uint, "sum(\"len\")"), bytes.into()),
    ]
}

#[test]
fn a_row_becomes_a_packet_at_the_start_of_its_interval() {
    let key = (column("to", Type::Addr, "ip.dst"), DST.into());
    let [n, b] = counted(7, 700);
    let said = Said { dst: Some(DST), ..Said::default() };
    check(&[key.clone(), n.clone(), b.clone()], "", &[(10, said, 7, 700)]);
    let tcp = Said { proto: Some(6), ..said };
    check(&[key.clone(), n, b], "tcp", &[(10, tcp, 7, 700)]);
    // A row of keys that found no room has no key.
    let [n, b] = counted(7, 700);
    check(&[(key.0, Value::Null), n, b], "", &[(10, Said::default(), 7, 700)]);
}

#[test]
fn a_row_that_lasted_becomes_two_packets_that_are_together_what_it_is() {
    let times = |first: u64, last: u64| {
        let time = |secs| Value::Time(Ts::new(secs, 0));
        let first = (column("first", Type::Time, "first(\"ts\")"), time(first));
        [first, (column("last", Type::Time, "last(\"ts\")"), time(last))]
    };
    let none = Said::default();
    let rows = |n, b, first, last| [&counted(n, b)[..], &times(first, last)].concat();
    check(&rows(5, 101, 11, 13), "", &[(11, none, 3, 61), (13, none, 2, 40)]);
    check(&rows(1, 101, 11, 11), "", &[(11, none, 1, 101)]);
    // A packet that stepped back in time counted in the interval all the same.
    check(
        &rows(2, u64::MAX, 3, 99),
        "",
        &[(10, none, 1, u64::MAX / 2 + 1), (14, none, 1, u64::MAX / 2)],
    );
}

#[test]
fn a_key_of_which_nothing_came_is_no_packet_and_a_silent_interval_is_one() {
    let none = Said::default();
    check(&counted(0, 0), "", &[(10, none, 0, 0)]);
    let [n, b] = counted(0, 0);
    check(&[(column("to", Type::Addr, "ip.dst"), DST.into()), n, b], "", &[]);
}

#[test]
fn what_a_packet_cannot_be_told_is_left_out() {
    let [n, b] = counted(1, 60);
    let key = [
        (column("ttl", Type::Uint, "ip.ttl"), 64u64.into()),
        (column("port", Type::Uint, "sport or 0"), 0u64.into()),
        (column("far", Type::Addr, "ip.dst/8,16"), Addr::v4([10, 0, 0, 0]).into()),
        (column("near", Type::Addr, "ip.dst"), DST.into()),
    ];
    let said = Said { dst: Some(DST), ..Said::default() };
    check(&[&key[..], &[n, b]].concat(), "", &[(10, said, 1, 60)]);
}

#[test]
fn a_port_of_0_is_one_beside_another_port() {
    let row = |proto: u64, sport: u64, dport: u64| {
        let [n, b] = counted(1, 60);
        let key = [
            (column("proto", Type::Uint, "ip.proto"), proto.into()),
            (column("sport", Type::Uint, "sport or 0"), sport.into()),
            (column("dport", Type::Uint, "dport or 0"), dport.into()),
        ];
        [&key[..], &[n, b]].concat()
    };
    let said = |proto, ports: Option<(u16, u16)>| Said {
        proto: Some(proto),
        sport: ports.map(|(sport, _)| sport),
        dport: ports.map(|(_, dport)| dport),
        ..Said::default()
    };
    check(&row(17, 53, 0), "", &[(10, said(17, Some((53, 0))), 1, 60)]);
    check(&row(6, 0, 80), "", &[(10, said(6, Some((0, 80))), 1, 60)]);
    // A fragment has none, and neither has another protocol.
    check(&row(17, 0, 0), "", &[(10, said(17, None), 1, 60)]);
    check(&row(1, 0, 0), "", &[(10, said(1, None), 1, 60)]);
}

#[test]
fn records_that_leave_open_whether_there_were_ports_say_so() {
    let unclear = |proto: u64, sport: u64| {
        let columns = [
            column("proto", Type::Uint, "ip.proto"),
            column("sport", Type::Uint, "sport or 0"),
            column("n", Type::Uint, "count()"),
            column("b", Type::Uint, "sum(\"len\")"),
        ];
        let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(5));
        records.push(Ts::new(10, 0), [proto, sport, 1, 60].map(Value::Uint));
        let mut replayer = Replayer::new(None);
        replayer.replay(&records, 0, "", &mut Vec::new()).expect("a replay");
        replayer.has_unclear_ports()
    };
    assert!(unclear(17, 0) && unclear(6, 0));
    assert!(!unclear(17, 53) && !unclear(1, 0));
}

/// Answers with packets before, in and behind the interval.
struct Anywhere;

impl Replay for Anywhere {
    fn replay(&mut self, _: Interval, _: &Schema, _: &[Value]) -> Result<Vec<Replayed>, Fault> {
        let packet = |secs| Replayed {
            ts: Ts::new(secs, 0),
            said: Said::default(),
            weight: Weight { packets: 1, bytes: 60 },
        };
        Ok([9, 12, 15].map(packet).into())
    }
}

#[test]
fn what_a_module_makes_itself_stays_in_the_interval_of_its_record() {
    let schema = Arc::new(Schema::new([Column::new("data", Type::Bytes)]));
    let mut records = Records::empty(schema, Span::from_secs(5));
    records.push(Ts::new(10, 0), [Value::Bytes(vec![1])]);
    let mut packets = Vec::new();
    let own = Replayer::new(Some(Box::new(Anywhere))).replay(&records, 0, "", &mut packets);
    own.expect("a replay");
    let times: Vec<Ts> = packets.iter().map(|packet| packet.ts).collect();
    assert_eq!(times, [Ts::new(10, 0), Ts::new(12, 0), Ts::new(14, 999_999_999)]);
}

/// Answers with one packet a record, every second of which begins with an EtherType.
struct InTurn;

impl Replay for InTurn {
    fn replay(&mut self, of: Interval, _: &Schema, _: &[Value]) -> Result<Vec<Replayed>, Fault> {
        let ts = of.start();
        let ether_type = (ts.parts().0 % 10 == 5).then_some(0x0806);
        let said = Said { ether_type, ..Said::default() };
        Ok([Replayed { ts, said, weight: Weight { packets: 1, bytes: 60 } }].into())
    }
}

/// The capture of what [`InTurn`] makes of four records.
fn capture_in_turn(capture: Capture) -> Result<Vec<u8>, capture::WriteError> {
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "node", 1);
    writer.open("t", About::default()).expect("a memory store opens");
    let schema = Arc::new(Schema::new([Column::new("data", Type::Bytes)]));
    let mut records = Records::empty(schema, Span::from_secs(5));
    for secs in [10, 15, 20, 25] {
        records.push(Ts::new(secs, 0), [Value::Bytes(vec![1])]);
    }
    writer.write("t", Output::Records(records)).expect("a memory store takes");
    writer.commit().expect("a memory store commits");
    let stream = store.stream("t").expect("an answer").expect("a stream");
    let replayer = Replayer::new(Some(Box::new(InTurn)));
    let source = OnDemand::open("t".to_owned(), store, stream, Window::ALL, replayer);
    let mut out = Vec::new();
    let lookups = Arc::default();
    capture::write(source.expect("a source"), (None, &lookups), capture, &mut out)?;
    Ok(out)
}

#[test]
fn packets_that_begin_otherwise_have_an_interface_of_their_own_or_are_refused() {
    let file = capture_in_turn(Capture::Pcapng).expect("a capture");
    let (mut blocks, mut links, mut seen) = (Blocks::new(&file[..]), Vec::new(), Vec::new());
    while let Some(block) = blocks.advance().expect("a capture") {
        match block {
            Block::Section(_) => {}
            Block::Interface(bytes) => links.push(pcapng::link(bytes)),
            Block::Packet { bytes, .. } => {
                let packet = pcapng::packet(bytes).expect("a packet");
                seen.push(packet.interface);
            }
        }
    }
    assert_eq!((links, seen), (vec![LinkType::RAW, LinkType::LINUX_SLL], vec![0, 1, 0, 1]));
    let error = capture_in_turn(Capture::Pcap).expect_err("of two links").to_string();
    assert!(error.contains("do not fit into one pcap file"), "{error}");
}
