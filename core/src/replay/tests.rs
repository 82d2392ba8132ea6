//! Rows and the packets that come of them.

use super::*;
use crate::addr::Addr;
use crate::packet::Weight;
use crate::record::{Column, Type, Value};
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
