//! Records of which not all were measured with the same filter.

use super::*;
use crate::storage::Coverage;
use crate::time::SECOND;

/// Twenty seconds of all packets, ten of those of `tcp`, ten of all.
fn room() -> Room {
    let mut room = Room::new();
    for (filter, from, to) in [("tcp", 20, 30), ("", 30, 40)] {
        let about = About { module: "m".into(), filter: filter.into(), ..About::default() };
        room.writer.open("traffic", about).expect("a store that works");
        room.commit(from, to);
    }
    room.feed.set_clock(Ts::new(40, 0));
    room
}

/// The first and last second of each run of records, and the gaps.
fn shown(room: &Room, query: &Query) -> Result<Vec<String>, QueryError> {
    let mut answer = Answer::open(query, room.place())?;
    let mut parts: Vec<String> = Vec::new();
    loop {
        match answer.step()? {
            Step::Output(Output::Gap { from, to }) => {
                parts.push(format!("gap {}-{}", from.0 / SECOND, to.0 / SECOND));
            }
            Step::Output(output) => {
                let rows = seconds(&output);
                parts.push(format!("{}-{}", rows[0], rows[rows.len() - 1]));
            }
            Step::Damaged(_) | Step::Alert(_) => {}
            Step::Waiting | Step::End => return Ok(parts),
        }
    }
}

fn query(text: &str) -> Query {
    parsed(&format!("module=traffic&wait=no&{text}")).expect("a query")
}

#[track_caller]
fn check_partly(text: &str, want: Option<u64>) {
    let room = room();
    match (shown(&room, &query(text)), want) {
        (Err(QueryError::OtherFilter { partly, .. }), Some(secs)) => {
            assert_eq!(partly, Span::from_secs(secs), "{text}");
        }
        (Ok(_), None) => {}
        (other, want) => panic!("{text}: {other:?}, not {want:?}"),
    }
}

#[test]
fn records_answer_where_all_of_them_were_measured_as_asked() {
    check_partly("filter=tcp&time=20:30", None);
    check_partly("filter=tcp&time=22:25", None);
    check_partly("filter=all&time=30:40", None);
    check_partly("filter=all&time=1:10", None);
    check_partly("filter=tcp&time=1:10", Some(0));
    check_partly("filter=tcp&time=30:40", Some(0));
    check_partly("filter=tcp&time=15:40", Some(10));
    check_partly("filter=all&time=15:40", Some(15));
    check_partly("filter=udp&time=1:40", Some(0));
}

#[test]
fn where_a_part_will_do_the_rest_is_a_gap() {
    let room = room();
    let partly = |text: &str| {
        let query = Query { partly: true, ..query(text) };
        shown(&room, &query).expect("an answer").join(" ")
    };
    assert_eq!(partly("filter=tcp&time=15:40"), "gap 15-20 20-29 gap 30-40");
    assert_eq!(partly("filter=all&time=15:40").split(' ').next_back(), Some("30-39"));
    assert!(partly("filter=all&time=15:40").contains("gap 20-30"));
}

#[test]
fn of_what_was_measured_otherwise_the_sources_tell() {
    let room = room();
    let sources = |text: &str| {
        let answer = Answer::open(&query(text), room.place()).expect("an answer");
        let said = |coverage: &Coverage| {
            let lineage = coverage.sources.iter().flat_map(|covered| covered.lineage.clone());
            format!("{} {}", coverage.since.0 / SECOND, lineage.collect::<Vec<_>>().join(", "))
        };
        let said: Vec<String> = answer.sources().iter().map(said).collect();
        (said, answer.mixed())
    };
    let (said, mixed) = sources("time=1:40");
    assert_eq!(said[said.len() - 2..], ["20 filtered by `tcp`", "30 "]);
    let text = "records before 1970-01-01T00:00:20Z are of the packets of `all`, then of `tcp`";
    assert_eq!(mixed.as_deref(), Some(text));
    assert_eq!(sources("time=20:30").1, None);
}
