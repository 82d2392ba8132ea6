//! Candidates: who serves, who does not and why, and who is best.

mod cut;
mod ends;
mod eras;
mod fill;
mod lost;
mod reach;
mod sampled;
mod shed;

use tempfile::TempDir;

use super::*;
use crate::field::Field;
use crate::packet::LinkType;
use crate::query::rates::{Pair, Took};
use crate::query::{Over, Run, Step, Steps};
use crate::record::Output;
use crate::record::{Column, Records, Schema, Type, Value};
use crate::storage::packets::{PacketWriter, Place, Room, Taken};
use crate::storage::{About, MemoryStore, Writer};
use crate::supervisor::Instance;
use crate::supervisor::tests::counter;
use crate::time::SECOND;
use crate::time::Span;

/// A minute of which packets are kept, one a second, and records of five seconds each.
pub(super) struct Minute {
    dir: TempDir,
    store: Arc<MemoryStore>,
    rates: Arc<Rates>,
}

pub(super) fn minute() -> Minute {
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place::Directory(Room::new(dir.path().join("kept"), 1 << 30));
    let mut writer =
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place to write");
    for sec in 0..60 {
        writer.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    drop(writer);
    let store = Arc::new(MemoryStore::default());
    let mut writer = Writer::new(store.clone(), "node", 1);
    let about = About { module: "traffic".to_owned(), ..About::default() };
    writer.open("counts", about).expect("memory");
    writer.open("kept", About { module: "trace".to_owned(), ..About::default() }).expect("memory");
    let schema = Arc::new(Schema::new([
        Column::new("packets", Type::Uint).of("count()"),
        Column::new("bytes", Type::Uint).of("sum(\"len\")"),
    ]));
    let mut records = Records::empty(schema, Span::from_secs(5));
    for start in (0..60).step_by(5) {
        records.push(Ts::new(start, 0), [5u64.into(), 5000u64.into()]);
    }
    // What keeps packets says how many of each interval.
    writer.write("kept", Output::Records(records.clone())).expect("memory");
    writer.write("counts", Output::Records(records)).expect("memory");
    writer.commit().expect("memory");
    let rates = Arc::new(Rates::default());
    // A packet's worth for each.
    let took = |records, record_ns| Took {
        bytes: 1000,
        read_ns: 1000,
        records,
        replay_ns: records * record_ns,
        packets: 10,
        module_ns: 1000,
    };
    let pair = |stream: &str, packets| Pair { stream: stream.into(), packets, module: "c".into() };
    rates.note(pair("kept", true), took(0, 0));
    rates.note(pair("counts", false), took(10, 100));
    Minute { dir, store, rates }
}

impl Minute {
    /// What writes more packets to where the minute's are kept.
    fn keeper(&self) -> PacketWriter {
        let place = Place::Directory(Room::new(self.dir.path().join("kept"), 1 << 30));
        PacketWriter::new(place, Taken::whole(65_535), Arc::default()).expect("a place to write")
    }

    pub(super) fn past(&self) -> Past<'_> {
        Past {
            store: self.store.clone(),
            packets: self.dir.path(),
            own: &|_| None,
            running: &|_| None,
            threads: Threads::default(),
            rates: self.rates.clone(),
        }
    }
}

pub(super) fn asked(interval: &str, filter: &str) -> Instance {
    Instance { filter: filter.to_owned(), ..counter("c", interval, 0) }
}

/// Runs over the minute from 10 to 40 seconds, and returns each record's start and packets.
fn counts(minute: &Minute, instance: Instance, over: &Over) -> Result<Vec<(u64, u64)>, QueryError> {
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let mut run = minute.past().run(instance, over, window, Arc::default())?;
    let mut rows = Vec::new();
    loop {
        match run.step()? {
            Step::Output(Output::Records(records)) => rows.extend((0..records.rows()).map(|row| {
                let packets = records.value(row, 0).as_uint().expect("a count");
                (records.starts[row].0 / SECOND, packets)
            })),
            Step::Output(Output::Gap { .. })
            | Step::Damaged(_)
            | Step::Alert(_)
            | Step::Waiting => {}
            Step::End => return Ok(rows),
        }
    }
}

/// What is chosen for an instance, and why not the others.
#[track_caller]
fn check(interval: &str, filter: &str, want: &[(&str, Option<&str>)]) {
    let minute = minute();
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let shown = minute.past().explain(asked(interval, filter), window, &Arc::default());
    let shown = shown.expect("a store");
    let text = |row, column| match shown.value(row, column) {
        Value::Text(text) => Some(text),
        _ => None,
    };
    let got: Vec<_> = (0..shown.rows()).map(|row| (text(row, 0), text(row, 13))).collect();
    let want: Vec<_> =
        want.iter().map(|(name, why)| (Some(name.to_string()), why.map(str::to_owned))).collect();
    assert_eq!(got, want);
    assert_eq!(shown.value(0, 12), Value::Bool(true));
}

#[test]
fn records_are_read_before_packets_where_they_say_enough() {
    check("10s", "", &[("counts", None), ("kept", None)]);
    let rows = counts(&minute(), asked("10s", ""), &Over::Best).expect("an answer");
    assert_eq!(rows, [(10, 10), (20, 10), (30, 10)]);
}

#[test]
fn packets_are_read_where_records_do_not_say_enough() {
    let coarse = "its records are of 5s and 3s are asked for";
    check("3s", "", &[("kept", None), ("counts", Some(coarse))]);
    let proto = "it does not say `ip.proto`, protocol number behind IPv6 extension headers";
    check("10s", "tcp", &[("kept", None), ("counts", Some(proto))]);
    let each = "it says what packets come to, not what each was";
    check("10s", "len > 500", &[("kept", None), ("counts", Some(each))]);
    let rows = counts(&minute(), asked("10s", "len > 500"), &Over::Best).expect("an answer");
    assert_eq!(rows, [(10, 10), (20, 10), (30, 10)]);
}

#[test]
fn records_do_not_serve_who_reads_what_they_do_not_say() {
    let arp = "it does not say which packets are those of `arp`";
    check("10s", "arp", &[("kept", None), ("counts", Some(arp))]);
    check("10s", "not arp", &[("kept", None), ("counts", Some(arp))]);
    let needs = Needs::of(asked("10s", "")).expect("it starts");
    let needs = Needs { if_any: vec![Field::EthType], ..needs };
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let minute = minute();
    let candidates = minute.past().candidates(&needs, window).expect("a store");
    let shown: Vec<_> =
        candidates.iter().map(|one| (one.name.as_str(), one.reservation.as_deref())).collect();
    let lacks = format!("it does not say `eth.type`, {}", Field::EthType.doc());
    assert_eq!(shown, [("kept", None), ("counts", Some(&*lacks))]);
}

#[test]
fn who_is_asked_for_by_name_is_taken_or_named_as_the_reason() {
    let minute = minute();
    let named = |name: &str| Over::Instance(name.to_owned());
    let rows = counts(&minute, asked("10s", ""), &named("kept")).expect("an answer");
    assert_eq!(rows, [(10, 10), (20, 10), (30, 10)]);
    let error = counts(&minute, asked("10s", ""), &named("cept")).expect_err("no such");
    assert_eq!(error.to_string(), "no module `cept`; did you mean `kept`?");
    let error = counts(&minute, asked("10s", "tcp"), &named("counts")).expect_err("no ports");
    assert!(error.to_string().contains("`counts`: it does not say `ip.proto`"), "{error}");
}

#[test]
fn what_has_nothing_of_the_window_is_not_opened() {
    let minute = minute();
    // No segment: whoever opened it would say so.
    std::fs::create_dir(minute.dir.path().join("empty")).expect("a folder");
    let later = Window { from: Ts::new(1000, 0), to: Ts::new(2000, 0) };
    let shown = minute.past().explain(asked("10s", ""), later, &Arc::default()).expect("a store");
    for row in 0..3 {
        assert_eq!(shown.value(row, 12), Value::Bool(false));
        assert_eq!(shown.value(row, 13), "it has nothing of the time asked for".into());
    }
}

/// What a run says: the start and packets of each record, and its gaps, in seconds; and what it
/// says of its source.
fn said(mut run: Run) -> (Vec<String>, Vec<String>) {
    let mut lines = Vec::new();
    loop {
        match run.step().expect("no fault") {
            Step::Output(Output::Records(records)) => {
                lines.extend((0..records.rows()).map(|row| {
                    let packets = records.value(row, 0).as_uint().expect("a count");
                    format!("{} {packets}", records.starts[row].0 / SECOND)
                }));
            }
            Step::Output(Output::Gap { from, to }) => {
                // It may begin just behind a packet.
                lines.push(format!("gap {}-{}", from.0.div_ceil(SECOND), to.0 / SECOND));
            }
            Step::Damaged(_) | Step::Alert(_) | Step::Waiting => {}
            Step::End => return (lines, run.sources()[0].sources[0].lineage.clone()),
        }
    }
}

fn over(minute: &Minute, name: &str, interval: &str, from: u64, to: u64) -> Run {
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    let over = Over::Instance(name.to_owned());
    minute.past().run(asked(interval, ""), &over, window, Arc::default()).expect("a start")
}

#[test]
fn a_window_within_intervals_is_exact_over_packets_and_whole_over_records_which_say_so() {
    let minute = minute();
    let (lines, lineage) = said(over(&minute, "kept", "10s", 12, 33));
    assert_eq!(lines, ["10 8", "20 10", "30 3"]);
    let just = "of just the time from 1970-01-01T00:00:12Z until 1970-01-01T00:00:33Z, also where \
                that cuts an interval";
    assert_eq!(lineage, [just]);
    assert_eq!(said(over(&minute, "kept", "10s", 10, 70)).1, [""; 0]);
    let (lines, lineage) = said(over(&minute, "counts", "10s", 12, 33));
    assert_eq!(lines, ["10 10", "20 10", "30 5"]);
    let whole = "inexact: it is of whole intervals of 5s, from 1970-01-01T00:00:10Z until \
                 1970-01-01T00:00:35Z";
    assert_eq!(lineage[1..], [whole]);
    let (lines, lineage) = said(over(&minute, "counts", "10s", 15, 35));
    assert_eq!(lines.join(", "), "10 5, 20 10, 30 5");
    assert!(lineage.len() == 2 && lineage[1].starts_with("of just the time from"), "{lineage:?}");
}

#[test]
fn a_time_in_which_nothing_was_heard_is_a_gap_and_no_zeros() {
    let minute = minute();
    let mut writer = minute.keeper();
    for sec in [73, 74, 88] {
        writer.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    drop(writer);
    // The monitor did not run between 60 and 73, and from 74 to 88 nothing was sent.
    let (lines, _) = said(over(&minute, "kept", "5s", 50, 100));
    assert_eq!(lines, ["50 5", "55 5", "gap 60-73", "70 2", "75 0", "80 0", "85 1", "gap 89-100"]);
    let (lines, _) = said(over(&minute, "kept", "5s", 62, 90));
    assert_eq!(lines, ["gap 62-73", "70 2", "75 0", "80 0", "85 1", "gap 89-90"]);
    let window = Window { from: Ts::new(50, 0), to: Ts::new(100, 0) };
    let shown = minute.past().explain(asked("3s", ""), window, &Arc::default()).expect("a store");
    let gap = "there is a gap from 1970-01-01T00:00:59.000000001Z until 1970-01-01T00:01:13Z; \
               there is nothing from 1970-01-01T00:01:28.000000001Z on";
    assert_eq!((shown.value(0, 0), shown.value(0, 14)), ("kept".into(), gap.into()));
    let (lines, _) = said(over(&minute, "kept", "5s", 50, 70));
    assert_eq!(lines, ["50 5", "55 5", "gap 60-70"]);
    // Of an interval that was heard in part the rest is a gap, however long it is.
    let (lines, _) = said(over(&minute, "kept", "50s", 0, 100));
    assert_eq!(lines, ["0 50", "50 13", "gap 60-73", "gap 89-100"]);
    let (lines, _) = said(over(&minute, "kept", "200s", 0, 200));
    assert_eq!(lines, ["0 63", "gap 60-73", "gap 89-200"]);
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    let about = About { module: "traffic".to_owned(), ..About::default() };
    writer.open("counts", about).expect("memory");
    writer.write("counts", Output::Gap { from: Ts::new(60, 0), to: Ts::new(70, 0) }).expect("room");
    let schema = minute.store.schemas("counts").expect("memory").remove(0).1;
    let mut records = Records::empty(schema, Span::from_secs(5));
    records.push(Ts::new(70, 0), [2u64.into(), 2000u64.into()]);
    writer.write("counts", Output::Records(records)).expect("room");
    writer.commit().expect("memory");
    let (lines, _) = said(over(&minute, "counts", "5s", 50, 100));
    assert_eq!(lines, ["50 5", "55 5", "gap 60-70", "70 2", "gap 75-100"]);
}

#[test]
fn runs_that_were_stored_in_another_order_count_in_their_own_intervals() {
    let minute = minute();
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    let place = || Place::Directory(Room::new(minute.dir.path().join("kept"), 1 << 30));
    for secs in [30..60, 0..30, 10..50] {
        let writer = PacketWriter::new(place(), Taken::whole(65_535), Arc::default());
        let mut writer = writer.expect("a place to write");
        secs.for_each(|sec| {
            writer.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None)
        });
    }
    let (lines, _) = said(over(&minute, "kept", "10s", 0, 60));
    assert_eq!(lines, ["0 10", "10 20", "20 20", "30 20", "40 20", "50 10"]);
}

#[test]
fn a_window_of_which_nothing_is_stored_is_answered_with_nothing() {
    let minute = minute();
    let later = Window { from: Ts::new(1000, 0), to: Ts::new(2000, 0) };
    let run = minute.past().run(asked("10s", "tcp"), &Over::Best, later, Arc::default());
    let mut run = run.expect("a start");
    let missed = run.missed().expect("nothing is there").to_string();
    let there = "no packets of `kept` in this time: there are from 1970-01-01T00:00:00Z to \
                 1970-01-01T00:00:59.000000001Z";
    assert_eq!((missed.as_str(), run.sources()), (there, &[][..]));
    while run.step().expect("no fault") != Step::End {}
    assert_eq!((run.report().rows, run.report().gaps), (0, 0));
}

#[test]
fn what_costs_least_is_chosen_by_what_it_took_before() {
    let minute = minute();
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let explained = || {
        let past = minute.past();
        past.explain(asked("10s", ""), window, &Arc::default()).expect("a store")
    };
    let shown = explained();
    assert_eq!(shown.value(0, 0), "counts".into());
    // Six records of 100 ns, and six packets of 100 ns, beside a few bytes.
    assert_eq!((shown.value(0, 5), shown.value(0, 6)), (Value::Uint(6), Value::Uint(6)));
    let rates = [7, 8, 9].map(|column| shown.value(0, column));
    assert_eq!(rates, [1.0, 100.0, 100.0].map(Value::Float));
    assert_eq!(shown.value(0, 11), "earlier runs".into());
    // Replaying turns out to be dear.
    let pair = Pair { stream: "counts".into(), packets: false, module: "c".into() };
    let dear = Took { records: 10, replay_ns: 1 << 40, packets: 10, ..Took::default() };
    minute.rates.note(pair, dear);
    let shown = explained();
    assert_eq!((shown.value(0, 0), shown.value(0, 12)), ("kept".into(), Value::Bool(true)));
}

#[test]
fn what_nobody_ran_yet_is_sampled_once() {
    let minute = Minute { rates: Arc::default(), ..minute() };
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let measured = || {
        let past = minute.past();
        let shown = past.explain(asked("10s", ""), window, &Arc::default()).expect("a store");
        [0, 1].map(|row| shown.value(row, 11))
    };
    assert_eq!(measured(), ["a sample".into(), "a sample".into()]);
    assert_eq!(measured(), ["earlier runs".into(), "earlier runs".into()]);
    let rows = counts(&minute, asked("10s", ""), &Over::Best).expect("an answer");
    assert_eq!(rows, [(10, 10), (20, 10), (30, 10)]);
}
