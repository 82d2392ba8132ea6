//! What is stored of sampled packets.

use super::*;
use crate::packet::Weight;
use crate::source::Covered;

/// The minute, and a second one of a source that sampled one packet in 100 for half of it, and then
/// as `then` says.
fn sampled(then: &str) -> Minute {
    let minute = minute();
    let mut packets = minute.keeper();
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    for name in ["kept", "counts"] {
        writer
            .open(name, About { module: "traffic".to_owned(), ..About::default() })
            .expect("room");
        let schema = minute.store.schemas(name).expect("memory").remove(0).1;
        for (from, sampling) in [(60, "1 in 100"), (90, then)] {
            let source = "netflow:udp://0.0.0.0:2055".to_owned();
            let covered = Covered { source, sampling: sampling.to_owned(), lineage: Vec::new() };
            writer.cover(name, &[covered]);
            let mut records = Records::empty(schema.clone(), Span::from_secs(5));
            for start in (from..from + 30).step_by(5) {
                records.push(Ts::new(start, 0), [500u64.into(), 500_000u64.into()]);
            }
            writer.write(name, Output::Records(records)).expect("memory");
        }
    }
    writer.commit().expect("memory");
    for sec in 60..120 {
        let stands = Some(Weight { packets: 100, bytes: 100_000 }.into());
        packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, stands);
    }
    minute
}

/// What is said of the sampling of all that serves from `from` to `to`: in its sources, and where
/// it is explained.
#[track_caller]
fn check(minute: &Minute, (from, to): (u64, u64), want: &str) {
    let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
    for name in ["kept", "counts"] {
        let run = over(minute, name, "10s", from, to);
        assert_eq!(run.sources()[0].sources[0].sampling, want, "{name}");
    }
    let shown = minute.past().explain(asked("10s", ""), window, &Arc::default()).expect("a store");
    for row in 0..2 {
        let said = matches!(shown.value(row, 14), Value::Text(text) if text.contains(&format!(
            "it has a sample of the packets there were: sampling {want}"
        )));
        assert_eq!(said, !["unknown", "none"].contains(&want), "{:?}", shown.value(row, 14));
    }
}

#[test]
fn what_runs_over_sampled_packets_or_their_records_says_how_they_were_sampled() {
    let minute = sampled("none");
    check(&minute, (10, 40), "unknown");
    check(&minute, (60, 90), "1 in 100");
    check(&minute, (90, 120), "none");
    check(&minute, (70, 110), "varying");
    check(&sampled("1 in 100"), (70, 110), "1 in 100");
}

#[test]
fn sampled_packets_count_for_those_they_stand_for_also_afresh() {
    let minute = sampled("1 in 100");
    for name in ["kept", "counts"] {
        assert_eq!(said(over(&minute, name, "10s", 60, 80)).0, ["60 1000", "70 1000"], "{name}");
    }
}

#[test]
fn what_was_done_to_packets_is_told_also_where_their_records_are_replayed() {
    let minute = minute();
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    let about = About { module: "traffic".to_owned(), ..About::default() };
    writer.open("counts", about).expect("room");
    let lineage = ["cut at 96 bytes", "shed"].map(str::to_owned);
    let (source, sampling) = ("live:eth0".to_owned(), "none".to_owned());
    writer.cover("counts", &[Covered { source, sampling, lineage: lineage.to_vec() }]);
    let schema = minute.store.schemas("counts").expect("memory").remove(0).1;
    let mut records = Records::empty(schema, Span::from_secs(5));
    records.push(Ts::new(60, 0), [5u64.into(), 5000u64.into()]);
    writer.write("counts", Output::Records(records)).expect("memory");
    writer.commit().expect("memory");
    let told = over(&minute, "counts", "5s", 60, 65).sources()[0].sources[0].lineage.clone();
    assert_eq!(told[..2], lineage);
    assert!(told[2].starts_with("replayed from records of `counts`"), "{told:?}");
}
