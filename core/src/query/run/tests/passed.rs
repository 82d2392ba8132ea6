//! What the index leaves out changes no row: a run says what it says where all packets are read.

use std::path::Path;

use proptest::prelude::*;

use super::beside::{Then, all, then, write};
use super::*;
use crate::filter::Expr;
use crate::storage::packets::{By, PacketSource};

/// What a module that writes a row in every interval says of a window, where what the filter does
/// not need is left out, or is not; and how much of it was read.
fn said_of(
    dir: &Path,
    interval: &str,
    (filter, leaves_out): (&str, bool),
    (window, by): (Window, By),
) -> (Vec<Output>, u64) {
    let filter = Expr::parse(filter).expect("a filter");
    let needed = leaves_out.then_some(&filter);
    let kept = PacketSource::open("kept".to_owned(), dir, window, by, needed).expect("segments");
    let instance = Instance { filter: filter.to_string(), ..counter("c", interval, 0) };
    let len = Span(crate::supervisor::task(instance.clone()).expect("a task").interval.0);
    let kept = kept.telling(len, Losses::default());
    let bytes = kept.expected().bytes;
    let run = Run::start(instance, vec![Box::new(kept)], window, Arc::default());
    (all(run.expect("a start")), bytes)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(48)
    })]

    #[test]
    fn what_is_left_out_changes_no_row(
        runs in prop::collection::vec(prop::collection::vec(then(), 1..300), 1..3),
        interval in prop_oneof![Just("10ms"), Just("1s"), Just("5s")],
        filter in prop_oneof![
            Just("host 10.0.0.3"), Just("host 172.16.7.1"), Just("port 52"), Just("port 9")
        ],
        clip in any::<bool>(),
        by in prop_oneof![Just(By::Time), Just(By::Arrival)],
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        runs.iter().for_each(|steps| write(dir.path(), steps));
        let window = match clip {
            false => Window::ALL,
            true => Window { from: Ts(1_000_007 * SECOND + 5), to: Ts(1_000_031 * SECOND) },
        };
        let [left_out, read] = [true, false]
            .map(|leaves_out| said_of(dir.path(), interval, (filter, leaves_out), (window, by)).0);
        prop_assert_eq!(left_out, read);
    }
}

#[test]
fn hours_in_which_others_were_heard_are_rows_of_zeros() {
    let dir = tempfile::tempdir().expect("a directory");
    // A packet every ten seconds for three hours, and a slab every minute.
    let steps = std::iter::repeat_n(Then::Soon(10_000), 3 * 360);
    let steps: Vec<Then> = steps
        .enumerate()
        .flat_map(|(n, step)| [Some(step), (n % 6 == 5).then_some(Then::Flush)])
        .flatten()
        .collect();
    write(dir.path(), &steps);
    let of = (Window::ALL, By::Time);
    let (outputs, bytes) = said_of(dir.path(), "10s", ("port 9", true), of);
    let is_records = |output: &&Output| matches!(output, Output::Records(_));
    assert_eq!(outputs.iter().filter(is_records).count(), outputs.len());
    assert_eq!(outputs.len(), 3 * 360);
    assert_eq!(bytes, 0);
}
