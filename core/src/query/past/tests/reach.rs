//! What lacks a part of the time asked for that another has.

use super::*;

/// The minute with a stream `late` beside it, of records of `len` seconds from `from` to `to`, in
/// which a gap may be; nothing is cheaper to read.
fn beside(len: u64, (from, to): (u64, u64), gap: Option<(u64, u64)>) -> Minute {
    let minute = minute();
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "node", 1);
    writer.open("kept", About { module: "trace".to_owned(), ..About::default() }).expect("memory");
    let about = About { module: "traffic".to_owned(), ..About::default() };
    writer.open("late", about).expect("memory");
    let schema = Arc::new(Schema::new([
        Column::new("packets", Type::Uint).of("count()"),
        Column::new("bytes", Type::Uint).of("sum(\"len\")"),
    ]));
    let put = |writer: &mut Writer, name: &str, len: u64, from: u64, to: u64| {
        let mut records = Records::empty(schema.clone(), Span::from_secs(len));
        for start in (from..to).step_by(len as usize) {
            records.push(Ts::new(start, 0), [len.into(), (len * 1000).into()]);
        }
        writer.write(name, Output::Records(records)).expect("memory");
    };
    put(&mut writer, "kept", 5, 0, 60);
    match gap {
        Some((begin, end)) => {
            put(&mut writer, "late", len, from, begin);
            let gap = Output::Gap { from: Ts::new(begin, 0), to: Ts::new(end, 0) };
            writer.write("late", gap).expect("memory");
            put(&mut writer, "late", len, end, to);
        }
        None => put(&mut writer, "late", len, from, to),
    }
    writer.commit().expect("memory");
    let pair = Pair { stream: "late".into(), packets: false, module: "c".into() };
    minute.rates.note(pair, Took { bytes: 1000, records: 10, packets: 10, ..Took::default() });
    Minute { store, ..minute }
}

fn of_packets() -> Pair {
    Pair { stream: "kept".into(), packets: true, module: "c".into() }
}

/// What is chosen for a window, by records' and windows' own intervals, and what is said of it.
#[track_caller]
fn check(minute: &Minute, interval: &str, (from, to): (u64, u64), want: &[&str], notes: usize) {
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    let run = minute.past().run(asked(interval, ""), &Over::Best, window, Arc::default());
    let (lines, lineage) = said(run.expect("an answer"));
    let notes_said = lineage.iter().filter(|said| said.starts_with("inexact")).count();
    assert_eq!((lines, notes_said), (want.iter().map(|l| l.to_string()).collect(), notes));
}

#[test]
fn what_has_half_of_the_time_is_never_chosen_for_its_cost() {
    let minute = beside(5, (30, 60), None);
    for interval in ["60s", "30s", "10s"] {
        let window = (0, 60);
        let want: &[&str] = match interval {
            "60s" => &["0 60"],
            "30s" => &["0 30", "30 30"],
            _ => &["0 10", "10 10", "20 10", "30 10", "40 10", "50 10"],
        };
        check(&minute, interval, window, want, 0);
    }
    // Of what both have all, the cheaper is read.
    check(&beside(5, (0, 60), None), "60s", (0, 60), &["0 60"], 0);
}

#[test]
fn what_reaches_nothing_of_the_time_is_never_chosen() {
    check(&beside(20, (0, 40), None), "20s", (40, 60), &["40 20"], 0);
    check(&beside(20, (0, 40), None), "20s", (20, 60), &["20 20", "40 20"], 0);
}

#[test]
fn what_has_a_gap_is_not_chosen_where_another_has_none() {
    check(&beside(5, (0, 60), Some((30, 45))), "60s", (0, 60), &["0 60"], 0);
}

#[test]
fn an_edge_of_less_than_an_interval_may_be_missing_and_is_said() {
    let minute = beside(5, (0, 55), None);
    let take_long = Took { packets: 10, module_ns: 10 * SECOND, ..Took::default() };
    minute.rates.note(of_packets(), take_long);
    let edge = |to: Ts| {
        let window = Window { from: Ts(0), to };
        let run = minute.past().run(asked("5s", ""), &Over::Best, window, Arc::default());
        said(run.expect("an answer")).1
    };
    let lineage = edge(Ts::new(56, 0)).join("; ");
    let said = "it has nothing from 1970-01-01T00:00:55Z until 1970-01-01T00:00:56Z";
    assert!(lineage.contains("`late`") && lineage.contains(said), "{lineage}");
    // More than a small part of the whole is no edge.
    let whole = edge(Ts::new(59, 0)).join("; ");
    assert!(whole.starts_with("of just the time from") && !whole.contains("inexact"), "{whole}");
}

/// Of what a question about some time is answered that cuts intervals of records, where packets
/// take so long each.
#[track_caller]
fn check_ends((from, to): (u64, u64), packet_ns: u64, want: &str) {
    let minute = beside(5, (0, 60), None);
    let took = Took { packets: 1, module_ns: packet_ns, ..Took::default() };
    (0..8).for_each(|_| minute.rates.note(of_packets(), took));
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    let run = minute.past().run(asked("5s", ""), &Over::Best, window, Arc::default());
    let source = run.expect("an answer").sources()[0].sources[0].source.clone();
    assert_eq!(source, want, "{from}-{to}");
}

#[test]
fn just_the_time_asked_for_is_worth_a_second_and_all_cost_where_records_add_much() {
    check_ends((5, 55), 1_000, "records of late");
    check_ends((6, 55), 1_000, "packets of kept");
    check_ends((6, 55), SECOND, "records of late");
    check_ends((6, 14), SECOND, "packets of kept");
    check_ends((7, 12), SECOND, "packets of kept");
}

#[test]
fn records_that_cannot_be_replayed_are_left_for_what_has_all() {
    let minute = beside(5, (0, 30), None);
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    let about = About { module: "traffic".to_owned(), ..About::default() };
    writer.open("late", about).expect("memory");
    let schema = Arc::new(Schema::new([Column::new("packets", Type::Uint).of("count()")]));
    let mut records = Records::empty(schema, Span::from_secs(5));
    (30..60).step_by(5).for_each(|start| records.push(Ts::new(start, 0), [5u64.into()]));
    writer.write("late", Output::Records(records)).expect("memory");
    writer.commit().expect("memory");
    check(&minute, "30s", (0, 60), &["0 30", "30 30"], 0);
    let (lines, lineage) = said(over(&minute, "late", "30s", 0, 60));
    assert_eq!(lines, ["0 30", "gap 30-60"]);
    let why = "they do not say how many bytes";
    assert!(lineage.iter().any(|said| said.contains("do not say how many bytes")), "{why}");
}

#[test]
fn a_segment_that_is_missing_is_named_where_candidates_are_explained() {
    let minute = minute();
    for second in [70, 80] {
        let mut packets = minute.keeper();
        packets.put(0, LinkType::ETHERNET, Ts::new(second, 0), &[0; 60], 1000, None);
    }
    let dir = minute.dir.path().join("kept");
    let removed = std::fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path());
    let is_second = |path: &std::path::PathBuf| path.to_string_lossy().contains("00000002");
    removed.filter(is_second).for_each(|path| std::fs::remove_file(path).expect("a file"));
    let window = Window { from: Ts::new(0, 0), to: Ts::new(100, 0) };
    let shown = minute.past().explain(asked("3s", ""), window, &Arc::default()).expect("a store");
    let Value::Text(leaves_out) = shown.value(0, 14) else { panic!("it leaves something out") };
    assert!(leaves_out.contains("segment 2 is missing"), "{leaves_out}");
}
