//! Damage to files of a window: what is whole is read, what is not is named.

use std::fs;

use super::*;
use crate::source::{Chunk, Source, Turn};
use crate::storage::losses::Losses;
use crate::storage::verify::Fault;
use crate::time::Span;

/// A window of so many seconds, each in a slab of its own, compressed; the one segment of it.
fn packed(secs: u64) -> (TempDir, Segment) {
    let dir = dir();
    let room = Room { compress: true, ..Room::new(dir.path(), 64 << 20) };
    let open = || {
        PacketWriter::new(Place::Directory(room.clone()), Taken::whole(65_535), Arc::default())
            .expect("a place to write")
    };
    let mut writer = open();
    // The frames of a compressed segment are of a mebibyte each.
    for sec in 0..secs {
        write(&mut writer, sec..sec + 1);
    }
    drop(writer);
    let mut next = open();
    write(&mut next, secs..secs + 1);
    next.flush();
    let segment = loop {
        let first = segments(dir.path()).expect("a directory").remove(0);
        if first.packed {
            break first;
        }
        std::thread::yield_now();
    };
    drop(next);
    (dir, segment)
}

/// What is named, each without the name of the segment.
fn named(dir: &Path) -> Vec<String> {
    let mut named = Vec::new();
    let found = &mut |fault: Fault| {
        let place = fault.place.split_once(", ").map_or(&*fault.place, |(_, part)| part);
        named.push(format!("{place}: {}", fault.why));
    };
    verify(dir, found).expect("a directory");
    named
}

#[test]
fn an_index_of_a_compressed_segment_costs_no_packet_wherever_it_is_damaged_or_ends() {
    let (dir, segment) = packed(3_500);
    let index = fs::read(segment.index()).expect("an index");
    let entries = index::Index::read(&segment.index(), 1).expect("an index").entries;
    assert!(entries.len() > 3 && named(dir.path()).is_empty());
    let want = seconds(dir.path(), Window::ALL);
    assert_eq!(want.len(), 3_501);
    let mut at = 16;
    for (n, entry) in entries.iter().enumerate() {
        let mut wrong = index.clone();
        wrong[at + 9] ^= 4;
        fs::write(segment.index(), &wrong).expect("a file");
        assert_eq!(seconds(dir.path(), Window::ALL), want, "entry {n} is damaged");
        let place = format!("index behind entry {n}: ");
        assert!(named(dir.path()).iter().any(|said| said.starts_with(&place)), "entry {n}");
        at += entry.stored_bytes() as usize;
        fs::write(segment.index(), &index[..at]).expect("a file");
        assert_eq!(seconds(dir.path(), Window::ALL), want, "it ends behind entry {n}");
        let place = format!("index behind entry {}: it ends before", n + 1);
        let is_named = named(dir.path()).iter().any(|said| said.starts_with(&place));
        assert_eq!(is_named, n + 1 < entries.len(), "it ends behind entry {n}");
    }
}

#[test]
fn damage_to_a_compressed_segment_is_seen_wherever_it_is_also_without_its_index() {
    let (dir, segment) = packed(60);
    fs::remove_file(segment.index()).expect("an index");
    let bytes = fs::read(&segment.path).expect("a segment");
    let file = fs::File::open(&segment.path).expect("a segment");
    let end = pack::frames_end(&file).expect("a segment").expect("a table") as usize;
    // Nothing else is in the segment than one frame.
    for at in 0..end {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        fs::write(&segment.path, &wrong).expect("a segment");
        assert_eq!(seconds(dir.path(), Window::ALL), [60], "byte {at} of {end}");
    }
}

#[test]
fn of_a_segment_that_a_crash_left_an_index_that_is_damaged_is_named_and_one_that_ends_early_is_not()
{
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..3_000);
    let segment = segments(dir.path()).expect("a directory").remove(0);
    fs::rename(&segment.path, dir.path().join("00000001.pcapng")).expect("a file");
    let index = fs::read(segment.index()).expect("an index");
    let first = index::Index::read(&segment.index(), 1).expect("an index").entries.remove(0);
    let second = 16 + first.stored_bytes() as usize;
    let check = |bytes: &[u8], want: &[&str]| {
        fs::write(segment.index(), bytes).expect("a file");
        let named = named(dir.path());
        let is_so = |(said, place): (&String, &&str)| said.contains(place);
        assert!(named.len() == want.len() && named.iter().zip(want).all(is_so), "{named:?}");
    };
    check(&index, &[]);
    for end in [0, 7, 16, second - 1, second, second + 2, index.len() - 1] {
        check(&index[..end], &[]);
    }
    check(&[&index[..second], &[0; 100]].concat(), &[]);
    for (at, want) in [(2, "index behind entry 0: the index is damaged"), (second + 9, "entry 1")] {
        let mut wrong = index.clone();
        wrong[at] ^= 1;
        check(&wrong, &[want]);
    }
}

/// What is told to who reads a window of lost packets, in seconds.
fn lost(dir: &Path, window: Window) -> Vec<(u64, u64, String)> {
    let source =
        PacketSource::open("kept".to_owned(), dir, window, By::Time, None).expect("segments");
    let losses = Losses::default();
    let mut source = source.telling(Span(SEC), losses.clone());
    let mut turn = Turn::More;
    while turn != Turn::End {
        turn = source.next(&mut Chunk::default()).expect("it reads");
    }
    let told = std::iter::from_fn(|| losses.next(None));
    told.map(|lost| (lost.from.0 / SEC, lost.to.0 / SEC, lost.why)).collect()
}

/// Two runs of which the second stored earlier times, without the last segment of the first.
fn without_its_last(keeps_index: bool) -> TempDir {
    let dir = dir();
    written(&place(&dir, 64 << 20), 10_000..16_000);
    let missing = segments(dir.path()).expect("a directory").remove(1);
    assert_eq!(missing.span.map(|(first, _)| first.0 / SEC > 13_000), Some(true));
    fs::remove_file(&missing.path).expect("a file");
    if !keeps_index {
        fs::remove_file(missing.index()).expect("a file");
        fs::write(dir.path().join("00000002.pcapng"), b"").expect("a file");
    }
    written(&place(&dir, 64 << 20), 0..100);
    if !keeps_index {
        // It is taken for one that never had a packet, until the mark of that goes too.
        assert_eq!(named(dir.path()), [""; 0]);
        fs::remove_file(dir.path().join("00000002.gone")).expect("a mark");
    }
    dir
}

#[test]
fn a_segment_that_is_missing_before_earlier_times_is_named_and_told() {
    let why = "segment 2 is missing";
    let of = |window: Window, dir: &TempDir| {
        let told = lost(dir.path(), window).into_iter();
        told.map(|(from, to, said)| (from / 1000, to / 1000, said == why)).collect::<Vec<_>>()
    };
    let named_so = ["segment 2 is missing: it was removed, or the disk lost it"];
    // Its index tells of which time it was, also after the next run.
    let known = without_its_last(true);
    assert_eq!(named(known.path()), named_so);
    assert_eq!(of(Window::ALL, &known), [(14, 15, true)]);
    assert_eq!(of(window(15_000, 15_500), &known), [(15, 15, true)]);
    assert_eq!(of(window(0, 50), &known), []);
    let listened = listened(known.path(), window(12_000, 17_000), None).expect("segments");
    assert!(listened.is_some_and(|listened| !listened.is_last));
    // Otherwise it may be of any time behind.
    let unknown = without_its_last(false);
    assert_eq!(named(unknown.path()), named_so);
    assert_eq!(of(window(0, 20_000), &unknown), [(14, 20, true)]);
    assert_eq!(of(window(0, 50), &unknown), []);
}

#[test]
fn a_segment_that_was_cut_short_is_told_also_where_its_index_is_gone() {
    for n in 0..3 {
        let dir = dir();
        written(&place(&dir, 64 << 20), 0..9_000);
        let cut = segments(dir.path()).expect("a directory").remove(n);
        let (first, last) = cut.span.map(|(a, b)| (a.0 / SEC, b.0 / SEC)).expect("a closed one");
        let bytes = fs::read(&cut.path).expect("a segment");
        fs::remove_file(cut.index()).expect("an index");
        for (left, kept) in [(0, 0), (block_at(&bytes, 100_000), 96)] {
            fs::write(&cut.path, &bytes[..left]).expect("a segment");
            let name = cut.path.file_name().expect("a name").display().to_string();
            let why = format!("`{name}` is damaged at byte {left}");
            // From behind the packet before it, where some of it is there.
            let from = if kept == 0 { first } else { first + kept - 1 };
            assert_eq!(lost(dir.path(), Window::ALL), [(from, last, why)], "{n}, {left} bytes");
            let ends = [format!("byte {left}: the segment ends before its last packet")];
            assert_eq!(named(dir.path()), ends);
            assert_eq!(lost(dir.path(), window(20_000, 30_000)), []);
        }
    }
}

#[test]
fn a_segment_that_a_kill_left_is_told_where_it_ends_before_its_index() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..9_000);
    let cut = segments(dir.path()).expect("a directory").remove(1);
    let (first, last) = cut.span.map(|(a, b)| (a.0 / SEC, b.0 / SEC)).expect("a closed one");
    fs::remove_file(&cut.path).expect("a file");
    fs::write(dir.path().join("00000002.pcapng"), b"").expect("a file");
    let why = "`00000002.pcapng` is damaged at byte 0".to_owned();
    assert_eq!(lost(dir.path(), Window::ALL), [(first, last, why)]);
}

#[test]
fn the_newest_segment_is_missed_as_long_as_its_index_is_there() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..9_000);
    let newest = segments(dir.path()).expect("a directory").pop().expect("three");
    let (first, last) = newest.span.expect("a closed one");
    fs::remove_file(&newest.path).expect("a file");
    assert_eq!(named(dir.path()), ["segment 3 is missing: it was removed, or the disk lost it"]);
    let why = || "segment 3 is missing".to_owned();
    let want = [(first.0 / SEC, last.0 / SEC, why())];
    assert_eq!(lost(dir.path(), Window::ALL), want);
    assert_eq!(lost(dir.path(), window(0, 100)), []);
    let listened = listened(dir.path(), Window::ALL, None).expect("segments");
    assert!(listened.is_some_and(|listened| !listened.is_last));
    // Its number is not used again.
    written(&place(&dir, 64 << 20), 9_000..9_001);
    assert_eq!(segments(dir.path()).expect("a directory").pop().map(|one| one.number), Some(4));
    assert_eq!(lost(dir.path(), Window::ALL), want);
    fs::remove_file(newest.index()).expect("a file");
    assert_eq!(named(dir.path()).len(), 1);
}

#[test]
fn the_newest_segment_is_missed_also_where_its_index_is_gone() {
    let dir = dir();
    written(&place(&dir, 64 << 20), 0..9_000);
    let newest = segments(dir.path()).expect("a directory").pop().expect("three");
    let (first, _) = newest.span.expect("a closed one");
    fs::remove_file(&newest.path).expect("a file");
    fs::remove_file(newest.index()).expect("an index");
    let missing = ["segment 3 is missing: it was removed, or the disk lost it"];
    assert_eq!(named(dir.path()), missing);
    let why = "segment 3 is missing".to_owned();
    assert_eq!(lost(dir.path(), window(0, 9_500)), [(first.0 / SEC - 1, 9_500, why.clone())]);
    // Its number is not used again.
    written(&place(&dir, 64 << 20), 9_000..9_001);
    assert_eq!(segments(dir.path()).expect("a directory").pop().map(|one| one.number), Some(4));
    assert_eq!(named(dir.path()), missing);
    assert_eq!(lost(dir.path(), Window::ALL), [(first.0 / SEC - 1, 9_000, why)]);
}

#[test]
fn the_newest_segment_is_not_missed_where_it_went_for_its_age() {
    let dir = dir();
    for run in [0..100, 200..300] {
        written(&place(&dir, 64 << 20), run);
    }
    remove(dir.path(), Some(Ts(400 * SEC))).expect("nobody writes");
    assert_eq!(named(dir.path()), [""; 0]);
    written(&place(&dir, 64 << 20), 500..600);
    assert_eq!(named(dir.path()), [""; 0]);
    remove(dir.path(), None).expect("nobody writes");
    assert!(!dir.path().exists());
}

#[test]
fn a_segment_that_is_missing_is_named_unless_it_went_for_its_age() {
    let dir = dir();
    let place = place(&dir, 64 << 20);
    written(&place, 0..9_000);
    let all = segments(dir.path()).expect("a directory");
    assert!(all.len() == 3 && named(dir.path()).is_empty());
    fs::remove_file(&all[1].path).expect("a file");
    assert_eq!(named(dir.path()), ["segment 2 is missing: it was removed, or the disk lost it"]);
    // What is older than an older one may go before that.
    let again = super::dir();
    let place = super::place(&again, 64 << 20);
    for run in [500..600, 0..100, 700..800] {
        written(&place, run);
    }
    remove(again.path(), Some(Ts(200 * SEC))).expect("nobody writes");
    assert_eq!(segments(again.path()).expect("a directory").len(), 2);
    assert!(named(again.path()).is_empty(), "{:?}", named(again.path()));
    written(&place, 800..801);
    assert!(named(again.path()).is_empty(), "{:?}", named(again.path()));
    // The mark goes with what is older.
    let mark = again.path().join("00000002.gone");
    assert!(mark.exists());
    remove(again.path(), Some(Ts(650 * SEC))).expect("nobody writes");
    assert!(!mark.exists());
}

#[test]
fn what_is_left_of_segments_that_have_gone_is_cleared_once_it_tells_nothing() {
    let dir = dir();
    let place = place(&dir, 64 << 20);
    for run in [500..600, 0..100, 700..800] {
        written(&place, run);
    }
    remove(dir.path(), Some(Ts(200 * SEC))).expect("nobody writes");
    let left = || {
        let files = fs::read_dir(dir.path()).expect("a directory").flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let mut left: Vec<String> = names.filter(|name| name.ends_with(".gone")).collect();
        left.sort();
        left
    };
    // As long as an older segment is there it says that none is missing.
    assert_eq!(clear(dir.path()).expect("nobody writes"), 0);
    assert_eq!(left(), ["00000002.gone"]);
    // The older one goes while a monitor runs, which leaves the mark.
    let oldest = segments(dir.path()).expect("a directory").remove(0);
    oldest.remove().expect("a segment");
    assert_eq!(left(), ["00000002.gone"]);
    let writer = PacketWriter::new(place.clone(), Taken::whole(65_535), Arc::default());
    let mut writer = writer.expect("a place to write");
    write(&mut writer, 800..801);
    writer.flush();
    while !left().is_empty() {
        std::thread::yield_now();
    }
    assert!(clear(dir.path()).is_err_and(|error| error.to_string().contains("somebody writes")));
    drop(writer);
    fs::write(dir.path().join("00000002.gone"), b"").expect("a file");
    fs::write(dir.path().join("00000001.index"), b"").expect("a file");
    assert_eq!(clear(dir.path()).expect("nobody writes"), 2);
    assert!(left().is_empty() && named(dir.path()).is_empty());
}

#[test]
fn an_index_that_lacks_something_is_made_again() {
    let (dir, segment) = packed(3_500);
    let index = fs::read(segment.index()).expect("an index");
    let first = index::Index::read(&segment.index(), 1).expect("an index").entries.remove(0);
    let mut wrong = index.clone();
    wrong[index.len() / 2] ^= 4;
    for lacking in [&wrong[..], &index[..16 + first.stored_bytes() as usize]] {
        fs::write(segment.index(), lacking).expect("a file");
        let room = Room { compress: true, ..Room::new(dir.path(), 64 << 20) };
        let mut writer =
            PacketWriter::new(Place::Directory(room), Taken::whole(65_535), Arc::default())
                .expect("a place to write");
        write(&mut writer, 9_000..9_001);
        writer.flush();
        while fs::read(segment.index()).ok().as_ref() != Some(&index) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_segment_that_a_crash_left_is_not_cut_where_it_is_damaged() {
    for (at, has_index, left) in [(2_500_000, true, 2_617), (50_000, false, 48)] {
        let dir = dir();
        written(&place(&dir, 64 << 20), 0..3_000);
        let segment = segments(dir.path()).expect("a directory").remove(0);
        let mut bytes = fs::read(&segment.path).expect("a segment");
        // The length of a block.
        let block = block_at(&bytes, at);
        bytes[block + 5] ^= 0x10;
        fs::write(dir.path().join("00000001.pcapng"), &bytes).expect("a file");
        fs::remove_file(&segment.path).expect("a file");
        if !has_index {
            fs::remove_file(segment.index()).expect("a file");
        }
        written(&place(&dir, 64 << 20), 9_000..9_001);
        let adopted = segments(dir.path()).expect("a directory").remove(0);
        assert!(adopted.span.is_some());
        assert!(fs::read(&adopted.path).is_ok_and(|now| now == bytes), "damage at {at}");
        assert_eq!(named(dir.path()).len(), 1, "{:?}", named(dir.path()));
        let seen = seconds(dir.path(), Window::ALL);
        assert!(seen.len().abs_diff(left) < 12 && seen.ends_with(&[9_000]), "{}", seen.len());
    }
}

/// Where the block begins that holds a byte of a segment.
fn block_at(segment: &[u8], at: usize) -> usize {
    let mut begin = 0;
    loop {
        let (_, rest) = pcapng::split(&segment[begin..]).expect("a block");
        if segment.len() - rest.len() > at {
            return begin;
        }
        begin = segment.len() - rest.len();
    }
}
