//! What each step costs per packet: interning, declared tables, and native modules beside them.
//!
//! `cargo run --release -p como-modules --example native_cost [WHAT]`. Prints nanoseconds per
//! packet, the least of several rounds, on made traffic with a heavy tail: 65,536 flows between
//! 16,384 hosts. With WHAT, the name of a line, only that one, as for a profiler.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::Instant;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Demand, Id};
use como_core::intern::Interner;
use como_core::module::{Declaration, Declared, Limits, Module, Setup};
use como_core::packet::build::{Frame, batch_of};
use como_core::record::Value;
use como_core::render::Format;
use como_core::selection::{BATCH_PACKETS_MAX, Selection};
use como_core::table::Aggregate;
use como_core::time::{Interval, Span, Ts};

const BATCHES: usize = 96;
const ROUNDS: usize = 7;
const FLOWS: f64 = 65_536.0;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A packet of a flow drawn from a Zipf-like distribution.
fn packet(numbers: &mut Numbers, at: usize) -> Frame {
    let flow = (FLOWS.powf(numbers.unit()) - 1.0) as u32;
    let mix = |salt: u32| (flow ^ salt).wrapping_mul(0x9e37_79b1) >> 18;
    let host = |n: u32| Addr::v4((0x0a00_0000 | n << 4).to_be_bytes());
    let (src, dst) = (host(mix(1)), host(mix(2) / 4));
    let len = 60 + (numbers.unit() * 600.0) as usize;
    let frame = Frame::tcp((src, (flow % 60_000) as u16 + 1024), (dst, 80 + (flow % 7) as u16));
    frame.len(len).cap(64).ts(Ts::new(1000, at as u64 * 1000))
}

fn declaration(key: &[&str], value: &[&str]) -> Declaration {
    let keyed = key
        .iter()
        .try_fold(Declaration::default(), |d, k| d.key(k, k))
        .expect("fields that there are");
    value.iter().fold(keyed, |declared, text| {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        let args: Vec<Value> =
            words.map(|w| w.parse::<f64>().map_or(w.into(), Value::Float)).collect();
        declared.value(text, Aggregate::new(name, &args).expect("an aggregate that there is"))
    })
}

/// Prints the least time of `run` over all batches, in nanoseconds per packet.
fn measure(what: &str, mut run: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|only| only != what) {
        return;
    }
    let mut round = || {
        let start = Instant::now();
        run();
        start.elapsed().as_nanos() as f64 / (BATCHES * BATCH_PACKETS_MAX) as f64
    };
    let ns = (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("{what:<56} {ns:7.2} ns/packet");
}

fn main() {
    let demand = Demand::NONE.id(Id::Flow);
    let mut numbers = Numbers(1);
    let mut batches: Vec<Batch> = (0..BATCHES)
        .map(|b| {
            let first = b * BATCH_PACKETS_MAX;
            batch_of((first..first + BATCH_PACKETS_MAX).map(|at| packet(&mut numbers, at)))
        })
        .collect();
    // What every later step reads is prepared here, also where it is not asked for.
    let mut interner = Interner::default();
    for batch in &mut batches {
        batch.decode(demand);
        interner.fill(batch, demand);
    }
    measure("decode what flows need", || batches.iter_mut().for_each(|b| b.decode(demand)));
    for (what, demand) in [
        ("intern destinations", Demand::NONE.id(Id::Dst)),
        // Last, because it leaves behind the ids that modules read.
        ("intern sources, destinations, flows", demand),
    ] {
        let mut interner = Interner::default();
        measure(what, || batches.iter_mut().for_each(|b| interner.fill(b, demand)));
    }

    natives(&batches);
    declared(&batches);
}

/// What the modules written in Rust take.
fn natives(batches: &[Batch]) {
    for kind in como_modules::kinds() {
        let started = kind.start(&Setup::default()).expect("defaults that are right");
        let mut module = started.module;
        let interval = Interval::holding(Ts(0), Span::from_secs(5));
        let schema = started.schema.expect("known before the first record");
        measure(&kind.manifest().name, || {
            for batch in batches {
                module.update(batch, &Selection::all(batch.len()));
            }
        });
        module.export(interval, &mut como_core::module::Export::new(interval, schema));
    }
}

/// What is declared takes, and its rows when an interval closes.
fn declared(batches: &[Batch]) {
    let flow = ["ip.src", "ip.dst", "ip.proto", "sport", "dport"];
    record(batches, &declaration(&flow, &["count", "sum len"]));
    for (what, key, value) in [
        ("traffic", &[][..], &["count", "sum len"][..]),
        ("topaddr", &["ip.dst"], &["sum len", "count"]),
        ("topaddr, mask 24", &["ip.dst/24"], &["sum len", "count"]),
        ("tuple", &flow, &["count", "sum len"]),
        ("tuple with first and last", &flow, &["count", "sum len", "first ts", "last ts"]),
        ("ports", &["dport"], &["sum len", "count"]),
        ("pairs of addresses", &["ip.src", "ip.dst"], &["sum len", "count"]),
        ("mean and variance by port", &["dport"], &["mean len", "var len"]),
        ("distinct sources by destination", &["ip.dst"], &["distinct ip.src"]),
        ("flow count by bitmap", &[], &["bitmap flow"]),
        ("quantile of lengths", &[], &["quantile len 0.99"]),
    ] {
        let limits = Limits::default();
        let mut module = Declared::new(&declaration(key, value), &limits, Span::from_secs(5))
            .expect("as written");
        measure(&format!("declared: {what}"), || {
            for batch in batches {
                module.update(batch, &Selection::all(batch.len()));
            }
        });
        measure(&format!("declared: {what}, new rows each interval"), || {
            module.begin();
            for batch in batches {
                module.update(batch, &Selection::all(batch.len()));
            }
        });
    }
}

/// What becomes of rows when an interval closes, per row: put in order and made records, and those
/// written.
fn record(batches: &[Batch], flows: &Declaration) {
    let interval = Interval::holding(Ts(0), Span::from_secs(5));
    let mut module = Declared::new(flows, &Limits::default(), interval.len()).expect("as written");
    for batch in batches.iter().take(batches.len() / 8) {
        module.update(batch, &Selection::all(batch.len()));
    }
    let rows = module.table().sorted();
    let records = module.table().records(&rows, interval);
    let mut ndjson = Format::Ndjson.renderer().expect("a format of the core");
    for (what, turn) in [
        ("rows put in order", &mut (|| drop(module.table().sorted())) as &mut dyn FnMut()),
        ("rows made records", &mut || drop(module.table().records(&rows, interval))),
        ("records written as NDJSON", &mut || {
            ndjson.records(&records, &mut std::io::sink()).expect("nothing that fails");
        }),
    ] {
        let times = BATCHES * BATCH_PACKETS_MAX / rows.len();
        measure(&format!("{what}, each row"), || (0..times).for_each(|_| turn()));
    }
}
