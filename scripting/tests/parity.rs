//! The same module in both languages makes the same records.
//!
//! Each case is a pair of scripts in `parity/`, `NAME.lua` and `NAME.rhai`, run over the same
//! packets with the same arguments: two intervals of traffic, an empty one, and the last. What
//! both must write stands in `NAME.txt`, an interval's rows under a line of its number.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use como_core::intern::Interner;
use como_core::module::{Args, Export, Setup, Started};
use como_core::packet::build::{ACK, FIN, Frame, SYN, batch_of};
use como_core::record::{Records, Value};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

fn udp(src: &str, dst: &str, len: usize) -> Frame {
    Frame::udp(src, dst).len(len)
}

/// The packets of one interval, from second `at` on.
fn traffic(at: u64) -> Vec<Frame> {
    let frames = vec![
        udp("10.0.0.1:1000", "10.0.0.9:53", 100),
        udp("10.0.0.2:1000", "10.0.0.9:53", 200),
        udp("[2001:db8::2]:1000", "[2001:db8::1]:53", 150),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(SYN).len(60),
        Frame::tcp("10.0.0.3:443", "10.0.0.1:2000").flags(SYN | ACK).len(60),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(ACK).len(1500).vlan(7),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(FIN | ACK).len(60),
        Frame::icmp("10.0.0.4", "10.0.0.1", 3, 1).len(90),
        Frame::ip("10.0.0.5", "10.0.0.6", 47).len(300).weight(10, 3000),
        Frame::udp("10.0.0.1:1000", "10.0.0.9:53").fragment(1480, false).len(700),
        Frame::arp("10.0.0.1", "10.0.0.2", true).len(60),
    ];
    let ts = |(n, frame): (usize, Frame)| frame.ts(Ts::new(at, n as u64 * 1_000_000));
    frames.into_iter().enumerate().map(ts).collect()
}

fn feed(started: &mut Started, interner: &mut Interner, frames: Vec<Frame>) {
    let mut batch = batch_of(frames);
    batch.decode(started.demand);
    interner.fill(&mut batch, started.demand);
    let mut picked = Selection::all(batch.len());
    if started.module.checks() {
        started.module.check(&batch, &mut picked);
    }
    started.module.update(&batch, &picked);
    assert_eq!(started.module.fault(), None);
}

fn close(started: &mut Started, at: u64, last: bool) -> Vec<Records> {
    let interval = Interval::holding(Ts::new(at, 0), started.interval);
    let out = Export::new(interval, started.schema.clone().unwrap_or_default());
    let mut out = if last { out.closing() } else { out };
    started.module.export(interval, &mut out);
    assert_eq!(started.module.fault(), None);
    out.into_records()
}

fn shown(records: &Records) -> String {
    let value = |value: Value| match value {
        Value::Null => "-".to_owned(),
        Value::Float(x) => format!("{x:.6}"),
        Value::Addr(x) => x.to_string(),
        Value::Mac(x) => x.to_string(),
        Value::Time(x) => x.to_string(),
        Value::Text(x) => format!("{x:?}"),
        Value::Uint(x) => x.to_string(),
        other => format!("{other:?}"),
    };
    let mut text = String::new();
    for row in 0..records.rows() {
        for (at, column) in records.schema.columns.iter().enumerate() {
            let _ = write!(text, "{}={} ", column.name, value(records.value(row, at)));
        }
        text = text.trim_end().to_owned() + "\n";
    }
    text
}

/// All that a script writes, as text.
fn run(file: &Path, args: &[&str]) -> String {
    let kind = como_scripting::load(file).unwrap_or_else(|error| panic!("{error}"));
    let args = Args::parse(args).expect("name=value");
    let setup = Setup { instance: "parity".into(), args, ..Setup::default() };
    let mut started = kind.start(&setup).unwrap_or_else(|error| panic!("{error}"));
    let (mut interner, mut text) = (Interner::default(), String::new());
    let _ = writeln!(text, "filter {:?} every {}", started.filter, started.interval);
    for (at, count) in [(0, 1), (1, 2), (2, 0), (3, 1)] {
        let second = 1_700_000_000 + at * (started.interval.0 / 1_000_000_000);
        for n in 0..count {
            feed(&mut started, &mut interner, traffic(second + n % 2));
        }
        let _ = writeln!(text, "{at}");
        for records in close(&mut started, second, at == 3) {
            text += &shown(&records);
        }
    }
    text
}

#[track_caller]
fn check(name: &str, args: &[&str]) {
    let [lua, rhai, want] =
        ["lua", "rhai", "txt"].map(|end| folder().join(format!("{name}.{end}")));
    let want = std::fs::read_to_string(want).expect("what it must write");
    assert_eq!(run(&lua, args), want, "in Lua");
    assert_eq!(run(&rhai, args), want, "in Rhai");
}

#[test]
fn a_declared_top_list() {
    check("top", &["n=3"]);
}

#[test]
fn counters_by_hand() {
    check("count", &[]);
}

#[test]
fn a_check_and_arguments_that_shape_the_key() {
    check("check", &["use-src=true"]);
}

#[test]
fn sessions_across_intervals() {
    check("sessions", &[]);
}

#[test]
fn rows_turned_into_records_of_the_scripts_own() {
    check("shares", &[]);
}
