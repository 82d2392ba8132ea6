//! What storing and rendering costs: `cargo run --release -p como-core --example storage_cost`.
//!
//! Rows like those of `tuple`: two addresses, three numbers, two counters.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Instant;

use como_core::addr::Addr;
use como_core::record::{Column, Output, Records, Schema, Type, Value};
use como_core::render::Format;
use como_core::storage::{MemoryStore, RecordStore, RedbStore, Scan, Window, Writer};
use como_core::time::{Span, Ts};

const ROWS: u64 = 1_000_000;

fn rows() -> Vec<Records> {
    let columns = [
        ("src", Type::Addr),
        ("dst", Type::Addr),
        ("proto", Type::Uint),
        ("sport", Type::Uint),
        ("dport", Type::Uint),
        ("packets", Type::Uint),
        ("bytes", Type::Uint),
    ];
    let schema = Arc::new(Schema::new(columns.map(|(name, ty)| Column::new(name, ty))));
    let mut noise = 1u64;
    let mut random = |below: u64| {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 33) % below
    };
    let mut all = Vec::new();
    for interval in 0..100 {
        let mut records = Records::empty(schema.clone(), Span::from_secs(5));
        for _ in 0..ROWS / 100 {
            let mut addr =
                |n| Value::Addr(Addr::from_bits(false, u128::from(0x0a00_0000 + random(n))));
            let (src, dst) = (addr(5_000), addr(50_000));
            let (sport, packets) = (1024 + random(60_000), 1 + random(20));
            let bytes = packets * (60 + random(1400));
            let values =
                [src, dst, 6u64.into(), sport.into(), 443u64.into(), packets.into(), bytes.into()];
            records.push(Ts::new(1_700_000_000 + interval * 5, 0), values);
        }
        all.push(records);
    }
    all
}

fn timed<T>(what: &str, per: u64, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    let ns = begin.elapsed().as_nanos() as f64 / per as f64;
    println!("{what:<28} {ns:>9.1} ns a row");
    done
}

fn scan(store: &dyn RecordStore) -> u64 {
    let parts = Scan::new(store, "tuple", Window::ALL).map(|part| match part.unwrap().output {
        Output::Records(records) => records.rows() as u64,
        Output::Gap { .. } => 0,
    });
    parts.sum()
}

fn main() {
    let rows = rows();
    let memory = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(memory.clone(), "n", 1);
    timed("encode", ROWS, || {
        for records in &rows {
            writer.write("tuple", Output::Records(records.clone())).unwrap();
        }
        writer.commit().unwrap();
    });
    let stream = memory.stream("tuple").unwrap().unwrap();
    println!("{} blocks, {:.1} bytes a row", stream.blocks, stream.bytes as f64 / ROWS as f64);
    assert_eq!(timed("scan, decoding", ROWS, || scan(&*memory)), ROWS);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.redb");
    let store = Arc::new(RedbStore::create(&path).unwrap());
    let mut writer = Writer::new(store.clone(), "n", 1);
    timed("store, a commit an interval", ROWS, || {
        for records in &rows {
            writer.write("tuple", Output::Records(records.clone())).unwrap();
            writer.commit().unwrap();
        }
    });
    let (file, blocks) = (path.metadata().unwrap(), store.stream("tuple").unwrap().unwrap().bytes);
    let disk = file.blocks() * 512;
    println!("{blocks} bytes of blocks, {disk} on disk, {} of file with holes", file.len());
    assert_eq!(timed("scan from disk", ROWS, || scan(&*store)), ROWS);
    timed("one small commit", 1, || {
        writer.write("tuple", Output::Records(rows[0].slice(0..1))).unwrap();
        writer.commit().unwrap();
    });
    drop((writer, store));
    timed("open and check", 1, || drop(RedbStore::open(&path).unwrap()));

    for format in Format::ALL {
        let Some(mut renderer) = format.renderer() else { continue };
        timed(format.name(), ROWS, || {
            let mut out = std::io::sink();
            renderer.begin(None, &mut out).unwrap();
            rows.iter().for_each(|records| renderer.records(records, &mut out).unwrap());
            renderer.end(&mut out).unwrap();
        });
    }
}
