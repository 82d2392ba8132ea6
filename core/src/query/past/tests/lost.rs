//! Packets whose records are lost: they alone tell when somebody listened.

use std::ops::Range;

use super::fill::all;
use super::*;

/// A minute of packets, one a second, and another one from 100 seconds on, without any records.
fn two_minutes() -> Minute {
    of_runs(&[0..60, 100..160])
}

/// Packets of runs, one a second, without any records.
fn of_runs(runs: &[Range<u64>]) -> Minute {
    let minute = Minute { store: Arc::default(), ..minute() };
    let dir = minute.dir.path().join("kept");
    std::fs::remove_dir_all(&dir).expect("a folder");
    for secs in runs.iter().cloned() {
        let taken = Taken { filter: "all".to_owned(), ..Taken::whole(65_535) };
        let packets =
            PacketWriter::new(Place::Directory(Room::new(&dir, 1 << 30)), taken, Arc::default());
        let mut packets = packets.expect("a place to write");
        for sec in secs {
            packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
        }
    }
    minute
}

/// The starts of the records of a time, and its gaps, of which those that touch are one.
#[track_caller]
fn check((from, to): (u64, u64), starts: &[u64], gaps: &[(u64, u64)]) {
    check_of(&two_minutes(), (from, to), starts, gaps);
}

#[track_caller]
fn check_of(minute: &Minute, (from, to): (u64, u64), starts: &[u64], gaps: &[(u64, u64)]) {
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    for over in [Over::Best, Over::Instance("kept".to_owned())] {
        let run = minute.past().run(asked("5s", ""), &over, window, Arc::default());
        let (rows, told) = all(&mut run.expect("it serves"));
        let begun: Vec<u64> = rows.iter().map(|(start, _)| *start).collect();
        let told = told.iter().fold(Vec::<(u64, u64)>::new(), |mut told, &(from, to)| {
            match told.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => told.push((from, to)),
            }
            told
        });
        assert_eq!((&begun[..], &told[..]), (starts, gaps), "{over:?}");
    }
}

#[test]
fn a_time_in_which_nobody_listened_is_a_gap() {
    check((50, 90), &[50, 55], &[(60, 90)]);
    check((70, 80), &[], &[(70, 80)]);
    check((80, 110), &[100, 105], &[(80, 100)]);
}

/// Takes all bytes from the segments with these numbers, and their indexes too where `all` goes.
fn emptied(minute: &Minute, numbers: &[u64], all: bool) {
    let segments = packets::segments(&minute.dir.path().join("kept")).expect("a folder");
    for segment in segments.iter().filter(|segment| numbers.contains(&segment.number)) {
        std::fs::write(&segment.path, b"").expect("a file");
        all.then(|| std::fs::remove_file(segment.index()).expect("an index"));
    }
}

/// Gives the newest segment the name of one that a kill left.
fn left_open(minute: &Minute) {
    let dir = minute.dir.path().join("kept");
    let newest = packets::segments(&dir).expect("a folder").pop().expect("a segment");
    let open = dir.join(format!("{:08}.pcapng", newest.number));
    std::fs::rename(newest.path, open).expect("a file");
}

#[test]
fn segments_of_which_all_is_lost_are_gaps_and_so_is_what_lies_between() {
    let minute = of_runs(&[0..20, 40..60, 100..120]);
    emptied(&minute, &[1, 2], true);
    check_of(&minute, (0, 110), &[100, 105], &[(0, 100)]);
    check_of(&minute, (5, 15), &[], &[(5, 15)]);
    // Of runs beside each other no one has what all have lost.
    let minute = of_runs(&[20..40, 15..35, 100..120]);
    emptied(&minute, &[1, 2], false);
    check_of(&minute, (10, 110), &[100, 105], &[(10, 100)]);
}

#[test]
fn a_time_of_which_all_is_lost_is_a_gap_also_where_a_killed_run_kept_packets_behind() {
    let minute = of_runs(&[0..20, 100..120]);
    emptied(&minute, &[1], true);
    left_open(&minute);
    check_of(&minute, (0, 30), &[], &[(0, 30)]);
}

#[test]
fn a_time_in_which_nobody_listened_is_a_gap_also_where_a_killed_run_kept_packets_behind() {
    let minute = of_runs(&[80..100, 0..20, 1000..1020]);
    left_open(&minute);
    check_of(&minute, (10, 90), &[10, 15, 80, 85], &[(20, 80)]);
}

#[test]
fn times_are_counted_from_the_newest_packet() {
    let (minute, query) = (two_minutes(), |time: &str| {
        let query = Query::parse([("module", "c"), ("time", time)]).expect("a query");
        Query { wait: false, ..query }
    });
    let last = Ts(Ts::new(159, 0).0 + 1);
    let window = |time| minute.past().window(&query(time), None).expect("a window");
    assert_eq!(window("-5s:0"), Window { from: last - Span::from_secs(5), to: last });
    // Where anything goes on, that is the clock.
    let asked = minute.past().window(&query("-5s:0"), Some(Ts::new(500, 0)));
    assert_eq!(asked.expect("a window").to, Ts::new(500, 0));
}
