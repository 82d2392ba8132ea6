//! Merging by the clock of a test: who waits for whom, how long, and in which order packets come.

use super::*;
use crate::packet::{LinkType, Packet};
use crate::queue::Sender;
use crate::source::Description;

const MS: u64 = 1_000_000;

/// A merge of sources which a test plays, and what time it is.
struct Played {
    merge: Merge,
    ends: Vec<Sender<Delivery>>,
    start: Instant,
}

/// Sources of these paces and delays in milliseconds, merged with a window of 10 ms.
fn play(sources: &[(Pace, u64)]) -> Played {
    let (ends, feeds) = sources
        .iter()
        .zip(0..)
        .map(|(&(pace, delay), number)| {
            let name = format!("source{number}");
            let delay = Span(delay * MS);
            Feed::of_test(number, &Description { delay, ..Description::new(name, pace) })
        })
        .unzip();
    Played { merge: Merge::new(feeds, WINDOW_DEFAULT), ends, start: Instant::now() }
}

impl Played {
    /// Hands over packets of these milliseconds.
    fn send(&self, source: usize, times: &[u64]) -> bool {
        let packet = |ms: &u64| Packet {
            ts: Ts(ms * MS),
            offset: 0,
            cap_len: 0,
            wire_len: 100,
            region: 0,
            link: LinkType::RAW,
            source: 0,
            marks: 0,
        };
        let chunk = Chunk { packets: times.iter().map(packet).collect(), ..Chunk::default() };
        self.ends[source].send_within(Delivery::Chunk(chunk, true), Duration::ZERO).is_ok()
    }

    fn end(&self, source: usize) {
        assert!(self.ends[source].send(Delivery::End(None)).is_ok());
    }

    /// What comes when the test's clock says `ms`: `source: times`, one run after another, and
    /// why there is no more.
    #[track_caller]
    fn check(&mut self, ms: u64, want: &str) {
        let now = self.start + Duration::from_millis(ms);
        let mut got = Vec::new();
        loop {
            match self.merge.step(now, &mut Stopwatch::start()) {
                Next::Run(Run { source, from, to, .. }) => {
                    let packets = &self.merge.chunk(source).packets[from..to];
                    let times: Vec<_> = packets.iter().map(|p| (p.ts.0 / MS).to_string()).collect();
                    got.push(format!("{source}: {}", times.join(" ")));
                }
                Next::Held => got.push("held".to_owned()),
                Next::Quiet => got.push("quiet".to_owned()),
                Next::End => got.push("end".to_owned()),
            }
            if !got.last().is_some_and(|last| last.contains(':')) {
                break;
            }
        }
        assert_eq!(got.join(", "), want, "at {ms} ms");
    }
}

#[test]
fn a_wire_alone_waits_for_nobody() {
    let mut played = play(&[(Pace::Live, 100)]);
    played.send(0, &[1, 2]);
    played.check(2, "0: 1 2, quiet");
}

#[test]
fn packets_wait_for_a_slower_wire_as_long_as_it_takes() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Live, 100)]);
    played.send(0, &[1000]);
    played.check(0, "held");
    played.check(99, "held");
    // The slow wire hands over what it saw before that.
    played.send(1, &[990, 1005]);
    played.check(100, "1: 990, 0: 1000, held");
    played.check(109, "held");
    played.check(110, "1: 1005, quiet");
}

#[test]
fn a_silent_wire_holds_others_for_its_delay_and_the_window_but_never_stalls_them() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Live, 100)]);
    for turn in 0..50 {
        played.send(0, &[turn * 200]);
        played.check(turn * 200, "held");
        played.check(turn * 200 + 109, "held");
        played.check(turn * 200 + 110, &format!("0: {}, quiet", turn * 200));
    }
}

#[test]
fn a_wire_is_not_shed_while_another_is_waited_for() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Live, 100)]);
    // Far more than its queue has room for.
    for ms in 0..20 {
        assert!(played.send(0, &[ms]), "there is room at {ms} ms");
        played.check(ms, "held");
    }
    played.send(1, &[10]);
    let early: Vec<_> = (0..=10).map(|ms| format!("0: {ms}")).collect();
    let early = early.join(", ");
    played.check(20, &format!("{early}, 1: 10, held"));
}

#[test]
fn a_wire_that_has_given_too_much_to_hold_goes_on() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Live, 60_000)]);
    let held = HELD_MAX as u64;
    for ms in 0..held {
        assert!(played.send(0, &[ms]));
        played.check(ms, "held");
    }
    assert!(played.send(0, &[held]));
    played.check(held, "0: 0, held");
}

#[test]
fn what_a_wire_has_given_says_that_nothing_earlier_comes() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Live, 100)]);
    played.send(1, &[50]);
    played.send(0, &[40, 45, 55]);
    played.check(60, "0: 40 45, 1: 50, held");
    played.check(169, "held");
    played.check(170, "0: 55, quiet");
}

#[test]
fn a_file_waits_once_for_a_silent_wire_and_for_other_files_always() {
    let mut played = play(&[(Pace::Stored, 0), (Pace::Live, 0)]);
    played.send(0, &[1, 2]);
    played.check(0, "held");
    played.check(10, "0: 1 2, quiet");
    played.send(0, &[3]);
    played.check(10, "0: 3, quiet");

    let mut played = play(&[(Pace::Stored, 0), (Pace::Stored, 0)]);
    played.send(0, &[1, 2]);
    played.check(60_000, "held");
    played.send(1, &[2]);
    played.check(60_000, "0: 1 2, held");
    played.end(0);
    played.check(60_000, "1: 2, quiet");
    played.end(1);
    played.check(60_000, "end");
}

#[test]
fn a_wire_does_not_wait_for_a_silent_stream_twice() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Stream, 0)]);
    played.send(0, &[1]);
    played.check(0, "held");
    played.check(10, "0: 1, quiet");
    played.send(0, &[2]);
    played.check(10, "0: 2, quiet");
}

#[test]
fn what_is_at_hand_when_the_monitor_stops_waits_for_nobody() {
    let mut played = play(&[(Pace::Live, 0), (Pace::Live, 100)]);
    played.send(0, &[1]);
    played.check(0, "held");
    played.merge.close();
    played.check(0, "0: 1, quiet");
}
