//! The plan against the slow walk, and what it promises its callers.

use proptest::prelude::*;

use crate::batch::Batch;
use crate::filter::naive::{self, Raw};
use crate::filter::{Expr, Plan};
use crate::packet::LinkType;
use crate::packet::build::{Frame, batch_of};
use crate::selection::Selection;

fn parse(text: &str) -> Expr {
    Expr::parse(text).expect("a filter")
}

/// A batch of the frames, decoded and filtered.
fn run(plan: &mut Plan, frames: &[Frame]) -> Batch {
    let mut batch = naive::decoded(frames, plan.demand());
    plan.run(&mut batch);
    batch
}

fn traffic() -> Vec<Frame> {
    vec![
        Frame::tcp("10.0.0.1:1024", "10.0.0.2:80").flags(2),
        Frame::udp("10.0.0.1:53", "192.168.1.1:1024"),
        Frame::tcp("[fe80::1]:1024", "[fe80::2]:443"),
        Frame::arp("10.0.0.1", "10.0.0.2", true),
        Frame::tcp("10.0.0.1:1024", "10.0.0.2:80").vlan(5).payload("GET / HTTP/1.1"),
    ]
}

/// Which of the packets above a filter picks.
#[track_caller]
fn check(text: &str, want: &[usize]) {
    let mut plan = Plan::default();
    let slot = plan.add(&parse(text));
    let batch = run(&mut plan, &traffic());
    let picked: Vec<usize> = batch.pick(slot).expect("a slot").iter().collect();
    assert_eq!(picked, want, "{text}");
}

#[test]
fn picks_what_it_says() {
    check("all", &[0, 1, 2, 3, 4]);
    check("not all", &[]);
    check("ip", &[0, 1, 4]);
    check("ip6", &[2]);
    check("tcp", &[0, 2, 4]);
    check("host 10.0.0.1", &[0, 1, 3, 4]);
    check("dst host 10.0.0.2", &[0, 3, 4]);
    check("port 80 or port 443", &[0, 2, 4]);
    check("tcp[tcpflags] & tcp-syn != 0", &[0]);
    check("tcp.flags.syn", &[0]);
    check("ip[9] == 6", &[0]);
    check("vlan and ip[9] == 6", &[4]);
    check("ip proto 6", &[0]);
    check("proto 6", &[0, 2, 4]);
    check("vlan 5", &[4]);
    check("vlan and vlan", &[]);
    check("payload contains \"GET \"", &[4]);
    check("arp.dst == 10.0.0.2", &[3]);
    check("untagged and not arp", &[0, 1, 2]);
    check("ether proto 0x8100", &[4]);
    check("ether proto \\ip", &[0, 1]);
}

/// A beacon of `guests` received at -60 dBm over noise of -95, one of no name at -85 over -90, and
/// a frame whose receiver said nothing.
fn wireless() -> Vec<Frame> {
    let beacon = |signal: i8, noise: i8, name: &[u8]| {
        let header = [0, 0, 10, 0, 0x60, 0, 0, 0, signal.cast_unsigned(), noise.cast_unsigned()];
        let bytes = [&header[..], &[0x80], &[0; 35], &[0, name.len() as u8], name].concat();
        Frame::raw(LinkType::RADIOTAP, bytes)
    };
    let bare = Frame::raw(LinkType::IEEE802_11, [0x08, 1, 0, 0]);
    vec![beacon(-60, -95, b"guests"), beacon(-85, -90, b""), bare]
}

#[test]
fn picks_by_signal_and_network() {
    let check = |text: &str, want: &[usize]| {
        let mut plan = Plan::default();
        let slot = plan.add(&parse(text));
        let batch = run(&mut plan, &wireless());
        let picked: Vec<usize> = batch.pick(slot).expect("a slot").iter().collect();
        assert_eq!(picked, want, "{text}");
    };
    check("wlan", &[0, 1, 2]);
    check("radio.signal < -60", &[1]);
    check("radio.signal >= -60", &[0]);
    check("radio.signal in -85..-60", &[0, 1]);
    check("radio.signal in {-85, -1}", &[1]);
    check("radio.signal < 0", &[0, 1]);
    check("radio.signal > 0", &[]);
    check("radio.signal - radio.noise > 10", &[0]);
    check("radio.noise - radio.signal > -10", &[1]);
    check("radio.signal & 1 == 1", &[1]);
    check("wlan.ssid == \"guests\"", &[0]);
    check("wlan.ssid == \"guest\"", &[]);
    check("wlan.ssid contains \"est\"", &[0]);
    check("wlan.ssid == \"\"", &[1]);
    check("not wlan.ssid contains \"g\"", &[1, 2]);
    check("wlan.type == mgt and wlan.subtype == 8", &[0, 1]);
    check("to_ds", &[2]);
}

#[test]
fn slots_stay_while_others_come_and_go() {
    let mut plan = Plan::default();
    let slots = ["tcp", "udp", "arp"].map(|text| plan.add(&parse(text)));
    assert_eq!(slots, [0, 1, 2]);
    plan.remove(1);
    let batch = run(&mut plan, &traffic());
    let counts: Vec<usize> = (0..3).filter_map(|s| batch.pick(s)).map(Selection::count).collect();
    assert_eq!(counts, [3, 0, 1]);
    assert_eq!(plan.add(&parse("ip6")), 1);
    let batch = run(&mut plan, &traffic());
    assert_eq!(batch.pick(1).map(Selection::count), Some(1));
    plan.remove(17);
}

#[test]
fn equal_parts_of_different_filters_are_one_step() {
    let mut plan = Plan::default();
    plan.add(&parse("tcp and dport 80"));
    let alone = plan.steps.len();
    plan.add(&parse("dport == 80 and tcp"));
    assert_eq!(plan.steps.len(), alone);
    plan.add(&parse("tcp and dport 443"));
    assert_eq!(plan.steps.len(), alone + 2, "a test and what joins it to `tcp`");
}

#[test]
fn counting_everything_asks_for_nothing() {
    let mut plan = Plan::default();
    plan.add(&parse(""));
    plan.add(&parse("len > 100 and source == 0"));
    assert_eq!(plan.demand(), crate::field::Demand::NONE.singly());
    plan.add(&parse("tcp"));
    assert!(plan.demand().keeps_layers());
    assert_eq!(plan.demand().fields().count(), 0, "words for layers need no column");
}

#[test]
fn works_without_memory_of_its_own_once_it_has_run() {
    let mut plan = Plan::default();
    plan.add(&parse("tcp and dport 80"));
    let mut batch = batch_of(traffic());
    batch.decode(plan.demand());
    plan.run(&mut batch);
    let picks = batch.take_picks();
    let (place, room) = (picks.as_ptr(), picks.capacity());
    batch.set_picks(picks);
    plan.run(&mut batch);
    let picks = batch.take_picks();
    assert_eq!((picks.as_ptr(), picks.capacity()), (place, room));
}

#[test]
fn fields_of_sampled_packets_are_weighted() {
    let mut plan = Plan::default();
    plan.add(&parse("packets > 1"));
    let sampled = Frame::udp("10.0.0.1:1", "10.0.0.2:2").weight(10, 1000);
    let batch = run(&mut plan, &[sampled, traffic().remove(0)]);
    assert_eq!(batch.pick(0).map(|p| p.iter().collect::<Vec<_>>()), Some(vec![0]));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn the_plan_agrees_with_the_slow_walk(
        filters in prop::collection::vec(naive::raw(), 1..5),
        frames in naive::batch(),
    ) {
        let mut plan = Plan::default();
        let exprs: Vec<Expr> = filters.iter().map(Raw::expr).collect();
        for (slot, expr) in exprs.iter().enumerate() {
            prop_assert_eq!(plan.add(expr), slot);
        }
        let batch = run(&mut plan, &frames);
        for (slot, filter) in filters.iter().enumerate() {
            let picked = batch.pick(slot).expect("a slot");
            for at in 0..batch.len() {
                // The slow walk sees headers also where the plan asked for none.
                let full = naive::decoded(&frames[at..=at], crate::field::Demand::NONE.layers());
                prop_assert_eq!(
                    picked.contains(at), filter.passes(&full, 0),
                    "packet {} of {}, `{}`", at, batch.len(), exprs[slot]
                );
            }
        }
    }

    #[test]
    fn canonical_text_parses_to_the_same_filter(filter in naive::raw()) {
        let expr = filter.expr();
        let text = expr.to_string();
        let parsed = crate::filter::parse(&text);
        let parsed = parsed.map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        prop_assert_eq!(&parsed.expr, &expr, "{}", text);
        prop_assert_eq!(parsed.warnings, vec![], "{}", text);
        // Twice the opposite is the same.
        let opposite = expr.clone().not();
        prop_assert_eq!(opposite.clone().not().not(), opposite);
    }

    #[test]
    fn no_text_makes_the_parser_fail_otherwise_than_by_an_error(
        text in "[a-z0-9.:/()\\[\\]{}<>=!&|, \"\\\\-]{0,40}",
    ) {
        if let Err(e) = crate::filter::parse(&text) {
            prop_assert!(text.get(e.at()).is_some(), "{:?} in {:?}", e.at(), text);
        }
    }
}
