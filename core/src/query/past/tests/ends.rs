//! What nobody measured at the ends of a time that is asked for.

use super::fill::all;
use super::*;

/// The minute, and another one from 100 seconds on; `kept` and `counts` say that nobody listened
/// in between.
fn two_minutes() -> Minute {
    let minute = minute();
    let mut packets = minute.keeper();
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    for name in ["kept", "counts"] {
        let about = About { module: "traffic".to_owned(), ..About::default() };
        writer.open(name, about).expect("room");
        let schema = minute.store.schemas(name).expect("memory").remove(0).1;
        let gap = Output::Gap { from: Ts::new(60, 0), to: Ts::new(100, 0) };
        writer.write(name, gap).expect("memory");
        let mut records = Records::empty(schema, Span::from_secs(5));
        for start in (100..160).step_by(5) {
            records.push(Ts::new(start, 0), [5u64.into(), 5000u64.into()]);
        }
        writer.write(name, Output::Records(records)).expect("memory");
    }
    writer.commit().expect("memory");
    for sec in 100..160 {
        packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    minute
}

/// The starts of the records of a time, and its gaps, whether those who measured run or not.
#[track_caller]
fn check((from, to): (u64, u64), starts: &[u64], gaps: &[(u64, u64)]) {
    let (minute, window) = (two_minutes(), Window { from: Ts::new(from, 0), to: Ts::new(to, 0) });
    for clock in [None, Some(Ts::new(160, 0))] {
        let heard = clock.map(|until| Heard { until, settled: until, any: true });
        let past = Past { running: &|_| heard, ..minute.past() };
        for name in ["kept", "counts"] {
            let over = Over::Instance(name.to_owned());
            let run = past.run(asked("5s", ""), &over, window, Arc::default());
            let (rows, told) = all(&mut run.expect("it serves"));
            let begun: Vec<u64> = rows.iter().map(|(start, _)| *start).collect();
            assert_eq!((&begun[..], &told[..]), (starts, gaps), "{name} {clock:?}");
        }
    }
}

#[test]
fn a_time_that_nobody_measured_is_a_gap_also_where_more_is_stored_behind() {
    check((50, 90), &[50, 55], &[(60, 90)]);
    check((70, 80), &[], &[(70, 80)]);
    check((80, 110), &[100, 105], &[(80, 100)]);
}

#[test]
fn a_time_behind_all_is_a_gap_also_where_more_may_come() {
    check((150, 200), &[150, 155], &[(160, 200)]);
}

#[test]
fn a_gap_is_told_to_the_nanosecond_so_that_a_short_record_is_one_that_it_touches() {
    let minute = minute();
    let mut packets = minute.keeper();
    let ts = Ts::new(100, 400_000_000);
    packets.put(0, LinkType::ETHERNET, ts, &[0; 60], 1000, None);
    drop(packets);
    let window = Window { from: Ts::new(59, 0), to: Ts::new(110, 0) };
    let over = Over::Instance("kept".to_owned());
    let mut run = minute.past().run(asked("1s", ""), &over, window, Arc::default());
    let run = run.as_mut().expect("it serves");
    let (mut begun, mut told) = (Vec::new(), Vec::new());
    loop {
        match run.step().expect("it runs") {
            Step::Output(Output::Gap { from, to }) => told.push((from, to)),
            Step::Output(Output::Records(records)) => begun.extend(records.starts),
            Step::End => break,
            _ => {}
        }
    }
    let just_behind = |ts: Ts| Ts(ts.0 + 1);
    let between = (just_behind(Ts::new(59, 0)), ts);
    assert_eq!(told, [between, (just_behind(ts), window.to)]);
    assert_eq!(begun, [Ts::new(59, 0), Ts::new(100, 0)]);
}

/// The minute's packets, which a kill left, or that were closed; with more records of `kept`, and a
/// gap before them where one is said.
fn started_again(is_killed: bool, gap: Option<(u64, u64)>, (from, to): (u64, u64)) -> Minute {
    let minute = minute();
    if is_killed {
        let dir = minute.dir.path().join("kept");
        let mut paths = std::fs::read_dir(&dir).expect("a folder").flatten().map(|e| e.path());
        let closed = paths.find(|path| path.extension().is_some_and(|kind| kind == "pcapng"));
        let open = dir.join("00000001.pcapng");
        std::fs::rename(closed.expect("a segment"), open).expect("a folder");
    }
    let schema = minute.store.schemas("kept").expect("memory").remove(0).1;
    let records = |from: u64, to: u64| {
        let mut records = Records::empty(schema.clone(), Span::from_secs(5));
        let starts = (from..to).step_by(5);
        starts.for_each(|start| records.push(Ts::new(start, 0), [0u64.into(), 0u64.into()]));
        Output::Records(records)
    };
    let about = || About { module: "trace".to_owned(), ..About::default() };
    let mut writer = Writer::new(minute.store.clone(), "node", 1);
    writer.open("kept", about()).expect("room");
    writer.write("kept", records(60, 70)).expect("memory");
    writer.commit().expect("memory");
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    writer.open("kept", about()).expect("room");
    if let Some((from, to)) = gap {
        let gap = Output::Gap { from: Ts::new(from, 0), to: Ts::new(to, 0) };
        writer.write("kept", gap).expect("memory");
    }
    writer.write("kept", records(from, to)).expect("memory");
    writer.commit().expect("memory");
    minute
}

/// What is told behind the minute of 50 to 200 seconds, where `kept` has heard until an instant.
#[track_caller]
fn check_end<T: AsRef<str>>(minute: &Minute, heard: Option<Heard>, want: &[T]) {
    let past = Past { running: &|_| heard, ..minute.past() };
    let window = Window { from: Ts::new(50, 0), to: Ts::new(200, 0) };
    let over = Over::Instance("kept".to_owned());
    let run = past.run(asked("5s", ""), &over, window, Arc::default());
    let want: Vec<&str> = want.iter().map(AsRef::as_ref).collect();
    assert_eq!(said(run.expect("it serves")).0[2..], want);
}

#[test]
fn the_interval_of_records_that_is_open_is_a_gap_to_who_replays_them_and_a_silent_one_is_not() {
    let minute = two_minutes();
    let over = Over::Instance("counts".to_owned());
    let window = Window { from: Ts::new(150, 0), to: Ts::new(173, 0) };
    let heard = Heard { until: Ts::new(173, 0), settled: Ts::new(170, 0), any: true };
    let past = Past { running: &|_| Some(heard), ..minute.past() };
    let run = past.run(asked("5s", ""), &over, window, Arc::default());
    let want = ["150 5", "155 5", "160 0", "165 0", "gap 170-173"];
    assert_eq!(said(run.expect("it serves")).0, want);
}

#[test]
fn of_one_that_kept_nothing_since_it_was_started_again_records_say_nothing() {
    let now = |any| Some(Heard { until: Ts::new(150, 0), settled: Ts(0), any });
    // What came behind the last packet that is there was lost, as far as is known.
    let killed = started_again(true, Some((70, 100)), (100, 150));
    check_end(&killed, None, &["gap 60-200"]);
    check_end(&killed, now(false), &["gap 60-200"]);
    let at_once = started_again(true, None, (70, 150));
    check_end(&at_once, None, &["gap 60-200"]);
    check_end(&at_once, now(false), &["gap 60-200"]);
    // Who was ended heard until then.
    let ended = started_again(false, Some((70, 100)), (100, 150));
    let silent = |to: u64| (60..to).step_by(5).map(|start| format!("{start} 0"));
    let then = |to, gap: &str| silent(to).chain([gap.to_owned()]).collect::<Vec<_>>();
    check_end(&ended, None, &then(70, "gap 70-200"));
    check_end(&ended, now(false), &then(70, "gap 70-200"));
    // What it has heard since is not written yet.
    check_end(&ended, now(true), &then(70, "gap 70-200"));
    let at_once = started_again(false, None, (70, 150));
    check_end(&at_once, now(false), &then(150, "gap 150-200"));
}

#[test]
fn who_was_given_packets_has_heard_until_now() {
    let now = Some(Heard { until: Ts::new(150, 0), settled: Ts(0), any: true });
    let growing = started_again(true, None, (70, 100));
    let silent = (60..150).step_by(5).map(|start| format!("{start} 0"));
    check_end(&growing, now, &silent.chain(["gap 150-200".to_owned()]).collect::<Vec<_>>());
}

#[test]
fn what_its_disk_did_not_take_until_the_end_is_a_gap_whatever_records_say() {
    let minute = started_again(false, None, (70, 150));
    let second = minute.dir.path().join("kept/00000002.pcapng");
    std::fs::create_dir(&second).expect("a folder");
    minute.keeper().put(0, LinkType::ETHERNET, Ts::new(100, 0), &[0; 60], 1000, None);
    check_end(&minute, None, &["gap 60-200"]);
    check_end(
        &minute,
        Some(Heard { until: Ts::new(150, 0), settled: Ts(0), any: true }),
        &["gap 60-200"],
    );
}

#[test]
fn records_of_a_run_of_which_no_packets_are_left_say_nothing_of_the_time_behind_another() {
    let minute = with_records(minute(), [60..120, 0..60]);
    check_end(&minute, None, &["gap 60-200"]);
}

/// The packets with nothing but these records of `kept`, of a run each.
fn with_records<const N: usize>(minute: Minute, runs: [std::ops::Range<u64>; N]) -> Minute {
    let minute = Minute { store: Arc::default(), ..minute };
    let schema = Arc::new(Schema::new([Column::new("packets", Type::Uint).of("count()")]));
    for (boot, secs) in (1..).zip(runs) {
        let mut writer = Writer::new(minute.store.clone(), "node", boot);
        let about = About { module: "trace".to_owned(), ..About::default() };
        writer.open("kept", about).expect("memory");
        let mut records = Records::empty(schema.clone(), Span::from_secs(5));
        secs.step_by(5).for_each(|start| records.push(Ts::new(start, 0), [1u64.into()]));
        writer.write("kept", Output::Records(records)).expect("memory");
        writer.commit().expect("memory");
    }
    minute
}

#[test]
fn who_was_silent_on_is_heard_behind_a_later_run_of_earlier_times_that_reaches_further() {
    let packets: [Vec<u64>; 2] = [(40..58).collect(), (10..60).collect()];
    let minute = kept_without(&[&packets[0], &packets[1]], 0..0);
    let minute = with_records(minute, [40..100, 10..60]);
    let silent = (60..100).step_by(5).map(|start| format!("{start} 0"));
    let want: Vec<String> = silent.chain(["gap 100-200".to_owned()]).collect();
    check_end(&minute, None, &want);
}

#[test]
fn of_a_silence_at_an_end_the_time_is_a_gap_of_which_what_another_run_kept_is_lost() {
    let minute = minute();
    let dir = minute.dir.path().join("kept");
    std::fs::remove_dir_all(&dir).expect("a folder");
    for secs in [vec![0, 12, 50], (20..31).collect()] {
        let mut keeper = minute.keeper();
        for sec in secs {
            keeper.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
        }
    }
    let second = crate::storage::packets::segments(&dir).expect("a folder").remove(1);
    std::fs::remove_file(&second.path).expect("a segment");
    let lines = |from, to| said(over(&minute, "kept", "5s", from, to)).0;
    assert_eq!(lines(10, 40), ["10 1", "15 0", "gap 20-30", "30 0", "35 0"]);
    assert_eq!(lines(10, 25), ["10 1", "15 0", "gap 20-25"]);
    assert_eq!(lines(25, 40), ["gap 25-30", "30 0", "35 0"]);
}

#[test]
fn a_silence_at_an_end_is_one_also_where_a_kill_left_later_packets() {
    let minute = minute();
    let dir = minute.dir.path().join("kept");
    std::fs::remove_dir_all(&dir).expect("a folder");
    // The last run is of earlier times than that before it.
    for secs in [&[0, 33, 50][..], &[200, 210], &[100, 110]] {
        let mut keeper = minute.keeper();
        for sec in secs {
            keeper.put(0, LinkType::ETHERNET, Ts::new(*sec, 0), &[0; 60], 1000, None);
        }
    }
    let last = crate::storage::packets::segments(&dir).expect("a folder").remove(2);
    std::fs::rename(&last.path, dir.join("00000003.pcapng")).expect("a segment");
    let lines = said(over(&minute, "kept", "5s", 30, 45)).0;
    assert_eq!(lines, ["30 1", "35 0", "40 0"]);
}

/// Runs, of which no segment spans more than ten seconds, without the segments at these places,
/// and their indexes.
fn kept_without(runs: &[&[u64]], gone: std::ops::Range<usize>) -> Minute {
    let minute = minute();
    let dir = minute.dir.path().join("kept");
    std::fs::remove_dir_all(&dir).expect("a folder");
    for run in runs {
        let retain = Some(Span::from_secs(160));
        let place = Place::Directory(Room { retain, ..Room::new(&dir, 1 << 30) });
        let keeper = PacketWriter::new(place, Taken::whole(65_535), Arc::default());
        let mut keeper = keeper.expect("a place to write");
        for sec in *run {
            keeper.put(0, LinkType::ETHERNET, Ts::new(*sec, 0), &[0; 60], 1000, None);
            keeper.flush();
        }
    }
    for segment in &crate::storage::packets::segments(&dir).expect("a folder")[gone] {
        std::fs::remove_file(segment.index()).expect("an index");
        std::fs::remove_file(&segment.path).expect("a segment");
    }
    minute
}

/// Makes each packet of the segment at a place another than was kept.
fn damage(minute: &Minute, at: usize) {
    let dir = minute.dir.path().join("kept");
    let segment = &crate::storage::packets::segments(&dir).expect("a folder")[at];
    let mut bytes = std::fs::read(&segment.path).expect("a segment");
    while let Some(packet) = bytes.windows(60).position(|bytes| bytes == [0; 60]) {
        bytes[packet] = 1;
    }
    std::fs::write(&segment.path, bytes).expect("a segment");
}

#[test]
fn what_is_damaged_behind_all_that_is_whole_of_a_run_is_a_gap_with_the_time_before_and_behind() {
    let (first, second): (Vec<u64>, _) = ((0..22).collect(), [100, 105]);
    let minute = kept_without(&[&first, &second], 0..0);
    let lines = |from, to| said(over(&minute, "kept", "1s", from, to)).0;
    // Nobody listened between the two, nor behind them; the second was silent for a while.
    damage(&minute, 2);
    let second = ["101 0", "102 0", "103 0", "104 0", "gap 105-106", "gap 106-200"];
    assert_eq!(lines(20, 200), [&["20 1", "21 1", "gap 22-101"], &second[..]].concat());
    assert_eq!(lines(50, 200), [&["gap 50-100", "gap 100-101"], &second[..]].concat());
    // The first run's last packets are lost, too.
    damage(&minute, 1);
    assert_eq!(lines(10, 200), [&["10 1", "gap 11-101"], &second[..]].concat());
    assert_eq!(lines(10, 20), ["10 1", "gap 11-20"]);
    assert_eq!(lines(12, 20), ["gap 12-20"]);
}

#[test]
fn a_time_of_which_all_segments_are_missing_is_a_gap_as_far_as_it_is_known() {
    let run: Vec<u64> = (1..22).collect();
    let (indexed, unknown) = (kept_without(&[&run], 0..0), kept_without(&[&run], 0..2));
    for segment in crate::storage::packets::segments(&indexed.dir.path().join("kept")).expect("two")
    {
        std::fs::remove_file(segment.path).expect("a segment");
    }
    let gaps = |minute: &Minute, window| {
        let over = Over::Instance("kept".to_owned());
        let run = minute.past().run(asked("5s", ""), &over, window, Arc::default());
        let (rows, gaps) = all(&mut run.expect("it serves"));
        assert_eq!(rows, []);
        gaps
    };
    let window = Window { from: Ts::new(5, 0), to: Ts::new(40, 0) };
    assert_eq!(gaps(&indexed, window), [(5, 40)]);
    assert_eq!(gaps(&unknown, window), [(5, 40)]);
    assert_eq!(gaps(&indexed, Window::ALL), [(12, 21)]);
    assert_eq!(gaps(&unknown, Window::ALL), []);
}

#[test]
fn segments_that_are_missing_in_a_row_are_a_gap_also_where_the_time_asked_for_begins_in_it() {
    let minute = kept_without(&[&[1, 2], &[10, 11], &[20, 21], &[30, 31], &[40, 41]], 2..3);
    let segments = crate::storage::packets::segments(&minute.dir.path().join("kept"));
    for segment in &segments.expect("four")[1..3] {
        std::fs::remove_file(&segment.path).expect("a segment");
    }
    let lines = |from, to| said(over(&minute, "kept", "1s", from, to)).0;
    for from in [5, 12, 25] {
        let mut rows = lines(from, 42);
        rows.retain(|line| !line.starts_with("gap"));
        assert_eq!(rows, ["40 1", "41 1"], "{from}");
    }
}

#[test]
fn an_interval_of_which_the_last_packets_are_damaged_is_no_row_of_zero() {
    let all: Vec<u64> = (0..22).collect();
    let minute = kept_without(&[&all], 0..0);
    damage(&minute, 1);
    let lines = |from, to| said(over(&minute, "kept", "5s", from, to)).0;
    // Who kept them heard on.
    assert_eq!(lines(5, 40), ["5 5", "10 1", "gap 11-25", "25 0", "30 0", "35 0"]);
    assert_eq!(lines(15, 40), ["gap 15-25", "25 0", "30 0", "35 0"]);
    assert_eq!(lines(10, 18), ["10 1", "gap 11-18"]);
}

#[test]
fn what_is_damaged_at_the_end_of_a_run_of_earlier_times_is_a_gap_from_wherever_it_is_asked() {
    let (late, early): (_, Vec<u64>) = ([60, 61], (0..33).collect());
    let minute = kept_without(&[&late, &early], 0..0);
    damage(&minute, 3);
    let lines = |from, to| said(over(&minute, "kept", "1s", from, to)).0;
    assert_eq!(lines(21, 61), ["21 1", "gap 22-60", "60 1"]);
    assert_eq!(lines(5, 70)[16..], ["21 1", "gap 22-60", "60 1", "61 1", "gap 62-70"]);
    assert_eq!(lines(25, 61), ["gap 25-60", "60 1"]);
    assert_eq!(lines(20, 30), ["20 1", "21 1", "gap 22-30"]);
    // In the order of their times, too, and behind a silence.
    let minute = kept_without(&[&[60, 61], &[10, 11], &[90, 95]], 0..0);
    damage(&minute, 2);
    let window = Window { from: Ts::new(60, 0), ..Window::ALL };
    let over = Over::Instance("kept".to_owned());
    let run = minute.past().run(asked("1s", ""), &over, window, Arc::default());
    let silent = ["91 0", "92 0", "93 0", "94 0", "gap 95-96"];
    let want = [&["60 1", "61 1", "gap 62-91"], &silent[..]].concat();
    assert_eq!(said(run.expect("it serves")).0, want);
}

#[test]
fn a_silence_of_one_run_is_of_zeros_where_what_is_missing_of_another_is_of_an_earlier_time() {
    let (late, early): (_, Vec<u64>) = ([60, 67, 90, 95], (10..40).collect());
    // The last of the second run, the first of it, and the last of the first.
    for (gone, end) in [(4..5, "gap 96-99"), (2..3, "gap 96-99"), (1..2, "gap 68-99")] {
        let minute = kept_without(&[&late, &early], gone.clone());
        let lines = |from, to| said(over(&minute, "kept", "5s", from, to)).0;
        let silent =
            if gone.start == 1 { vec!["60 1", "65 1"] } else { vec!["60 1", "65 1", "70 0"] };
        assert_eq!(lines(60, 75)[..silent.len()], silent, "{gone:?}");
        assert_eq!(lines(60, 99)[..silent.len()], silent, "{gone:?}");
        assert_eq!(lines(60, 99).last().map(String::as_str), Some(end), "{gone:?}");
        // Where it was a run of its own, it was of any time.
        let window = Window { from: Ts::new(60, 0), to: Ts::new(200, 0) };
        let dir = minute.dir.path().join("kept");
        let listened = crate::storage::packets::listened(&dir, window, None).expect("a folder");
        assert_eq!(listened.map(|listened| listened.is_last), Some(gone.start == 2), "{gone:?}");
    }
}

#[test]
fn before_a_run_whose_first_packets_came_late_all_is_a_gap_until_it_begins() {
    let late = [75, 72, 76, 90];
    for runs in [[&late[..], &[0, 1]], [&[0, 1], &late]] {
        let minute = kept_without(&runs, 0..0);
        let lines = |from, to| said(over(&minute, "kept", "1s", from, to)).0;
        assert_eq!(lines(65, 78), ["gap 65-75", "75 2", "76 1", "77 0"]);
        assert_eq!(lines(1, 77), ["1 1", "gap 2-75", "75 2", "76 1"]);
        assert_eq!(lines(73, 77), ["gap 73-75", "75 1", "76 1"]);
    }
}

#[test]
fn who_listened_before_the_first_packet_of_another_run_is_heard_whatever_came_late_in_that() {
    let third: Vec<u64> = (13..60).collect();
    let minute = kept_without(&[&[90, 12, 91], &[0, 1, 2], &third], 0..0);
    let window = Window { from: Ts::new(1, 0), to: Ts::new(100, 0) };
    let dir = minute.dir.path().join("kept");
    let behind = |sec: u64| Ts(Ts::new(sec, 0).0 + 1);
    let gap = |from, to| Window { from, to: Ts::new(to, 0) };
    let gaps = crate::storage::packets::gaps(&dir, window).expect("a folder");
    assert_eq!(gaps, [gap(behind(2), 13), gap(behind(59), 90)]);
}

#[test]
fn where_the_first_part_of_a_run_has_gone_nobody_knows_what_was_before_the_rest() {
    let (late, early): (Vec<u64>, Vec<u64>) = ((20..60).collect(), (0..5).collect());
    let minute = kept_without(&[&late, &early], 0..2);
    let lines = |from, to| said(over(&minute, "kept", "5s", from, to)).0;
    assert_eq!(lines(10, 40), ["gap 10-40"]);
    assert_eq!(lines(10, 50), ["gap 10-42", "40 3", "45 5"]);
}

#[test]
fn a_silence_at_an_end_of_the_time_asked_for_is_of_zeros_where_somebody_listened() {
    let minute = minute();
    let mut packets = minute.keeper();
    for sec in [100, 130] {
        packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    drop(packets);
    let lines = |from, to| said(over(&minute, "kept", "5s", from, to)).0;
    assert_eq!(lines(95, 112), ["gap 95-100", "100 1", "105 0", "110 0"]);
    assert_eq!(lines(118, 132), ["115 0", "120 0", "125 0", "130 1", "gap 131-132"]);
    assert_eq!(lines(110, 120), ["110 0", "115 0"]);
}
