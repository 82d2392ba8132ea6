//! Tables against a naive count of the same packets, for any key, batch and bound.

mod bounded;
mod ids;
mod naive;
mod signed;
mod sketches;

use proptest::prelude::*;

use super::*;
use crate::addr::Addr;
use crate::batch::Batch;
use crate::field::{Demand, Field, Id};
use crate::intern::Interner;
use crate::packet::build::{Frame, batch_of};
use crate::record::Value;
use crate::selection::Selection;
use crate::time::{Interval, Span, Ts};
use naive::Naive;

/// Keys of every way rows are found.
const KEYS: [&[&str]; 17] = [
    &[],
    &["ip.src"],
    &["ip.dst"],
    &["ip.dst/24"],
    &["ip.src", "ip.src/24"],
    &["ip.src", "ip.dst", "ip.proto", "sport", "dport"],
    &["dport", "sport", "ip.proto", "ip.dst/24", "ip.src/30,127"],
    &["dport"],
    &["sport or 0"],
    &["ip.proto"],
    &["len"],
    &["source"],
    &["ip.src", "ip.dst"],
    &["ip.proto", "dport"],
    &["ip.src/24", "ip.dst/30,127", "eth.src"],
    &["ip.src", "ip.dst", "eth.src", "eth.dst"],
    &["eth.src"],
];

fn span() -> Span {
    Span::from_secs(10)
}

fn aggregate(name: &str, args: &[Value]) -> Aggregate {
    Aggregate::new(name, args).expect("an aggregate")
}

/// A value column for each aggregate that a naive count can check exactly.
fn exact() -> Vec<ValueColumn> {
    let of = |name: &str, field: &str| {
        let args: &[Value] = if field.is_empty() { &[] } else { &[field.into()] };
        let name = format!("{name} {field}");
        ValueColumn { aggregate: aggregate(name.split(' ').next().expect("a name"), args), name }
    };
    vec![
        of("count", ""),
        of("sum", "len"),
        of("sum", "ip.ttl"),
        of("min", "len"),
        of("max", "dport"),
        of("mean", "len"),
        of("var", "ip.ttl"),
        of("first", "ts"),
        of("last", "ts"),
        of("first", "sport"),
        of("last", "ip.src"),
        of("rate", "len"),
        of("rate", ""),
        of("distinct", "flow"),
        of("distinct", "ip.dst"),
    ]
}

/// Value columns: of every kind, or those that are counted in a loop of their own.
fn values() -> impl Strategy<Value = Vec<ValueColumn>> {
    let of = |names: &[&str]| -> Vec<ValueColumn> {
        exact().into_iter().filter(|column| names.contains(&column.name.as_str())).collect()
    };
    let (packets, bytes) = (of(&["count "]), of(&["sum len"]));
    let both = [packets.clone(), bytes.clone()].concat();
    let turned = [bytes.clone(), packets.clone()].concat();
    let three = [both.clone(), of(&["max dport"])].concat();
    prop::sample::select(vec![exact(), packets, bytes, both, turned, three])
}

fn layout(key: &[&str], value: &[ValueColumn], full: Full) -> Layout {
    let columns: Vec<KeyColumn> = key
        .iter()
        .map(|text| KeyColumn::parse(&format!("key {text}"), text).expect("a key"))
        .collect();
    Layout::new(&columns, value, full).expect("a layout")
}

fn roomy() -> Bounds {
    Bounds { rows_max: 1 << 20, bytes_max: 64 << 20, full: Full::Other }
}

/// One packet of a test: small ranges, so that keys repeat.
#[derive(Clone, Copy, Debug)]
struct Sent {
    kind: u8,
    hosts: (u8, u8),
    ports: (u16, u16),
    ttl: u8,
    len: u16,
    ms: u16,
    weight: Option<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let weight = prop_oneof![3 => Just(None), 1 => (1u8..9).prop_map(Some)];
    (any::<u8>(), (0u8..9, 0u8..9), (0u16..3, 0u16..3), 1u8..5, 60u16..90, 0u16..9000, weight)
        .prop_map(|(kind, hosts, ports, ttl, len, ms, weight)| Sent {
            kind,
            hosts,
            ports,
            ttl,
            len,
            ms,
            weight,
        })
}

fn frame(sent: &Sent) -> Frame {
    let addr = |host: u8, v6: bool| match v6 {
        true => Addr::from_bits(true, 0xfe80 << 112 | u128::from(host)),
        false => Addr::v4([10, 0, host / 4, host]),
    };
    let v6 = sent.kind.is_multiple_of(3);
    let (src, dst) = (addr(sent.hosts.0, v6), addr(sent.hosts.1, v6));
    let frame = match sent.kind % 7 {
        0..3 => Frame::tcp((src, sent.ports.0), (dst, sent.ports.1)),
        3 | 4 => Frame::udp((src, sent.ports.0), (dst, sent.ports.1)),
        5 => Frame::icmp(src, dst, 8, 0),
        _ => Frame::arp(addr(sent.hosts.0, false), addr(sent.hosts.1, false), true),
    };
    let frame = frame.ttl(sent.ttl).len(sent.len.into()).source(sent.kind.into());
    let frame = frame.ts(Ts::new(1000, u64::from(sent.ms) * 1_000_000));
    match sent.weight {
        Some(n) => frame.weight(n.into(), u64::from(sent.len) * u64::from(n)),
        None => frame,
    }
}

fn batch(sent: &[Sent], demand: Demand, interner: &mut Interner) -> Batch {
    let mut batch = batch_of(sent.iter().map(frame));
    batch.decode(demand);
    interner.fill(&mut batch, demand);
    batch
}

/// Every third packet is filtered out.
fn picked(sent: &[Sent]) -> Selection {
    Selection::of(sent.len(), |at| sent[at].kind % 3 != 1)
}

fn interval() -> Interval {
    Interval::holding(Ts::new(1000, 0), span())
}

/// Rows of a table in the order of their keys, as values.
fn rows(table: &Table) -> Vec<Vec<Value>> {
    let columns = table.schema().columns.len();
    let row = |row: u32| (0..columns).map(|c| table.value(row as usize, c)).collect();
    table.sorted().into_iter().map(row).collect()
}

/// Equal, but for the last digits of fractions.
#[track_caller]
fn assert_same(got: &[Vec<Value>], want: &[Vec<Value>]) {
    let close = |a: &Value, b: &Value| match (a, b) {
        (Value::Float(a), Value::Float(b)) => (a - b).abs() <= 1e-9 * (1.0 + b.abs()),
        (a, b) => a == b,
    };
    assert_eq!(got.len(), want.len(), "rows\n{got:?}\n{want:?}");
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(a, b)| close(a, b)), "\n{got:?}\n{want:?}");
    }
}

/// The rows as records must say what the rows say one by one.
#[track_caller]
fn assert_records_agree(table: &Table) {
    let sorted = table.sorted();
    let records = table.records(&sorted, interval());
    assert_eq!(records.rows(), sorted.len());
    let columns = table.schema().columns.len();
    let row = |row: usize| (0..columns).map(|c| records.value(row, c)).collect();
    let got: Vec<Vec<Value>> = (0..records.rows()).map(row).collect();
    assert_eq!(got, rows(table));
    for (cells, column) in records.cells.iter().zip(&table.schema().columns) {
        assert_eq!(cells.data.ty(), column.ty, "{}", column.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn counts_what_a_naive_count_counts(
        key in 0..KEYS.len(),
        values in values(),
        weighted in any::<bool>(),
        batches in prop::collection::vec(prop::collection::vec(sent(), 0..90), 1..6),
        ids_max in prop_oneof![Just(150usize), Just(10_000)],
    ) {
        let layout = layout(KEYS[key], &values, Full::Other);
        let demand = layout.demand();
        let mut interner = Interner::bounded(ids_max);
        let mut table = Table::new(layout, roomy(), span());
        // A first interval must leave nothing behind.
        for interval in 0..2 {
            let mut naive = Naive::new(KEYS[key], &values);
            for (at, sent) in batches.iter().enumerate().skip(interval.min(batches.len() - 1)) {
                let mut sent = sent.clone();
                sent.iter_mut().for_each(|s| s.weight = s.weight.filter(|_| weighted));
                let batch = batch(&sent, demand, &mut interner);
                let picked = if at % 2 == 0 { picked(&sent) } else { Selection::all(sent.len()) };
                table.update(&batch, &picked);
                naive.update(&batch, &picked);
            }
            assert_same(&rows(&table), &naive.rows());
            assert_records_agree(&table);
            table.clear();
        }
    }

    #[test]
    fn two_tables_merged_are_one_table_over_both(
        key in 0..KEYS.len(),
        batches in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(sent(), 0..40)), 1..6
        ),
    ) {
        let layout = layout(KEYS[key], &exact(), Full::Other);
        let demand = layout.demand();
        let mut interners = [Interner::default(), Interner::default()];
        let [mut a, mut b] = [(); 2].map(|()| Table::new(layout.clone(), roomy(), span()));
        let mut naive = Naive::new(KEYS[key], &exact());
        for (first, sent) in &batches {
            let batch = batch(sent, demand, &mut interners[usize::from(*first)]);
            if *first { &mut a } else { &mut b }.update(&batch, &picked(sent));
            naive.update(&batch, &picked(sent));
        }
        a.merge(&b);
        // Which of two packets of one instant was first is lost when they were seen apart.
        let ordered = ["first sport", "last ip.src"].map(|c| a.column(c).expect("declared"));
        let masked = |mut rows: Vec<Vec<Value>>| {
            rows.iter_mut().for_each(|row| ordered.iter().for_each(|at| row[*at] = Value::Null));
            rows
        };
        assert_same(&masked(rows(&a)), &masked(naive.rows()));
    }
}

#[test]
fn an_unkeyed_table_has_its_row_also_in_silence() {
    let mut table = Table::new(layout(&[], &exact(), Full::Other), roomy(), span());
    for _ in 0..2 {
        assert_eq!(table.rows(), 1);
        assert_eq!(table.value(0, 0), Value::Uint(0));
        table.clear();
    }
}

#[test]
fn the_top_is_by_value_and_ties_by_key() {
    let mut table = Table::new(layout(&["dport"], &exact(), Full::Other), roomy(), span());
    let ports = [7u16, 5, 9, 5, 9, 7, 1, 3, 3];
    let mut batch = batch_of(
        ports.map(|p| Frame::tcp((Addr::v4([10, 0, 0, 1]), 1), (Addr::v4([10, 0, 0, 2]), p))),
    );
    batch.decode(table.layout().demand());
    table.update(&batch, &Selection::all(batch.len()));
    let packets = table.column("count ").expect("declared");
    let top = |n| -> Vec<Value> {
        table.top(packets, n).iter().map(|row| table.value(*row as usize, 0)).collect()
    };
    let ports = |ports: &[u64]| -> Vec<Value> { ports.iter().map(|p| Value::Uint(*p)).collect() };
    assert_eq!(top(2), ports(&[3, 5]));
    assert_eq!(top(9), ports(&[3, 5, 7, 9, 1]));
    assert!(table.records(&table.top(packets, 2), interval()).cut);
    assert!(!table.records(&table.top(packets, 9), interval()).cut);
}

#[test]
fn rows_are_found_by_the_values_of_their_key() {
    let mut table =
        Table::new(layout(&["ip.src", "dport"], &exact(), Full::Other), roomy(), span());
    let mut batch = batch_of([Frame::udp("10.0.0.1:5", "10.0.0.2:53")]);
    let demand = table.layout().demand();
    batch.decode(demand);
    Interner::default().fill(&mut batch, demand);
    table.update(&batch, &Selection::all(1));
    let key =
        |addr: &str, port: i64| [Value::Addr(addr.parse().expect("an address")), Value::Int(port)];
    assert_eq!(table.find(&key("10.0.0.1", 53)), Some(0));
    assert_eq!(table.find(&key("10.0.0.1", 54)), None);
    assert_eq!(table.find(&[Value::Text("x".into()), Value::Null]), None);
    assert_eq!(table.find(&[]), None);
}

#[test]
fn only_what_the_key_and_the_values_need_is_asked_for() {
    let count = vec![ValueColumn { name: "n".into(), aggregate: aggregate("count", &[]) }];
    let demand = |key: &[&str]| layout(key, &count, Full::Other).demand();
    assert_eq!(demand(&[]), Demand::NONE);
    let keyed =
        |demand: Demand, fields: &[Field]| fields.iter().copied().fold(demand, Demand::keyed);
    assert_eq!(demand(&["ip.dst/8"]), keyed(Demand::NONE.id(Id::Dst), &[Field::IpDst]));
    // A flow has the ports 0 where there are none.
    let flow = [Field::IpSrc, Field::IpDst, Field::IpProto];
    assert_eq!(demand(KEYS[5]), keyed(Demand::NONE.id(Id::Flow), &flow));
    let port = Demand::NONE.field(Field::Dport);
    assert_eq!(demand(&["dport"]), keyed(port, &[Field::Dport]));
}
