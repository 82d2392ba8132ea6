//! The trace service: one record per packet, or packets in a file.

use super::*;
use crate::packet::build::{Frame, batch_of};
use crate::record::Value;
use crate::storage::Window;
use crate::storage::packets::{self, Capture, Room, Wanted};
use crate::time::Ts;

fn manifest() -> Manifest {
    complete(Manifest { name: "trace".into(), filter: "ip".into(), ..Manifest::default() })
}

fn started(args: &[&str], packets: Option<Place>) -> Result<Started, ModuleError> {
    let args = Args::parse(args).expect("name=value");
    start(&manifest(), &Setup { args, packets, writes: true, ..Setup::default() })
}

fn batch(demand: Demand) -> Batch {
    let at = |ms: u64| Ts(1_700_000_000_000_000_000 + ms * 1_000_000);
    let mut batch = batch_of([
        Frame::tcp("10.0.0.1:1234", "10.0.0.2:80").flags(2).ts(at(1)),
        Frame::udp("[fe80::1]:53", "[fe80::2]:5353").ts(at(3)),
        Frame::arp("10.0.0.1", "10.0.0.2", true).ts(at(2)),
    ]);
    batch.decode(demand);
    batch
}

fn run(started: &mut Started, batch: &Batch) -> Records {
    let module = &mut started.module;
    module.update(batch, &Selection::all(batch.len()));
    let interval = Interval::holding(batch.all()[0].ts, Span::from_secs(1));
    let schema = started.schema.clone().expect("a schema");
    let mut out = Export::new(interval, schema);
    module.export(interval, &mut out);
    out.into_records().remove(0)
}

#[test]
fn every_packet_is_a_record_at_its_own_time() {
    let mut started = started(&[], None).expect("a start");
    assert_eq!(started.filter, "ip");
    let batch = batch(started.demand);
    let rows = run(&mut started, &batch);
    let ms: Vec<u64> = rows.starts.iter().map(|ts| ts.0 / 1_000_000 % 1000).collect();
    assert_eq!((ms, rows.len), (vec![1, 2, 3], Span(0)));
    let value = |row, name| rows.value(row, rows.schema.position(name).expect("a column"));
    let addr = |text: &str| Value::Addr(text.parse().expect("an address"));
    assert_eq!(value(0, "src"), addr("10.0.0.1"));
    assert_eq!((value(0, "dport"), value(0, "flags")), (Value::Uint(80), Value::Uint(2)));
    assert_eq!((value(1, "src"), value(1, "eth_type")), (Value::Null, Value::Uint(0x806)));
    assert_eq!((value(2, "dst"), value(2, "flags")), (addr("fe80::2"), Value::Null));
    assert!(matches!(value(1, "len"), Value::Uint(42..)));
}

#[test]
fn rows_past_the_limit_are_counted() {
    let limits = super::super::Limits { rows_max: 2, ..Default::default() };
    let mut started = start(&manifest(), &Setup { limits, ..Setup::default() }).expect("a start");
    let batch = batch(started.demand);
    assert_eq!(run(&mut started, &batch).rows(), 2);
    assert_eq!(started.module.overflowed(), 1);
    assert_eq!(run(&mut started, &batch).rows(), 2);
}

#[test]
fn with_a_place_packets_are_kept_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place::Directory(Room::new(dir.path(), 1 << 20));
    let mut started = started(&["snaplen=20"], Some(place)).expect("a start");
    assert_eq!(started.demand, Demand::NONE);
    let rows = run(&mut started, &batch(Demand::NONE));
    assert_eq!((rows.value(0, 0), rows.value(0, 2)), (Value::Uint(3), Value::Uint(0)));
    drop(started);
    let mut out = Vec::new();
    let wanted = Wanted {
        window: Window::ALL,
        filter: None,
        lookups: Default::default(),
        capture: Capture::Pcapng,
        about: String::new(),
    };
    let copied = packets::copy(dir.path(), &wanted, &mut out).expect("a capture");
    assert_eq!(copied.packets, 3);
    assert!(out.len() < 3 * 56 + 100, "{}", out.len());
}

#[test]
fn a_file_of_the_users_goes_before_the_store() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("out.pcapng");
    let place = Place::Directory(Room::new(dir.path().join("store"), 1 << 20));
    let arg = format!("file={}", file.display());
    let mut started = started(&[&arg], Some(place)).expect("a start");
    run(&mut started, &batch(Demand::NONE));
    drop(started);
    assert!(file.metadata().expect("a file").len() > 200);
    assert!(!dir.path().join("store").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let error = started(&["file=/nowhere/at/all"], None).err().expect("no start");
    let message = error.to_string();
    assert!(message.starts_with("cannot write `/nowhere/at/all`: "), "{message}");
    assert!(started(&["snaplen=-1"], None).is_err());
    let error = started(&["payload=-5", "file=out.pcap"], None).err().expect("no start");
    let want = "argument `payload` of module `trace`: `-5` is not a number of bytes, or -1 for all";
    assert_eq!(error.to_string(), want);
    assert!(started(&["colour=red"], None).is_err());
}
