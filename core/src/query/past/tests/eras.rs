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
