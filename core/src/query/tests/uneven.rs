//! Times asked for that cut the intervals of records.

use super::*;

#[test]
fn an_answer_of_whole_intervals_says_so_where_other_times_were_asked_for() {
    let room = Room::new();
    let said = |time: &str| {
        let answer = ask(&room, &format!("module=traffic&time={time}&wait=no"));
        inexact::reasons(answer.expect("an answer").sources())
    };
    let whole = "it is of whole intervals of 1s, from 1970-01-01T00:00:06Z until \
        1970-01-01T00:00:09Z";
    assert_eq!(said("5.5:8.25"), [whole]);
    assert_eq!(said("5:8"), [""; 0]);
    // The clock stands anywhere.
    assert_eq!(said("-5500ms:-2s"), [""; 0]);
    // Nothing is stored beyond.
    assert_eq!(said("5:20.5"), [""; 0]);
}
