//! The window: kept for a time, found by its index, mended, compressed, cut.

use std::fs;
use std::process::Command;

use super::*;
use crate::source::{Chunk, Source, Turn};

/// Packets of a thousand bytes from ever other hosts, one a millisecond; one in `rare` of
/// 192.0.2.1, in runs of ten.
fn hosts(writer: &mut PacketWriter, packets: u64, rare: u64) {
    let mut frame = Frame::udp("10.0.0.0:1024", "172.16.0.1:53").payload(vec![7; 950]).bytes();
    for n in 0..packets {
        let src = match n % (rare * 10) < 10 {
            true => [192, 0, 2, 1],
            false => (0x0a00_0000 + (n / 3) as u32).to_be_bytes(),
        };
        frame[26..30].copy_from_slice(&src);
        let len = frame.len() as u32;
        writer.put(0, LinkType::ETHERNET, Ts(n * 1_000_000), &frame, len, None);
    }
}

fn effort(dir: &Path, window: Window, filter: &str) -> (u64, Effort, Vec<u8>) {
    let mut out = Vec::new();
    let filter = Some(Expr::parse(filter).expect("a filter"));
    let wanted = Wanted {
        window,
        filter,
        lookups: Default::default(),
        capture: Capture::Pcapng,
        about: String::new(),
    };
    let Copied { packets, effort } = copy(dir, &wanted, &mut out).expect("a copy");
    (packets, effort, out)
}

fn room(dir: &TempDir, bytes_max: u64) -> Room {
    Room::new(dir.path(), bytes_max)
}

fn writer(room: Room) -> PacketWriter {
    PacketWriter::new(Place::Directory(room), Taken::whole(65_535), Arc::default())
        .expect("a place to write")
}

/// Mebibytes to write: more where there is time.
fn size() -> u64 {
    if std::env::var_os("COMO_SOAK").is_some() { 10 << 10 } else { 1 << 10 }
}

#[test]
fn slabs_end_where_intervals_begin_so_that_parts_are_read_beside_each_other() {
    let dir = dir();
    let mut writer = writer(room(&dir, 4 << 30));
    // Loads are full, as of a file that is read as fast as it can be.
    hosts(&mut writer, 20_000, 12_000);
    drop(writer);
    let every = |interval| {
        let cuts = cuts(dir.path(), Window::ALL, None, (interval, 1_000)).expect("segments");
        cuts.iter().map(|cut| cut.0 / SEC).collect::<Vec<_>>()
    };
    // Before the last second begins a load, so that the slab there is too short.
    assert_eq!(every(Span(SEC)), (1..19).collect::<Vec<_>>());
    assert_eq!(every(Span(5 * SEC)), [5, 10, 15]);
}

#[test]
fn a_host_of_few_slabs_is_found_by_reading_few() {
    let dir = dir();
    let packets = size() * 1024;
    let mut writer = writer(room(&dir, 16 << 30));
    // In every 120th slab.
    hosts(&mut writer, packets, 12_000);
    drop(writer);
    let (n, effort, _) = effort(dir.path(), Window::ALL, "host 192.0.2.1");
    assert_eq!(n, packets.div_ceil(120_000) * 10);
    assert!(effort.bytes_all > packets * 1000);
    assert!(effort.bytes_read * 20 < effort.bytes_all, "{effort:?}");
    assert_eq!(effort.damaged, 0);
    // Some seconds of all, and a host that is nowhere.
    let some = Window { from: Ts(2 * SEC), to: Ts(3 * SEC) };
    let (n, effort, _) = super::window::effort(dir.path(), some, "udp");
    assert!(n == 1_000 && effort.slabs_read <= 3, "{n} {effort:?}");
    let (n, effort, _) = super::window::effort(dir.path(), Window::ALL, "host 192.0.2.2");
    assert!(n == 0 && effort.slabs_read * 20 < effort.slabs_skipped, "{effort:?}");
}

#[test]
fn packets_are_kept_for_a_time() {
    let dir = dir();
    let mut writer = writer(Room { retain: Some(Span::from_secs(160)), ..room(&dir, 64 << 20) });
    for start in (0..1_000).step_by(10) {
        write(&mut writer, start..start + 10);
        writer.pass(Ts((start + 10) * SEC));
    }
    drop(writer);
    let left = seconds(dir.path(), Window::ALL);
    assert_eq!(left, (left[0]..1_000).collect::<Vec<_>>());
    assert!((810..=840).contains(&left[0]), "{}", left[0]);
    let indexes = fs::read_dir(dir.path()).expect("a directory").flatten();
    let indexes = indexes.filter(|e| e.path().extension().is_some_and(|kind| kind == "index"));
    assert_eq!(indexes.count(), segments(dir.path()).expect("a directory").len());
}

#[test]
fn an_index_that_is_lost_torn_or_wrong_changes_no_answer() {
    let dir = dir();
    let mut writer = writer(room(&dir, 64 << 20));
    hosts(&mut writer, 3_000, 100);
    drop(writer);
    let segment = segments(dir.path()).expect("a directory").remove(0);
    let want = effort(dir.path(), Window::ALL, "host 192.0.2.1");
    let index = fs::read(segment.index()).expect("an index");
    for cut in (0..index.len()).step_by(97) {
        fs::write(segment.index(), &index[..cut]).expect("a file");
        let got = effort(dir.path(), Window::ALL, "host 192.0.2.1");
        assert_eq!((got.0, &got.2, got.1.damaged), (want.0, &want.2, 0), "cut at {cut}");
        let mut wrong = index.clone();
        wrong[cut] ^= 0x55;
        fs::write(segment.index(), &wrong).expect("a file");
        assert_eq!(effort(dir.path(), Window::ALL, "host 192.0.2.1").2, want.2, "wrong at {cut}");
    }
    fs::remove_file(segment.index()).expect("a file");
    assert_eq!(effort(dir.path(), Window::ALL, "host 192.0.2.1").2, want.2);
    // The next writer makes it again, as it was.
    let mut writer = super::window::writer(room(&dir, 64 << 20));
    write(&mut writer, 0..1);
    writer.flush();
    while fs::read(segment.index()).ok().as_ref() != Some(&index) {
        std::thread::yield_now();
    }
}

#[test]
fn a_crash_anywhere_leaves_all_whole_packets_and_an_index_of_them() {
    let from = dir();
    let mut writer = writer(room(&from, 64 << 20));
    for start in [0, 900, 1_800] {
        write(&mut writer, start..start + 900);
        writer.flush();
    }
    while writer.written.packets() < 2_700 {
        std::thread::yield_now();
    }
    let read = |name| fs::read(from.path().join(name)).expect("a file");
    while read("00000001.index").len() < 200 {
        std::thread::yield_now();
    }
    let (segment, index) = (read("00000001.pcapng"), read("00000001.index"));
    let head = segment.len() - 2_700 * 1032;
    for step in 0..24 {
        let to = dir();
        let segment = &segment[..segment.len() * step / 23];
        let index = &index[..index.len() * (step * 7 % 24) / 23];
        fs::write(to.path().join("00000001.pcapng"), segment).expect("a file");
        fs::write(to.path().join("00000001.index"), index).expect("a file");
        let whole = seconds(to.path(), Window::ALL);
        let mut next = super::window::writer(room(&to, 64 << 20));
        write(&mut next, 9_000..9_001);
        drop(next);
        let left = seconds(to.path(), Window::ALL);
        assert_eq!(left.split_last(), Some((&9_000, &whole[..])));
        assert_eq!(whole.len(), segment.len().saturating_sub(head) / 1032, "step {step}");
        for segment in segments(to.path()).expect("a directory") {
            let index = index::Index::read(&segment.index(), segment.number).expect("an index");
            assert!(!index.torn && index.covers() == segment.bytes, "{segment:?}");
        }
    }
}

#[test]
fn a_damaged_slab_costs_its_packets_alone() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..3_000);
    let segment = segments(dir.path()).expect("a directory").remove(0).path;
    let mut bytes = fs::read(&segment).expect("a file");
    bytes[1_500_000] ^= 1;
    fs::write(&segment, &bytes).expect("a file");
    let (n, effort, _) = effort(dir.path(), Window::ALL, "all");
    assert_eq!(effort.damaged, 1);
    assert!((2_600..2_630).contains(&n), "{n}");
    let mut kept = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None)
        .expect("segments");
    let (mut malformed, mut packets, mut turn) = (0, 0, Turn::More);
    while turn != Turn::End {
        let mut chunk = Chunk::default();
        turn = kept.next(&mut chunk).expect("it reads");
        malformed += chunk.counts.malformed;
        packets += chunk.packets.len() as u64;
        assert!(chunk.packets.iter().all(|packet| chunk.data(packet).len() == 1000));
    }
    assert_eq!((malformed, packets), (1, n));
}

#[test]
fn a_time_in_which_nothing_was_heard_is_told_before_the_packets_behind_it() {
    let dir = dir();
    for seconds in [0..2_000, 3_000..5_000] {
        let mut writer = writer(room(&dir, 1 << 30));
        write(&mut writer, seconds);
    }
    let mut kept = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None)
        .expect("segments");
    let (mut told, mut packets) = (Vec::new(), 0);
    loop {
        let mut chunk = Chunk::default();
        kept.next(&mut chunk).expect("it reads");
        let Some(first) = chunk.packets.first() else { break };
        let spans = chunk.unheard.iter().map(|window| (window.from.0 / SEC, window.to.0 / SEC));
        told.extend(spans.map(|span| (packets, first.ts.0 / SEC, span)));
        packets += chunk.packets.len();
    }
    assert_eq!((told, packets), (vec![(2_000, 3_000, (1_999, 3_000))], 4_000));
}

#[test]
fn compressed_segments_answer_as_plain_ones_do() {
    let (plain, packed) = (dir(), dir());
    for (dir, compress) in [(&plain, false), (&packed, true)] {
        let mut writer = writer(Room { compress, ..room(dir, 64 << 20) });
        hosts(&mut writer, 9_000, 300);
        writer.flush();
        let is_packed = |dir: &Path| {
            let closed = segments(dir).expect("a directory").into_iter().filter(|s| s.number < 3);
            closed.map(|s| s.packed).collect::<Vec<_>>() == [true, true]
        };
        while compress && !is_packed(dir.path()) {
            std::thread::yield_now();
        }
    }
    let first = |dir: &TempDir| segments(dir.path()).expect("a directory").remove(0);
    let (from, to) = (first(&plain), first(&packed));
    assert!(to.path.extension().is_some_and(|kind| kind == "zst") && to.bytes * 2 < from.bytes);
    for (window, filter) in [
        (Window::ALL, "host 192.0.2.1"),
        (Window { from: Ts(SEC), to: Ts(2 * SEC) }, "udp"),
        (Window::ALL, "host 192.0.2.9"),
    ] {
        let [want, got] = [&plain, &packed].map(|dir| effort(dir.path(), window, filter));
        assert_eq!((want.0, &want.2), (got.0, &got.2), "{filter}");
        assert!(got.1.bytes_read <= want.1.bytes_read, "{filter}");
    }
    // Any program that knows zstd gets the plain segment back.
    let unpacked = zstd::stream::decode_all(fs::File::open(&to.path).expect("a file"));
    assert_eq!(unpacked.expect("zstd"), fs::read(&from.path).expect("a file"));
    // Without its index it is read through; the next writer makes the index again.
    let index = fs::read(to.index()).expect("an index");
    fs::remove_file(to.index()).expect("a file");
    let [want, got] =
        [&plain, &packed].map(|dir| effort(dir.path(), Window::ALL, "host 192.0.2.1"));
    assert_eq!(want.2, got.2);
    assert!(got.1.bytes_read <= got.1.bytes_all, "{:?}", got.1);
    let mut writer = super::window::writer(Room { compress: true, ..room(&packed, 64 << 20) });
    write(&mut writer, 0..1);
    writer.flush();
    while fs::read(to.index()).ok().as_ref() != Some(&index) {
        std::thread::yield_now();
    }
}

#[test]
fn interrupted_work_is_swept_up() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..10);
    let segment = segments(dir.path()).expect("a directory").remove(0);
    let at = |name: &str| dir.path().join(name);
    for left in ["00000001.zst.tmp", "00000001.zst.index", "00000077.index"] {
        fs::write(at(left), b"half").expect("a file");
    }
    fs::write(at("notes.index"), b"mine").expect("a file");
    written(&place(&dir, 64 << 20), 10..12);
    let gone = ["00000001.zst.tmp", "00000001.zst.index", "00000077.index"];
    assert!(gone.iter().all(|name| !at(name).exists()));
    assert!(at("notes.index").exists() && segment.index().exists());
    assert_eq!(seconds(dir.path(), Window::ALL), (0..12).collect::<Vec<_>>());
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn other_tools_read_a_segment_while_it_grows() {
    let dir = dir();
    let mut writer = writer(room(&dir, 64 << 20));
    hosts(&mut writer, 2_500, 100);
    writer.flush();
    while writer.written.packets() < 2_500 {
        std::thread::yield_now();
    }
    let path = dir.path().join("00000001.pcapng");
    for (tool, args) in [("tcpdump", ["-nr"]), ("tshark", ["-nr"])] {
        match Command::new(tool).args(args).arg(&path).output() {
            Ok(output) => {
                let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(lines, 2_500, "{tool}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Err(_) => eprintln!("skipped: there is no {tool} here"),
        }
    }
}

#[test]
fn kept_packets_say_what_was_done_to_them() {
    let dir = dir();
    let key = dir.path().join("key");
    fs::write(&key, [&[1; 16][..], &[2; 16]].concat()).expect("a file");
    let anonymize = Some(Secret::read(&key).expect("a key"));
    let taken = Taken { payload: Some(0), anonymize, ..Taken::whole(65_535) };
    let place = Place::Directory(room(&dir, 64 << 20));
    let mut writer = PacketWriter::new(place, taken, Arc::default()).expect("a place to write");
    hosts(&mut writer, 10, 100);
    drop(writer);
    let bytes = fs::read(&segments(dir.path()).expect("a directory")[0].path).expect("a file");
    let text = String::from_utf8_lossy(&bytes[..300]).into_owned();
    assert!(text.contains("payload cut to 0 bytes; addresses of IP and ARP replaced"), "{text}");
    assert!(!bytes.windows(4).any(|four| four == [192, 0, 2, 1]));
    // A copy says so too of packets that were kept in other ways.
    for payload in [1, 1, 2] {
        let taken = Taken { payload: Some(payload), ..Taken::whole(65_535) };
        let place = Place::Directory(room(&dir, 64 << 20));
        let mut writer = PacketWriter::new(place, taken, Arc::default()).expect("a place to write");
        hosts(&mut writer, 10, 100);
    }
    let (_, _, copy) = effort(dir.path(), Window::ALL, "all");
    let text = String::from_utf8_lossy(&copy[..300]).into_owned();
    assert!(text.contains("preserved; payload cut to 1 bytes; payload cut to 2 bytes"), "{text}");
}

#[test]
fn kept_packets_are_a_source_like_any() {
    let dir = dir();
    written(&place(&dir, 1 << 30), 0..5000);
    let mut source =
        PacketSource::open("kept".to_owned(), dir.path(), window(100, 4900), By::Time, None)
            .expect("segments");
    let mut seconds = Vec::new();
    loop {
        let mut chunk = Chunk::default();
        if source.next(&mut chunk).expect("it reads") == Turn::End {
            break;
        }
        for packet in &chunk.packets {
            let sec = packet.ts.0 / SEC;
            assert_eq!((packet.wire_len, chunk.data(packet)), (1500, &[sec as u8; 1000][..]));
            seconds.push(sec);
        }
    }
    assert!(seconds.into_iter().eq(100..4900));
}

#[test]
fn verifying_names_damaged_slabs_indexes_and_ends() {
    let dir = dir();
    let mut writer = writer(room(&dir, 64 << 20));
    hosts(&mut writer, 3_000, 100);
    drop(writer);
    let segment = segments(dir.path()).expect("a directory").remove(0);
    let places = || {
        let mut places = Vec::new();
        let found = &mut |fault: crate::storage::verify::Fault| {
            let place = fault.place.split_once(", ").map(|(_, part)| part.to_owned());
            places.push(place.unwrap_or_default());
        };
        let checked = verify(dir.path(), found).expect("a directory");
        (places, checked.slabs)
    };
    let (none, slabs) = places();
    assert!(none.is_empty() && slabs > 2, "{none:?} {slabs}");
    let whole = fs::read(&segment.path).expect("a segment");
    let index = fs::read(segment.index()).expect("an index");

    let mut wrong = whole.clone();
    wrong[1_500_000] ^= 1;
    fs::write(&segment.path, &wrong).expect("a file");
    let (named, left) = places();
    assert!(named.len() == 1 && named[0].starts_with("slab 3 at byte 1"), "{named:?}");
    assert_eq!(left, slabs - 1);

    fs::write(&segment.path, &whole[..whole.len() - 100]).expect("a file");
    let (named, _) = places();
    assert!(named.iter().any(|place| place.starts_with(&format!("slab {slabs}"))), "{named:?}");

    fs::write(&segment.path, &whole).expect("a file");
    fs::write(segment.index(), &index[..index.len() - 1]).expect("a file");
    assert_eq!(places(), (vec![format!("index behind entry {}", slabs - 1)], slabs));
}

/// The seconds of the packets up to a spot.
fn read(kept: &mut Lane, until: Spot) -> (Vec<u64>, Turn) {
    let mut seconds = Vec::new();
    loop {
        let mut chunk = Chunk::default();
        let turn = kept.read(&mut chunk, until).expect("a directory");
        seconds.extend(chunk.packets.iter().map(|packet| packet.ts.0 / SEC));
        if turn != Turn::More {
            return (seconds, turn);
        }
    }
}

#[test]
fn a_window_is_read_on_while_it_grows_up_to_where_it_is_asked_to() {
    let dir = dir();
    let mut writer = writer(Room { retain: Some(Span::from_secs(16 * 50)), ..room(&dir, 1 << 30) });
    let mark = |writer: &mut PacketWriter| {
        let (told, mark) = bounded(1);
        writer.mark(told);
        mark.recv().expect("a place")
    };
    let head = Spot { segment: u64::MAX, at: 0 };
    assert_eq!(mark(&mut writer), Spot { segment: 1, at: 0 });
    let mut kept = Lane::following(dir.path(), Ts(3 * SEC)).expect("a window");
    assert_eq!(read(&mut kept, head), (vec![], Turn::End));
    write(&mut writer, 0..10);
    let first = mark(&mut writer);
    // Late packets belong to it once it has begun.
    write(&mut writer, 2..3);
    write(&mut writer, 10..20);
    let second = mark(&mut writer);
    assert_eq!(read(&mut kept, first), ((3..10).collect(), Turn::End));
    assert_eq!(kept.spot(), first);
    let rest: Vec<u64> = [2].into_iter().chain(10..20).collect();
    assert_eq!(read(&mut kept, head), (rest, Turn::End));
    assert_eq!(kept.spot(), second);
    // Segments that are begun meanwhile, of which the reader has one open.
    for start in (20..400).step_by(20) {
        write(&mut writer, start..start + 20);
        writer.flush();
    }
    let last = mark(&mut writer);
    assert!(last.segment > 3, "{last:?}");
    assert_eq!(read(&mut kept, last), ((20..400).collect(), Turn::End));
    assert_eq!(read(&mut kept, Spot { at: last.at + 1, ..last }), (vec![], Turn::Idle));
    assert_eq!(kept.gone(), 0);
}
