//! What each step costs per packet: interning, declared tables, and native modules beside them.
//!
//! `cargo run --release -p como-modules --example cost`. Prints nanoseconds per packet, the least
//! of several rounds, on made traffic with a heavy tail: 65,536 flows between 16,384 hosts.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::Instant;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Demand, Id};
use como_core::intern::Interner;
use como_core::module::{Declaration, Declared, Limits, Module, Setup};
use como_core::packet::build::{Frame, batch_of};
use como_core::record::Value;
use como_core::selection::{BATCH_PACKETS_MAX, Selection};
use como_core::table::Aggregate;
use como_core::time::{Span, Ts};

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
        let (name, of) = text.split_once(' ').unwrap_or((text, ""));
        let args: &[Value] = if of.is_empty() { &[] } else { &[of.into()] };
        declared.value(text, Aggregate::new(name, args).expect("an aggregate that there is"))
    })
}

/// The least time of `run` over all batches, in nanoseconds per packet.
fn least(mut run: impl FnMut()) -> f64 {
    let round = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_nanos() as f64 / (BATCHES * BATCH_PACKETS_MAX) as f64
    };
    (0..ROUNDS).map(|_| round(&mut run)).fold(f64::INFINITY, f64::min)
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
    let show = |what: &str, ns: f64| println!("{what:<44} {ns:7.2} ns/packet");

    show("decode what flows need", least(|| batches.iter_mut().for_each(|b| b.decode(demand))));
    for (what, demand) in [
        ("intern destinations", Demand::NONE.id(Id::Dst)),
        ("intern sources, destinations, flows", demand),
    ] {
        let mut interner = Interner::default();
        show(what, least(|| batches.iter_mut().for_each(|b| interner.fill(b, demand))));
    }

    for kind in como_modules::kinds() {
        let started = kind.start(&Setup::default()).expect("defaults that are right");
        let mut module = started.module;
        let interval = como_core::time::Interval::holding(Ts(0), Span::from_secs(5));
        let schema = started.schema.expect("known before the first record");
        let ns = least(|| {
            for batch in &batches {
                module.update(batch, &Selection::all(batch.len()));
            }
        });
        module.export(interval, &mut como_core::module::Export::new(interval, schema));
        show(&kind.manifest().name, ns);
    }

    let flow = ["ip.src", "ip.dst", "ip.proto", "sport", "dport"];
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
        let value: Vec<&str> =
            value.iter().filter(|v| !v.starts_with("quantile")).copied().collect();
        let mut declared = declaration(key, &value);
        if value.is_empty() {
            let args = [Value::from("len"), Value::from(0.99)];
            declared = declared.value("q", Aggregate::new("quantile", &args).expect("as written"));
        }
        let limits = Limits::default();
        let mut module = Declared::new(&declared, &limits, Span::from_secs(5)).expect("as written");
        let ns = least(|| {
            for batch in &batches {
                module.update(batch, &Selection::all(batch.len()));
            }
        });
        show(&format!("declared: {what}"), ns);
        let first = least(|| {
            module.begin();
            for batch in &batches {
                module.update(batch, &Selection::all(batch.len()));
            }
        });
        show("    with new rows each interval", first);
    }
}
