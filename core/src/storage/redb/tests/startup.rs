//! Starting: what is read then depends on how many streams there are, not on how much they hold.

use super::crash::{Disk, store_on};
use super::*;
use crate::storage::Append;
use crate::storage::block::{Encoder, Origin};
use crate::storage::conformance::records;

/// A store with so many streams of so many blocks each.
fn disk(streams: u64, blocks: u64) -> Arc<Mutex<Disk>> {
    let disk = Disk::new(Vec::new(), None, true);
    let store = store_on(&disk).expect("a new store");
    let mut encoder = Encoder::default();
    for stream in 0..streams {
        let name = format!("stream {stream}");
        let origin = Origin { stream: name.clone(), ..Origin::default() };
        let mut block = |seq: u64| {
            let part = records(seq..seq + 1);
            encoder.records(&origin, seq, &part, 0..1).expect("a small block")
        };
        let blocks = (0..blocks).map(&mut block).collect();
        let schemas = vec![records(0..1).schema];
        let append = Append { stream: name, blocks, schemas, ..Append::default() };
        store.put(&[append]).expect("a store that works");
    }
    drop(store);
    disk
}

/// How often a store is read until all that a monitor asks for at its start is known.
fn reads(streams: u64, blocks: u64) -> u64 {
    let disk = disk(streams, blocks);
    disk.lock().reads = 0;
    let store = store_on(&disk).expect("a store");
    let known = store.streams().expect("a store that works");
    assert_eq!(known.len() as u64, streams);
    for stream in &known {
        assert_eq!((stream.blocks, stream.next_seq), (blocks, blocks));
        assert_eq!(store.stream(&stream.name).expect("a store that works").as_ref(), Some(stream));
    }
    assert_eq!(store.expire(Ts(u64::MAX)).expect("a store that works"), 0);
    disk.lock().reads
}

#[test]
fn opening_reads_no_more_of_a_store_with_more_blocks() {
    let (few, many) = (reads(5, 20), reads(5, 4_000));
    // The trees are higher by a page or two for each stream.
    assert!(many <= few + 5 * 6, "{few} reads of few blocks, {many} of many");
    let streams = reads(40, 20);
    assert!(streams <= few * 16, "{few} reads of five streams, {streams} of forty");
}
