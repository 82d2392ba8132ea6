//! Who reported packets, kept beside them.

use std::fs;

use super::*;
use crate::addr::Addr;
use crate::batch::Batch;
use crate::source::{Chunk, Origin, Source, Turn};
use crate::storage::packets::{By, PacketSource, Secret};
use crate::storage::pcapng::Stands;

fn origin(n: u32) -> Origin {
    Origin { exporter: Addr::v4([192, 0, 2, 1]), input: Some(n), output: None }
}

/// Keeps packets that came in by interfaces 0, 1, 2 and again, but for every fourth, of which
/// nothing is told.
fn keep(dir: &TempDir, anonymize: Option<Secret>) {
    let taken = Taken { anonymize, ..Taken::whole(65_535) };
    let mut writer =
        PacketWriter::new(place(dir, 64 << 20), taken, Arc::default()).expect("a place to write");
    let batch = batch_of([Frame::udp("10.0.0.1:2", "10.0.0.2:53")]);
    let weight = Weight { packets: 7, bytes: 700 };
    for n in 0..40 {
        let reported = (n % 4 != 3).then_some(origin(n % 4));
        let stands = Stands { weight, marks: 0, origin: reported };
        let ts = Ts(u64::from(n) * SEC);
        writer.put(0, LinkType::ETHERNET, ts, batch.data(0), 60, Some(stands));
    }
}

fn origins(dir: &TempDir) -> Vec<Option<Origin>> {
    let mut source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None)
        .expect("segments");
    let mut origins = Vec::new();
    loop {
        let mut chunk = Chunk::default();
        if source.next(&mut chunk).expect("it reads") == Turn::End {
            return origins;
        }
        let mut batch = Batch::default();
        batch.take_chunk(&mut chunk);
        origins.extend((0..batch.len()).map(|at| batch.origin(at)));
    }
}

#[test]
fn who_reported_a_packet_is_read_again_and_may_be_asked_for_in_a_copy() {
    let dir = dir();
    keep(&dir, None);
    let want: Vec<_> = (0..40).map(|n| (n % 4 != 3).then_some(origin(n % 4))).collect();
    assert_eq!(origins(&dir), want);
    let count = |filter| copied(dir.path(), Window::ALL, filter, Capture::Pcapng).expect("it").0;
    assert_eq!(["input 1", "exporter 192.0.2.1", "output 1"].map(count), [10, 30, 0]);
}

#[test]
fn where_addresses_are_replaced_so_is_the_exporters() {
    let dir = dir();
    let key = dir.path().join("key");
    fs::write(&key, [&[1; 16][..], &[2; 16]].concat()).expect("a file");
    keep(&dir, Some(Secret::read(&key).expect("a key")));
    let origins = origins(&dir);
    let reported: Vec<Origin> = origins.iter().flatten().copied().collect();
    assert_eq!(reported.len(), 30);
    let exporter = reported[0].exporter;
    assert!(exporter != origin(0).exporter);
    assert!(reported.iter().all(|one| one.exporter == exporter && one.output.is_none()));
    assert_eq!(reported[1].input, Some(1));
}
