//! What is lost of kept packets is a gap and is named, and never a zero.

use std::collections::VecDeque;
use std::path::Path;

use super::*;
use crate::packet::LinkType;
use crate::storage::packets::{By, PacketSource, PacketWriter, Place, Room, Taken, cuts, segments};

/// Ten packets a second for a minute, in slabs of two seconds each, and so many segments.
fn write(dir: &Path, segments: u64) {
    let room = || Place::Directory(Room::new(dir, 1 << 30));
    let retain = Some(Span::from_secs(60 / segments * 16));
    let room = match (segments, room()) {
        (1, place) | (_, place @ Place::File(_)) => place,
        (_, Place::Directory(room)) => Place::Directory(Room { retain, ..room }),
    };
    let mut writer =
        PacketWriter::new(room, Taken::whole(65_535), Arc::default()).expect("a place to write");
    for tenth in 0..600 {
        let ts = Ts(1_000_000 * SECOND + tenth * SECOND / 10);
        writer.put(0, LinkType::ETHERNET, ts, &[0; 968], 968, None);
        if tenth % 20 == 19 {
            writer.flush();
        }
    }
}

/// Makes bytes of a segment others: of that second and the next, counted from its own first.
fn spoil(path: &Path, secs: std::ops::Range<usize>) {
    let mut bytes = std::fs::read(path).expect("a segment");
    let head = bytes.len() % 10_000;
    for sec in secs {
        bytes[head + sec * 10_000 + 5_000] ^= 1;
    }
    std::fs::write(path, bytes).expect("a segment");
}

/// A run over the packets, at once or in parts.
fn begun(dir: &Path, apart: bool) -> Run {
    let losses = Losses::default();
    let open = {
        let (dir, losses) = (dir.to_owned(), losses.clone());
        move |window| -> Result<Box<dyn Source>, QueryError> {
            let kept = PacketSource::open("kept".to_owned(), &dir, window, By::Time, None);
            let kept = kept.map_err(QueryError::Packets)?;
            Ok(Box::new(kept.telling(Span(SECOND), losses.clone())))
        }
    };
    let (instance, lookups) = (counter("c", "1s", 0), Arc::default());
    let whole = open(Window::ALL).expect("segments");
    if apart {
        let cuts = cuts(dir, Window::ALL, None, (Span(SECOND), 100)).expect("segments");
        let windows: VecDeque<Window> = Window::ALL.parts(&cuts).collect();
        assert!(windows.len() > 5);
        let covered = (whole.description().covered(), None);
        let (open, threads) = (Box::new(open), Threads::new(2));
        let parts = Parts { instance, windows, open, threads, lookups, losses };
        Run::start_beside(parts, covered, Window::ALL).expect("a start")
    } else {
        let mut run = Run::start(instance, vec![whole], Window::ALL, lookups).expect("a start");
        run.watch(losses);
        run
    }
}

/// What it says, as seconds behind the first, what is missing in its place.
fn said(dir: &Path, apart: bool) -> Vec<String> {
    let mut run = begun(dir, apart);
    let sec = |ts: Ts| (ts.0 / SECOND).saturating_sub(1_000_000);
    let mut lines: Vec<String> = Vec::new();
    loop {
        match run.step().expect("no fault") {
            Step::Output(Output::Records(records)) => {
                for (row, start) in records.starts.iter().enumerate() {
                    let packets = records.value(row, 0).as_uint().expect("a count");
                    lines.push(format!("{} {packets}", sec(*start)));
                }
            }
            // Those that follow each other are one.
            Step::Output(Output::Gap { from, to }) => {
                let mut gaps = lines.iter_mut().filter(|line| line.starts_with("gap"));
                match gaps
                    .find_map(|gap| Some((gap.strip_suffix(&sec(from).to_string())?.len(), gap)))
                {
                    Some((begin, gap)) => gap.replace_range(begin.., &sec(to).to_string()),
                    None => lines.push(format!("gap {}-{}", sec(from), sec(to))),
                }
            }
            Step::Damaged(damage) => {
                lines.push(format!("lost {}-{}", sec(damage.from), sec(damage.to)));
            }
            Step::Alert(_) | Step::Waiting => {}
            Step::End => break,
        }
    }
    let lost = lines.iter().filter(|line| line.starts_with("lost")).count() as u64;
    assert_eq!(run.report().damaged, lost);
    // Whole intervals are not what this is about.
    lines.retain(|line| !line.ends_with(" 10"));
    lines
}

#[track_caller]
fn check(dir: &Path, want: &[&str]) {
    assert_eq!(said(dir, false), want);
    // Beside each other the parts may know of a loss before what came before it is said.
    let mut beside = said(dir, true);
    let mut want: Vec<String> = want.iter().map(|line| (*line).to_owned()).collect();
    beside.sort();
    want.sort();
    assert_eq!(beside, want);
}

#[test]
fn a_damaged_slab_is_a_gap_wherever_it_lies() {
    for (at, want) in [
        (0..1, ["lost 0-1"].as_slice()),
        (20..21, &["gap 20-22", "lost 20-21"]),
        (20..25, &["gap 20-26", "lost 20-21", "lost 22-23", "lost 24-25"]),
        (58..60, &["lost 58-59"]),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1);
        spoil(&segments(dir.path()).expect("a directory")[0].path, at);
        check(dir.path(), want);
    }
}

/// The gaps that are told, one by one.
fn gaps(dir: &Path, apart: bool) -> Vec<Output> {
    let mut all = super::beside::all(begun(dir, apart));
    all.retain(|output| matches!(output, Output::Gap { .. }));
    all
}

#[test]
fn what_is_lost_is_told_in_as_many_gaps_however_many_read_it() {
    for part in 1..8 {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 3);
        let segment = segments(dir.path()).expect("a directory").remove(1);
        let file = std::fs::OpenOptions::new().write(true).open(&segment.path).expect("a file");
        file.set_len(segment.bytes * part / 8 + 300).expect("a file");
        assert_eq!(gaps(dir.path(), true), gaps(dir.path(), false), "cut at {part} of 8");
        assert_eq!(gaps(dir.path(), true).len(), 1, "cut at {part} of 8");
    }
    for slabs in [20..21, 20..25, 20..31] {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), 1);
        spoil(&segments(dir.path()).expect("a directory")[0].path, slabs.clone());
        assert_eq!(gaps(dir.path(), true), gaps(dir.path(), false), "{slabs:?}");
    }
}

#[test]
fn a_segment_that_is_missing_is_a_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), 6);
    let all = segments(dir.path()).expect("a directory");
    assert!(all.len() > 4, "{all:?}");
    std::fs::remove_file(&all[2].path).expect("a file");
    let (first, last) = all[2].span.expect("a closed segment");
    let sec = |ts: Ts| ts.0 / SECOND - 1_000_000;
    let (from, to) = (sec(first), sec(last) + 1);
    // Its index tells when it was.
    check(dir.path(), &[&format!("gap {from}-{to}"), &format!("lost {from}-{}", to - 1)]);
    std::fs::remove_file(all[2].index()).expect("a file");
    // Just behind the packet before, until the one behind.
    let lost = format!("lost {}-{to}", from - 1);
    check(dir.path(), &[&lost, &format!("gap {from}-{to}")]);
}

#[test]
fn a_segment_that_ends_early_is_a_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), 6);
    let segment = segments(dir.path()).expect("a directory").remove(2);
    let file = std::fs::OpenOptions::new().write(true).open(&segment.path).expect("a file");
    file.set_len(segment.bytes / 2 + 300).expect("a file");
    let lines = said(dir.path(), false);
    let (_, last) = segment.span.expect("a closed segment");
    let end = last.0 / SECOND - 1_000_000 + 1;
    assert!(
        lines.iter().any(|line| line.starts_with("gap ") && line.ends_with(&format!("-{end}")))
    );
    assert!(lines.iter().any(|line| line.starts_with("lost ")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.ends_with(" 0")), "{lines:?}");
}
