//! Streams whose filter was not always the same.

use super::*;

/// The minute, of which `kept` has kept other packets for a while: from 20 to 40 seconds those of
/// `tcp`.
fn changed() -> Minute {
    let minute = minute();
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "node", 1);
    let schema = Arc::new(Schema::new([Column::new("packets", Type::Uint).of("count()")]));
    for (filter, from, to) in [("", 0, 20), ("tcp", 20, 40), ("", 40, 60)] {
        let (module, filter) = ("trace".to_owned(), filter.to_owned());
        writer.open("kept", About { module, filter, ..About::default() }).expect("memory");
        let mut records = Records::empty(schema.clone(), Span::from_secs(5));
        (from..to).step_by(5).for_each(|start| records.push(Ts::new(start, 0), [5u64.into()]));
        writer.write("kept", Output::Records(records)).expect("memory");
    }
    writer.commit().expect("memory");
    Minute { store, ..minute }
}

/// What is answered of a time for a filter, by whatever serves, and what is said of the source.
fn answered(filter: &str, from: u64, to: u64) -> Result<(Vec<String>, Vec<String>), QueryError> {
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    let run = changed().past().run(asked("10s", filter), &Over::Best, window, Arc::default());
    run.map(said)
}

#[test]
fn a_time_that_was_measured_as_asked_is_answered_whatever_was_measured_at_others() {
    for (from, to) in [(0, 20), (40, 60)] {
        let (lines, lineage) = answered("", from, to).expect("an answer");
        assert_eq!(lines, [format!("{from} 10"), format!("{} 10", from + 10)]);
        assert_eq!(lineage, [""; 0]);
    }
    let error = answered("", 20, 40).expect_err("other packets").to_string();
    assert!(error.contains("`kept`: it has only the packets of `tcp`"), "{error}");
}

#[test]
fn a_time_that_was_measured_otherwise_is_a_gap_and_said() {
    let (lines, lineage) = answered("", 0, 60).expect("an answer");
    assert_eq!(lines, ["0 10", "10 10", "gap 20-40", "40 10", "50 10"]);
    let said = "inexact: from 1970-01-01T00:00:20Z until 1970-01-01T00:00:40Z it has only the \
                packets of `tcp`";
    assert_eq!(lineage, [said]);
    let (lines, lineage) = answered("", 30, 60).expect("an answer");
    assert_eq!((lines.join(", ").as_str(), lineage.len()), ("gap 30-40, 40 10, 50 10", 1));
}

#[test]
fn a_time_that_was_measured_otherwise_is_a_gap_also_where_nothing_behind_it_is_wanted() {
    let minute = changed();
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    let mut packets = minute.keeper();
    for sec in 0..60 {
        packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
        packets.flush();
    }
    drop(packets);
    let window = Window { from: Ts::new(0, 0), to: Ts::new(60, 0) };
    let nobody = asked("10s", "host 10.0.0.9");
    let run = minute.past().run(nobody, &Over::Best, window, Arc::default());
    let (lines, _) = said(run.expect("an answer"));
    assert_eq!(lines, ["0 0", "10 0", "gap 20-40", "40 0", "50 0"]);
}

#[test]
fn who_asks_for_less_than_was_measured_is_served() {
    for filter in ["tcp", "tcp and port 80", "tcp and (src net 10.0.0.0/8 or port 443)"] {
        let (_, lineage) = answered(filter, 0, 60).expect("an answer");
        assert_eq!(lineage, [""; 0], "{filter}");
    }
    let (_, lineage) = answered("port 80", 0, 60).expect("an answer");
    assert_eq!(lineage.len(), 1);
}

#[test]
fn segments_say_by_which_filter_their_packets_were_kept_whatever_records_say() {
    let minute = minute();
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    for (filter, secs) in [("tcp", 0..30), ("all", 30..60)] {
        let place = Place::Directory(Room::new(minute.dir.path().join("kept"), 1 << 30));
        let taken = Taken { filter: filter.to_owned(), ..Taken::whole(65_535) };
        let mut writer = PacketWriter::new(place, taken, Arc::default()).expect("a place to write");
        secs.for_each(|sec| writer.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 99, None));
    }
    // Killed before the first record: there are none.
    let minute = Minute { store: Arc::default(), ..minute };
    let asked = |filter, from| {
        let window = Window { from: Ts::new(from, 0), to: Ts::new(60, 0) };
        let run = minute.past().run(asked("10s", filter), &Over::Best, window, Arc::default());
        said(run.expect("an answer"))
    };
    let (lines, lineage) = asked("", 10);
    assert_eq!(lines, ["gap 10-30", "30 10", "40 10", "50 10"]);
    assert_eq!(lineage.len(), 1);
    assert_eq!(asked("tcp port 80", 0).1, [""; 0]);
    assert_eq!(asked("", 30).1, [""; 0]);
}

#[test]
fn where_one_run_kept_all_what_another_kept_of_the_same_time_is_left_out() {
    let runs: [&[(&str, std::ops::Range<u64>)]; 3] = [
        &[("all", 0..40), ("tcp", 10..30)],
        &[("tcp", 10..30), ("all", 0..40)],
        &[("all", 0..40), ("tcp", 70..80), ("tcp", 10..30)],
    ];
    for runs in runs {
        let minute = minute();
        let dir = minute.dir.path().join("kept");
        std::fs::remove_dir_all(&dir).expect("a folder");
        for (filter, secs) in runs {
            let place = Place::Directory(Room::new(&dir, 1 << 30));
            let taken = Taken { filter: (*filter).to_owned(), ..Taken::whole(65_535) };
            let keeper = PacketWriter::new(place, taken, Arc::default());
            let mut keeper = keeper.expect("a place to write");
            for sec in secs.clone() {
                keeper.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 99, None);
            }
        }
        let minute = Minute { store: Arc::default(), ..minute };
        let window = Window { from: Ts::new(5, 0), to: Ts::new(60, 0) };
        let run = minute.past().run(asked("10s", ""), &Over::Best, window, Arc::default());
        let (lines, _) = said(run.expect("an answer"));
        assert_eq!(lines, ["0 5", "10 10", "20 10", "30 10", "gap 40-60"], "{runs:?}");
        // Whoever names it gets what it has.
        let (lines, _) = said(over(&minute, "kept", "10s", 10, 40));
        assert_eq!(lines, ["10 20", "20 20", "30 10"], "{runs:?}");
    }
}

/// Runs of a `trace` one after another, each with a filter, the seconds of the packets it kept, and
/// when there are records of it; over all of which a module runs for all packets.
#[track_caller]
fn check_runs(
    runs: &[(&str, std::ops::Range<u64>, std::ops::Range<u64>)],
    (from, to): (u64, u64),
    want: &[&str],
) {
    let minute = minute();
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "node", 1);
    let schema = Arc::new(Schema::new([Column::new("packets", Type::Uint).of("count()")]));
    for (filter, secs, heard) in runs {
        let (module, filter) = ("trace".to_owned(), (*filter).to_owned());
        let about = About { module, filter: filter.clone(), ..About::default() };
        writer.open("kept", about).expect("memory");
        let mut records = Records::empty(schema.clone(), Span::from_secs(5));
        heard.clone().step_by(5).for_each(|start| records.push(Ts::new(start, 0), [1u64.into()]));
        writer.write("kept", Output::Records(records)).expect("memory");
        let place = Place::Directory(Room::new(minute.dir.path().join("kept"), 1 << 30));
        let taken = Taken { filter, ..Taken::whole(65_535) };
        let mut keeper = PacketWriter::new(place, taken, Arc::default()).expect("a place to write");
        for sec in secs.clone() {
            keeper.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
        }
    }
    writer.commit().expect("memory");
    let minute = Minute { store, ..minute };
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    let window = if to == 0 { Window::ALL } else { window };
    let run = minute.past().run(asked("10s", ""), &Over::Best, window, Arc::default());
    assert_eq!(said(run.expect("an answer")).0, want, "{from}-{to}");
}

#[test]
fn what_a_kill_left_open_is_of_no_time_behind_its_last_packet() {
    let minute = Minute { store: Arc::default(), ..minute() };
    let dir = minute.dir.path().join("kept");
    std::fs::remove_dir_all(&dir).expect("a folder");
    for (filter, secs) in [("all", 0..31), ("tcp", 40..60)] {
        let taken = Taken { filter: filter.to_owned(), ..Taken::whole(65_535) };
        let place = Place::Directory(Room::new(&dir, 1 << 30));
        let mut keeper = PacketWriter::new(place, taken, Arc::default()).expect("a place");
        for sec in secs {
            keeper.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
        }
    }
    for segment in crate::storage::packets::segments(&dir).expect("a folder") {
        let growing = dir.join(format!("{:08}.pcapng", segment.number));
        std::fs::rename(&segment.path, growing).expect("a segment");
    }
    let window = Window { from: Ts::new(20, 0), to: Ts::new(50, 0) };
    // Who keeps the others runs on.
    let heard = Some(Heard { until: Ts::new(60, 0), settled: Ts::new(60, 0), any: true });
    let past = Past { running: &|_| heard, ..minute.past() };
    let run = past.run(asked("5s", ""), &Over::Best, window, Arc::default());
    let lines = said(run.expect("it serves")).0;
    assert_eq!(lines, ["20 5", "25 5", "30 1", "gap 31-50"]);
}

#[test]
fn a_time_of_other_packets_behind_which_nothing_is_kept_is_a_gap() {
    let rows = ["0 10", "10 10"];
    let all = |gaps: &[&'static str]| [&rows[..], gaps].concat();
    // It was heard on, and nothing was kept.
    let heard = [("all", 0..20, 0..20), ("tcp", 20..40, 20..60)];
    check_runs(&heard, (0, 60), &all(&["gap 20-60"]));
    check_runs(&heard, (0, 90), &all(&["gap 20-90"]));
    check_runs(&heard, (10, 90), &["10 10", "gap 20-90"]);
    check_runs(&heard, (0, 0), &all(&["gap 20-60"]));
    // Only records say of which packets it was.
    let silent = [("all", 0..20, 0..20), ("tcp", 0..0, 20..60)];
    check_runs(&silent, (0, 60), &all(&["gap 20-60"]));
    check_runs(&silent, (0, 0), &all(&["gap 20-60"]));
}

#[test]
fn a_silence_of_other_packets_is_a_gap_wherever_the_time_asked_for_ends() {
    let runs = [("all", 0..20, 0..20), ("tcp", 20..21, 20..60), ("all", 60..80, 60..80)];
    check_runs(&runs, (0, 50), &["0 10", "10 10", "gap 20-50"]);
    check_runs(&runs, (10, 80), &["10 10", "gap 20-60", "60 10", "70 10"]);
    check_runs(&runs, (40, 80), &["gap 40-60", "60 10", "70 10"]);
}

#[test]
fn behind_a_time_of_other_packets_a_silence_of_those_asked_for_is_no_gap() {
    let runs = [("all", 0..20, 0..20), ("tcp", 20..30, 20..40), ("all", 0..0, 40..60)];
    let want = ["0 10", "10 10", "gap 20-40", "40 0", "50 0", "gap 60-90"];
    check_runs(&runs, (0, 60), &want[..5]);
    check_runs(&runs, (0, 90), &want);
}

#[test]
fn of_several_filters_that_is_named_which_the_time_asked_for_has() {
    let minute = minute();
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    let schema = minute.store.schemas("counts").expect("memory").remove(0).1;
    for (filter, start) in [("udp", 60), ("", 65), ("tcp", 70)] {
        let (module, filter) = ("traffic".to_owned(), filter.to_owned());
        writer.open("counts", About { module, filter, ..About::default() }).expect("memory");
        let mut records = Records::empty(schema.clone(), Span::from_secs(5));
        records.push(Ts::new(start, 0), [5u64.into(), 5000u64.into()]);
        writer.write("counts", Output::Records(records)).expect("memory");
    }
    writer.commit().expect("memory");
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    let window = Window { from: Ts::new(65, 0), to: Ts::new(75, 0) };
    let run = minute.past().run(asked("5s", ""), &Over::Best, window, Arc::default());
    let (lines, lineage) = said(run.expect("an answer"));
    assert_eq!(lines, ["65 5", "gap 70-75"]);
    let said = "inexact: from 1970-01-01T00:01:10Z until 1970-01-01T00:01:15Z it has only the \
                packets of `tcp`";
    assert!(lineage.iter().any(|line| line == said), "{lineage:?}");
}

#[test]
fn behind_what_fits_no_interval_is_told_in_which_nothing_does() {
    let minute = minute();
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    for (filter, secs) in [("all", 0..20), ("tcp", 43..46)] {
        let place = Place::Directory(Room::new(minute.dir.path().join("kept"), 1 << 30));
        let taken = Taken { filter: filter.to_owned(), ..Taken::whole(65_535) };
        let mut keeper = PacketWriter::new(place, taken, Arc::default()).expect("a place to write");
        for sec in secs {
            keeper.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 99, None);
            keeper.flush();
        }
    }
    let minute = Minute { store: Arc::default(), ..minute };
    for (filter, rows) in [("", ["0 10", "10 10"]), ("host 10.0.0.9", ["0 0", "10 0"])] {
        let asked = asked("10s", filter);
        let run = minute.past().run(asked, &Over::Best, Window::ALL, Arc::default());
        let (lines, _) = said(run.expect("an answer"));
        assert_eq!(lines[..2], rows, "{filter}");
        assert_eq!(lines[2..], ["gap 20-45"], "{filter}");
    }
}
