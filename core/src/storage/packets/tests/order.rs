//! Runs that stored earlier times than those before them.

use std::fs;

use super::*;
use crate::source::{Chunk, Source, Turn};
use crate::storage::losses::Losses;

/// The seconds of all packets that runs have stored, as they are read, and the times told in which
/// there was nothing.
fn read(runs: &[&[u64]], window: Window) -> (Vec<u64>, Vec<(u64, u64)>) {
    read_as(runs, |dir| PacketSource::open("kept".to_owned(), dir, window, By::Time, None))
}

/// The same of all packets that came in a window.
fn read_by_arrival(runs: &[&[u64]], window: Window) -> (Vec<u64>, Vec<(u64, u64)>) {
    read_as(runs, |dir| PacketSource::open("kept".to_owned(), dir, window, By::Arrival, None))
}

fn read_as(
    runs: &[&[u64]],
    open: impl FnOnce(&Path) -> Result<PacketSource, CopyError>,
) -> (Vec<u64>, Vec<(u64, u64)>) {
    let dir = dir();
    for run in runs {
        let place = Place::Directory(Room::new(dir.path(), 1 << 30));
        let mut writer =
            PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place");
        write(&mut writer, run.iter().copied());
    }
    read_all(open(dir.path()).expect("segments"))
}

fn read_all(mut source: PacketSource) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut seconds, mut unheard, mut turn) = (Vec::new(), Vec::new(), Turn::More);
    while turn != Turn::End {
        let mut chunk = Chunk::default();
        turn = source.next(&mut chunk).expect("it reads");
        let times = chunk.unheard.iter();
        let is_told_first = |to: Ts| seconds.last().is_none_or(|sec| sec * SEC < to.0);
        assert!(times.clone().all(|window| is_told_first(window.to)), "{unheard:?}");
        unheard.extend(times.map(|w| (w.from.0 / SEC, w.to.0 / SEC)));
        for packet in &chunk.packets {
            let sec = packet.ts.0 / SEC;
            assert_eq!(chunk.data(packet), &[sec as u8; 1000][..]);
            seconds.push(sec);
        }
    }
    (seconds, unheard)
}

#[test]
fn a_run_of_earlier_times_is_read_before_one_that_was_stored_before_it() {
    let late: Vec<u64> = (5_000..9_000).collect();
    let early: Vec<u64> = (0..5_000).collect();
    let (seconds, unheard) = read(&[&late, &early], Window::ALL);
    assert!(seconds.iter().copied().eq(0..9_000));
    assert_eq!(unheard, [(4_999, 5_000)]);
    let (seconds, _) = read(&[&late, &early], window(4_000, 6_000));
    assert!(seconds.iter().copied().eq(4_000..6_000));
}

#[test]
fn runs_of_the_same_times_are_read_beside_each_other() {
    let [one, two, three] = [0, 1, 2].map(|n| (0..6_000).skip(n).step_by(3).collect::<Vec<_>>());
    let (seconds, unheard) = read(&[&one, &two, &three], Window::ALL);
    assert!(seconds.iter().copied().eq(0..6_000));
    assert_eq!(unheard, []);
}

#[test]
fn a_time_in_which_another_run_listened_is_no_gap() {
    let runs: [Vec<u64>; 3] = [(100..200).collect(), (0..50).collect(), (300..400).collect()];
    let between: Vec<u64> = (250..350).collect();
    let (seconds, unheard) = read(&[&runs[0], &runs[1], &runs[2], &between], Window::ALL);
    let want: Vec<u64> = (0..50).chain(100..200).chain(250..300).collect();
    assert!(seconds.starts_with(&want) && seconds.len() == 350 && seconds.is_sorted());
    assert_eq!(unheard, [(49, 100), (199, 250)]);
}

#[test]
fn a_time_in_which_no_run_listened_is_told_before_what_follows_on_it_whichever_run_has_that() {
    let runs: [&[u64]; 3] = [&[200, 300], &[0, 100], &[400, 500]];
    let all = vec![0, 100, 200, 300, 400, 500];
    assert_eq!(read(&runs, Window::ALL), (all.clone(), vec![(100, 200), (300, 400)]));
    let runs: [&[u64]; 4] = [&[200, 300], &[0, 100], &[400, 500], &[220, 280]];
    let (seconds, unheard) = read(&runs, Window::ALL);
    assert_eq!(seconds, [0, 100, 200, 220, 280, 300, 400, 500]);
    assert_eq!(unheard, [(100, 200), (300, 400)]);
    let (seconds, unheard) = read(&runs[..3], window(50, 350));
    assert_eq!((seconds, unheard), (vec![100, 200, 300], vec![(100, 200)]));
}

#[test]
fn what_came_late_in_a_run_stays_where_it_came() {
    let run: Vec<u64> = (0..3_000).chain([2_990, 2_995]).chain(3_000..3_100).collect();
    assert_eq!(read(&[&run], Window::ALL).0, run);
    let again: Vec<u64> = (0..100).collect();
    let (seconds, _) = read(&[&run, &again], Window::ALL);
    assert!(seconds.starts_with(&[0, 0, 1, 1]));
    assert_eq!(seconds[200 + 2_900..][..4], [2_990, 2_995, 3_000, 3_001]);
}

#[test]
fn before_the_packet_that_came_first_nobody_listened_also_where_a_later_one_is_of_an_earlier_time()
{
    let late = [15, 12, 16, 17];
    for runs in [[&[0, 1, 2][..], &late], [&late, &[0, 1, 2]]] {
        assert_eq!(read(&runs, Window::ALL), (vec![0, 1, 2, 15, 12, 16, 17], vec![(2, 15)]));
    }
    // But who listened beside it.
    let runs: [&[u64]; 3] = [&late, &[0, 1, 2], &[13, 14]];
    assert_eq!(read(&runs, Window::ALL).1, [(2, 13), (14, 15)]);
}

#[test]
fn what_came_in_a_time_is_of_it_also_where_it_came_late() {
    let run = [20, 21, 18, 23, 16, 25];
    assert_eq!(read_by_arrival(&[&run], window(0, 21)), (vec![20], vec![(0, 20)]));
    assert_eq!(read_by_arrival(&[&run], window(21, 25)), (vec![21, 18, 23, 16], vec![]));
    assert_eq!(read_by_arrival(&[&run], window(25, 30)), (vec![25], vec![]));
    // Before its first packet nobody listened, whatever times those have that came later.
    assert_eq!(read_by_arrival(&[&run], window(0, 20)), (vec![], vec![(0, 20)]));
    let long: Vec<u64> = (0..5_000).chain([4_990, 3]).chain(5_000..9_000).collect();
    assert_eq!(read_by_arrival(&[&long], window(0, 4_995)).0, long[..4_995]);
    assert_eq!(read_by_arrival(&[&long], window(4_995, 9_000)).0, long[4_995..]);
}

#[test]
fn more_runs_than_are_read_at_once_are_read_all_the_same() {
    let run: Vec<u64> = (0..50).collect();
    let (mut seconds, _) = read(&[&run[..]; 40], Window::ALL);
    seconds.sort_unstable();
    assert!(seconds.chunks(40).zip(run).all(|(all, sec)| all == [sec; 40]));
}

#[test]
fn when_more_runs_lie_beside_each_other_than_are_read_at_once_is_told() {
    let dir = dir();
    let place = || Place::Directory(Room::new(dir.path(), 1 << 30));
    let crowded = |window| {
        let source = PacketSource::open("kept".to_owned(), dir.path(), window, By::Time, None);
        let crowded = source.expect("segments").crowded();
        crowded.map(|window| (window.from.0 / SEC, window.to.0 / SEC))
    };
    for run in 0..33 {
        assert_eq!(crowded(Window::ALL), None, "of {run} runs");
        written(&place(), 10 + run..100 - run);
    }
    assert_eq!(crowded(Window::ALL), Some((42, 67)));
    assert_eq!(crowded(window(0, 30)), None);
}

#[test]
fn before_what_was_stored_first_nobody_listened_also_while_an_earlier_time_is_stored() {
    let dir = dir();
    let place = Place::Directory(Room::new(dir.path(), 1 << 30));
    written(&place, 300..400);
    let mut writer =
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place");
    write(&mut writer, 0..100);
    writer.flush();
    while writer.written().packets() < 100 {
        std::thread::yield_now();
    }
    let source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None);
    let want: Vec<u64> = (0..100).chain(300..400).collect();
    assert_eq!(read_all(source.expect("segments")), (want, vec![(99, 300)]));
}

#[test]
fn what_is_not_in_the_index_yet_was_listened_to() {
    let dir = dir();
    let place = Place::Directory(Room::new(dir.path(), 1 << 30));
    written(&place, 0..100);
    // As a crash leaves it.
    let closed = segments(dir.path()).expect("a directory").remove(0);
    fs::remove_file(closed.index()).expect("an index");
    fs::rename(&closed.path, dir.path().join("00000001.pcapng")).expect("a segment");
    assert_eq!(covered(dir.path()).expect("segments"), Some((Ts(0), Ts(99 * SEC))));
    let all = Window { from: Ts(0), to: Ts(99 * SEC + 1) };
    let listened = listened(dir.path(), Window::ALL, None).expect("segments");
    assert_eq!(
        listened,
        Some(Listened { within: all, is_last: true, is_closed: false, grows: true })
    );
}

#[test]
fn a_segment_that_has_no_packet_yet_makes_no_gap_a_silence() {
    let dir = dir();
    for run in [0..100, 200..300] {
        let place = Place::Directory(Room::new(dir.path(), 1 << 30));
        let mut writer =
            PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place");
        write(&mut writer, run);
    }
    fs::write(dir.path().join("00000009.pcapng"), b"").expect("a file");
    let source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None);
    assert_eq!(read_all(source.expect("segments")).1, [(99, 200)]);
}

#[test]
fn what_a_kill_left_open_is_closed_with_the_first_packet_that_is_kept_behind_it() {
    let dir = dir();
    let place = || Place::Directory(Room::new(dir.path(), 1 << 30));
    written(&place(), 0..100);
    let closed = segments(dir.path()).expect("a directory").remove(0);
    fs::rename(&closed.path, dir.path().join("00000001.pcapng")).expect("a segment");
    let is_open = || segments(dir.path()).expect("a directory")[0].span.is_none();
    let writer = || PacketWriter::new(place(), Taken::whole(65_535), Arc::default());
    let mut silent = writer().expect("a place");
    let (told, spot) = crossbeam_channel::bounded(1);
    silent.mark(told);
    assert_eq!(spot.recv().expect("a place").segment, 2);
    drop(silent);
    assert!(is_open());
    write(&mut writer().expect("a place"), 200..201);
    assert!(!is_open());
}

/// A run of late times, and one of earlier ones behind it, of about a thousand packets a segment.
fn late_and_early(late: std::ops::Range<u64>, early: std::ops::Range<u64>) -> TempDir {
    let dir = dir();
    for run in [late, early] {
        written(&place(&dir, 16 << 20), run);
    }
    dir
}

/// Removes the files of these beginnings.
fn lose(dir: &Path, gone: &[&str]) {
    let files = fs::read_dir(dir).expect("a directory").flatten();
    let is_gone = |file: &fs::DirEntry| {
        let name = file.file_name().to_string_lossy().into_owned();
        gone.iter().any(|begin| name.starts_with(begin))
    };
    files.filter(is_gone).for_each(|file| fs::remove_file(file.path()).expect("a file"));
}

#[test]
fn the_rest_of_a_run_of_earlier_times_is_read_in_order_where_its_first_segment_is_missing() {
    let dir = late_and_early(9_000..9_100, 0..3_000);
    lose(dir.path(), &["00000002"]);
    let source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None);
    let (seconds, _) = read_all(source.expect("segments"));
    let early = seconds.len() - 100;
    assert!(early > 1_000 && seconds[0] > 0);
    assert!(seconds[..early].iter().copied().eq(seconds[0]..3_000));
    assert!(seconds[early..].iter().copied().eq(9_000..9_100));
}

#[test]
fn two_runs_are_told_apart_where_the_end_of_one_and_the_beginning_of_the_other_are_missing() {
    let dir = late_and_early(9_000..11_500, 0..3_000);
    lose(dir.path(), &["00000003", "00000004"]);
    let losses = Losses::default();
    let source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None);
    let source = source.expect("segments").telling(Span(SEC), losses.clone());
    let (seconds, unheard) = read_all(source);
    let early = seconds.iter().position(|sec| *sec == 9_000).expect("what was stored first");
    assert!(early > 1_000 && seconds[0] > 500);
    assert!(seconds[..early].iter().copied().eq(seconds[0]..3_000));
    assert!(seconds[early..].is_sorted());
    // Those of the second run are of the time before what is left of it, those of the first are of
    // one behind it.
    assert_eq!(unheard, [(seconds[0] - 1, seconds[0]), (2_999, 9_000)]);
    let last = seconds[seconds.len() - 1];
    let told: Vec<_> = std::iter::from_fn(|| losses.next(None)).collect();
    let told = told.iter().map(|lost| (lost.from.0 / SEC, lost.to.0 / SEC, &*lost.why));
    let end = Window::ALL.to.0 / SEC;
    let want =
        [(seconds[0] - 1, seconds[0], "segment 4 is missing"), (last, end, "segment 3 is missing")];
    assert_eq!(told.collect::<Vec<_>>(), want);
}

#[test]
fn what_came_late_in_a_run_stays_where_it_came_also_where_what_stood_before_it_is_missing() {
    let dir = dir();
    let mut writer = PacketWriter::new(place(&dir, 16 << 20), Taken::whole(65_535), Arc::default())
        .expect("a place");
    write(&mut writer, (0..2_500).chain([100]).chain(2_500..2_600));
    drop(writer);
    lose(dir.path(), &["00000002"]);
    let source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None);
    let (seconds, _) = read_all(source.expect("segments"));
    assert_eq!(seconds[seconds.len() - 102..][..3], [2_499, 100, 2_500]);
}

/// What is read and told of runs where files of these beginnings are missing.
fn read_without(runs: &[&[u64]], gone: &[&str]) -> (Vec<u64>, Vec<(u64, u64)>) {
    read_as(runs, |dir| {
        lose(dir, gone);
        let source = PacketSource::open("kept".to_owned(), dir, Window::ALL, By::Time, None);
        source.map(|source| source.telling(Span(SEC), Losses::default()))
    })
}

#[test]
fn what_is_missing_is_told_in_its_time_also_where_what_follows_is_earlier() {
    let (seconds, unheard) = read_without(&[&[0, 1], &[30, 31], &[10, 11]], &["00000002_"]);
    assert_eq!((seconds, unheard), (vec![0, 1, 10, 11], vec![(1, 10), (11, 32)]));
}

#[test]
fn nothing_says_that_somebody_listened_before_a_run_whose_segment_is_missing() {
    let runs: [&[u64]; 3] = [&[0, 1, 2, 3, 4], &[15, 16, 17], &[22, 23]];
    let (seconds, unheard) = read_without(&runs, &["00000002_"]);
    assert_eq!(seconds, [0, 1, 2, 3, 4, 22, 23]);
    let (from, to) = (unheard.first().expect("a gap").0, unheard.last().expect("a gap").1);
    assert_eq!((from, to), (4, 22), "{unheard:?}");
    assert!(unheard.windows(2).all(|two| two[1].0 <= two[0].1), "{unheard:?}");
}

#[test]
fn of_segments_that_are_missing_in_a_row_each_is_told_whatever_is_left_of_them() {
    // The later times first, too.
    for (second, third) in [([15, 16], [18, 19]), ([18, 19], [15, 16]), ([18, 19], [0, 1])] {
        let runs: [&[u64]; 4] = [&[3, 4], &second, &third, &[22, 23]];
        for gone in
            [["00000002_", "00000003_"], ["00000002", "00000003_"], ["00000002_", "00000003"]]
        {
            let (seconds, mut unheard) = read_without(&runs, &gone);
            assert_eq!(seconds, [3, 4, 22, 23]);
            unheard.sort_unstable();
            let reach =
                |end: u64, time: &(u64, u64)| if time.0 <= end { end.max(time.1) } else { end };
            assert_eq!(
                unheard.iter().fold(4, reach),
                22,
                "{second:?} {third:?} {gone:?}: {unheard:?}"
            );
        }
    }
}

#[test]
fn what_is_lost_behind_the_rest_of_a_run_of_earlier_times_is_told_however_it_was_lost() {
    for is_cut in [true, false] {
        let dir = late_and_early(5_000..5_100, 0..900);
        let segment = segments(dir.path()).expect("a directory").remove(1);
        let mut bytes = fs::read(&segment.path).expect("a segment");
        let half = bytes.len() / 2;
        match is_cut {
            true => bytes.truncate(half),
            false => bytes[half..].fill(b'Z'),
        }
        fs::write(&segment.path, bytes).expect("a segment");
        let source = PacketSource::open("kept".to_owned(), dir.path(), Window::ALL, By::Time, None);
        let source = source.expect("segments").telling(Span(SEC), Losses::default());
        let (seconds, unheard) = read_all(source);
        let (left, late) = seconds.split_at(seconds.len() - 100);
        assert!(late.iter().copied().eq(5_000..5_100) && (300..500).contains(&left.len()));
        let last = left[left.len() - 1];
        assert!(matches!(unheard[..], [(from, 5_000)] if (last..=last + 1).contains(&from)));
    }
}
