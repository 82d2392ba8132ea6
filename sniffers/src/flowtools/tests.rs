//! Files of flow-tools in both byte orders, plain, compressed and damaged.

use como_core::batch::Batch;
use como_core::source::Origin;

use super::*;

fn made(big: bool, version: u16, packed: bool, count: u32) -> Vec<u8> {
    made::file(big, version, packed, count).expect("memory")
}

/// What a source gives before it ends: packets of each flow, when, and why it ended early.
type Given = (Vec<u64>, Vec<Ts>, Option<String>, Flows);

#[test]
fn a_record_tells_its_exporter_and_interfaces() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), made(true, 5, false, 1)).expect("written");
    let mut source = FlowTools::open(&file.path().display().to_string()).expect("a file");
    let (mut chunk, mut batch) = (Chunk::default(), Batch::default());
    source.next(&mut chunk).expect("a record");
    batch.take_chunk(&mut chunk);
    let exporter = Addr::v4([127, 0, 0, 1]);
    assert_eq!(batch.origin(0), Some(Origin { exporter, input: Some(1), output: Some(2) }));
}

fn read(bytes: &[u8]) -> Result<Given, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let name = file.path().display().to_string();
    let without_name = |e: SourceError| e.to_string().replace(&name, "x");
    let mut source = FlowTools::open(&name).map_err(without_name)?;
    let (mut packets, mut times) = (Vec::new(), Vec::new());
    loop {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk);
        packets.extend(chunk.weights.iter().map(|w| w.packets));
        times.extend(chunk.packets.iter().map(|p| p.ts));
        let error = match turn {
            Ok(Turn::More | Turn::Idle) => continue,
            Ok(Turn::End) => None,
            Err(e) => Some(without_name(e)),
        };
        return Ok((packets, times, error, source.flows().expect("flows")));
    }
}

#[test]
fn every_version_reads_in_both_byte_orders_plain_and_packed() {
    for (big, packed) in [(false, false), (true, false), (false, true), (true, true)] {
        for version in [1, 5, 6, 7, 1005] {
            let (packets, times, error, flows) =
                read(&made(big, version, packed, 5)).expect("a file");
            assert_eq!((packets, error), (vec![1, 2, 3, 4, 5], None), "{version}");
            assert_eq!(times[0], Ts::new(1_699_999_990, 500_000_000));
            assert_eq!(
                (flows.flow_packets, flows.flow_bytes, flows.flow_lost_records),
                (15, 600, 3)
            );
            let exporter = &flows.flow_exporters[0];
            assert_eq!((exporter.address.as_str(), exporter.version), ("127.0.0.1", version));
        }
    }
}

#[test]
fn many_records_fill_many_chunks() {
    let (packets, _, _, flows) = read(&made(false, 5, true, 10_000)).expect("a file");
    assert_eq!(packets.len(), 10_000);
    assert_eq!(flows.flow_records, 10_000);
}

#[test]
fn a_file_cut_short_gives_what_it_holds_and_says_so() {
    let whole = made(false, 5, false, 3);
    let (packets, _, error, _) = read(&whole[..whole.len() - 10]).expect("a header");
    assert_eq!(packets, [1, 2]);
    let want = "`x`: cut short, 54 bytes are left of a record of 64, at byte 128";
    assert_eq!(error.as_deref(), Some(want));
    let packed = made(false, 5, true, 3);
    let (_, _, error, _) = read(&packed[..packed.len() - 10]).expect("a header");
    assert!(error.is_some_and(|e| e.contains("cannot be unpacked")));
}

#[test]
fn what_is_none_of_ours_is_refused() {
    let e = |bytes: &[u8]| read(bytes).expect_err("an error");
    assert_eq!(
        e(b"\xd4\xc3\xb2\xa1\0\0\0\0"),
        "`x`: no flow-tools file: starts with d4 c3 and not cf 10"
    );
    assert_eq!(e(b""), "`x`: cut short in its header");
    assert!(e(&made(false, 8, false, 1)).contains("records of version 8 are not read"));
    assert!(e(b"\xcf\x10\x01\x01\0\0\0\0").contains("stream version 1"));
    assert!(e(b"\xcf\x10\x01\x03\xff\xff\xff\xff").contains("claims 4294967295 bytes"));
}
