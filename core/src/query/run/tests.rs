//! Runs for one question: records as they close, faults, and readers that leave.

use super::*;
use crate::supervisor::tests::{counter, source};
use crate::time::{SECOND, Ts};

fn window(from: u64, to: u64) -> Window {
    Window { from: Ts::new(from, 0), to: Ts::new(to, 0) }
}

/// What a run says, step by step: the seconds at which records start, and how it ended.
fn said(mut run: Run) -> (Vec<String>, Result<Report, String>) {
    let mut lines = Vec::new();
    loop {
        match run.step() {
            Ok(Step::Output(Output::Records(records))) => {
                lines.extend(records.starts.iter().map(|start| (start.0 / SECOND).to_string()));
            }
            Ok(Step::Output(Output::Gap { from, to })) => {
                lines.push(format!("gap {}-{}", from.0 / SECOND, to.0 / SECOND));
            }
            Ok(Step::Damaged(_) | Step::Waiting) => {}
            Ok(Step::End) => return (lines, Ok(run.report())),
            Err(error) => return (lines, Err(error.to_string())),
        }
    }
}

#[test]
fn records_are_those_of_intervals_that_touch_the_window() {
    let sources = vec![source(&[1, 6, 11, 16, 21])];
    let run =
        Run::start(counter("c", "5s", 0), sources, window(7, 16), Arc::default()).expect("a start");
    let (lines, report) = said(run);
    assert_eq!(lines, ["5", "10", "15"]);
    assert_eq!(report.expect("no fault").rows, 3);
}

#[test]
fn a_module_that_fails_says_so_behind_what_it_gave() {
    let sources = vec![source(&[1, 2, 6, 7, 8])];
    let run =
        Run::start(counter("c", "5s", 3), sources, Window::ALL, Arc::default()).expect("a start");
    let (_, report) = said(run);
    assert!(report.expect_err("a fault").contains("`c` broke off: panicked: unlucky"));
}

#[test]
fn one_that_nobody_waits_for_ends() {
    let seconds: Vec<u64> = (0..100_000).collect();
    let sources = vec![source(&seconds)];
    let mut run =
        Run::start(counter("c", "1s", 0), sources, Window::ALL, Arc::default()).expect("a start");
    while !matches!(run.step(), Ok(Step::Output(_))) {}
    let monitor = run.monitor.take().expect("it runs");
    // As dropping it does: nobody reads, and it is told to stop.
    let (_, nobody) = bounded(0);
    run.outputs = nobody;
    monitor.stop();
    let ended = monitor.wait();
    assert!(ended.status.packets < 100_000, "{}", ended.status.packets);
}
