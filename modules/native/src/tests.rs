//! Every native module against what a declaration of the same says.

use std::sync::Arc;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::intern::Interner;
use como_core::module::{Args, Declaration, Declared, Export, Limits, Module, Setup, Started};
use como_core::packet::build::{Frame, batch_of};
use como_core::record::{Records, Schema, Value};
use como_core::selection::Selection;
use como_core::table::Aggregate;
use como_core::time::{Interval, Span, Ts};

use crate::kinds;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % n
    }
}

/// Traffic of both families, with and without ports, addresses and weights.
fn traffic(numbers: &mut Numbers, packets: usize) -> Vec<Frame> {
    let packet = |_| {
        let mut host = |v6: bool| {
            let (net, host) = (numbers.below(4), numbers.below(12));
            match v6 {
                true => {
                    Addr::from_bits(true, 0xfe80 << 112 | u128::from(net) << 64 | u128::from(host))
                }
                false => Addr::v4([10, 0, net as u8, host as u8]),
            }
        };
        let kinds = [host(false), host(false), host(true), host(true)];
        let (port, kind) = (numbers.below(3) as u16, numbers.below(9));
        let [a, b, c, d] = kinds;
        let frame = match kind {
            0..4 => Frame::tcp((a, port), (b, 80)),
            4 | 5 => Frame::udp((c, port), (d, 53)),
            6 | 7 => Frame::icmp(a, b, 8, 0),
            _ => Frame::arp(a, b, true),
        };
        let frame = frame.len(60 + numbers.below(9) as usize);
        if numbers.below(9) == 0 { frame.weight(10, 700) } else { frame }
    };
    (0..packets).map(packet).collect()
}

fn start(name: &str, given: &[&str]) -> Started {
    let kind = kinds().into_iter().find(|k| k.manifest().name == name).expect("a module");
    let args = Args::parse(given).expect("arguments");
    kind.start(&Setup { args, ..Setup::default() }).expect("a start")
}

fn interval() -> Interval {
    Interval::holding(Ts::new(1000, 0), Span::from_secs(5))
}

fn export(module: &mut dyn Module, schema: Arc<Schema>) -> Records {
    let mut out = Export::new(interval(), schema);
    module.export(interval(), &mut out);
    out.into_records().pop().expect("records")
}

/// Runs both over the same traffic, in numberings short enough to change within an interval.
#[track_caller]
fn check(name: &str, given: &[&str], declared: Declaration, top: Option<usize>) {
    let Started { module: mut native, demand, schema, .. } = start(name, given);
    let schema = schema.expect("known before the first record");
    let mut declared =
        Declared::new(&declared, &Limits::default(), Span::from_secs(5)).expect("a declaration");
    let demand = demand.and(declared.demand());
    let mut interner = Interner::bounded(400);
    let mut numbers = Numbers(7);
    for _ in 0..3 {
        for packets in [100, 150, 0, 120] {
            let mut batch: Batch = batch_of(traffic(&mut numbers, packets));
            batch.decode(demand);
            interner.fill(&mut batch, demand);
            let picked = Selection::of(packets, |_| numbers.below(4) > 0);
            native.update(&batch, &picked);
            declared.update(&batch, &picked);
        }
        let table = declared.table();
        let rows = match (top, table.column("bytes")) {
            (Some(n), Some(bytes)) => table.top(bytes, n),
            _ => table.sorted(),
        };
        let want = table.records(&rows, interval());
        declared.begin();
        let got = export(&mut *native, schema.clone());
        let names = |r: &Records| -> Vec<String> {
            r.schema.columns.iter().map(|c| c.name.clone()).collect()
        };
        assert!(want.rows() > 0);
        assert_eq!((names(&got), got.cells, got.cut), (names(&want), want.cells, want.cut));
    }
    assert!(native.state_bytes() < 1 << 20);
    assert_eq!(native.overflowed(), 0);
}

fn aggregate(name: &str, of: &str) -> Aggregate {
    let args: &[Value] = if of.is_empty() { &[] } else { &[of.into()] };
    Aggregate::new(name, args).expect("an aggregate")
}

fn keyed(key: &[(&str, &str)], value: [&str; 2]) -> Declaration {
    let of = |name: &str| match name {
        "bytes" => aggregate("sum", "len"),
        _ => aggregate("count", ""),
    };
    let declared = key.iter().try_fold(Declaration::default(), |d, (name, of)| d.key(name, of));
    let declared = declared.expect("a key");
    value.iter().fold(declared, |d, name| d.value(name, of(name)))
}

const FLOW: [(&str, &str); 5] = [
    ("src", "ip.src"),
    ("dst", "ip.dst"),
    ("proto", "ip.proto"),
    ("sport", "sport"),
    ("dport", "dport"),
];

#[test]
fn traffic_says_what_is_declared() {
    check("traffic-native", &[], keyed(&[], ["packets", "bytes"]), None);
}

#[test]
fn topaddr_says_what_is_declared() {
    let by = |field: &str| keyed(&[("addr", field)], ["bytes", "packets"]);
    check("topaddr-native", &[], by("ip.dst"), Some(20));
    check("topaddr-native", &["n=3", "use-src=true"], by("ip.src"), Some(3));
    check("topaddr-native", &["n=7", "mask=24"], by("ip.dst/24"), Some(7));
    check("topaddr-native", &["n=1000", "mask=24", "use-dst=false"], by("ip.src/24"), Some(1000));
}

#[test]
fn tuple_says_what_is_declared() {
    check("tuple-native", &[], keyed(&FLOW, ["packets", "bytes"]), None);
    let mut masked = FLOW;
    (masked[0].1, masked[1].1) = ("ip.src/24", "ip.dst/24");
    check("tuple-native", &["mask=24"], keyed(&masked, ["packets", "bytes"]), None);
}

#[test]
fn manifests_name_their_arguments() {
    let names: Vec<String> = kinds().iter().map(|k| k.manifest().name.clone()).collect();
    assert_eq!(names, ["syn-native", "traffic-native", "topaddr-native", "tuple-native"]);
    for kind in kinds() {
        assert!(kind.manifest().args.iter().any(|a| a.name == "interval"));
        let args = Args::parse(["colour=red"]).expect("arguments");
        assert!(kind.start(&Setup { args, ..Setup::default() }).is_err());
    }
}
