//! Parts beside each other say what one run over all of it says, whatever the packets are like.

use std::collections::VecDeque;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::filter::Expr;
use crate::module::{Declaration, Declared};
use crate::packet::LinkType;
use crate::packet::build::Frame;
use crate::record::Value;
use crate::storage::packets::{By, PacketSource, PacketWriter, Place, Room, Taken, cuts};
use crate::table::Aggregate;

const SECOND_NS: u64 = 1_000_000_000;

/// What addresses have sent: counts, sums, and sketches that depend on what came when.
struct Sent(Manifest);

impl Kind for Sent {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let interval = self.0.resolve(&setup.args)?.span("interval").expect("a default");
        let aggregate = |name, field: &str| {
            let args: Vec<Value> = match (name, field) {
                (_, "") => Vec::new(),
                ("quantile", field) => vec![field.into(), Value::Float(0.5)],
                (_, field) => vec![field.into()],
            };
            Aggregate::new(name, &args).expect("an aggregate")
        };
        let declaration = Declaration::default()
            .key("src", "ip.src")
            .and_then(|declaration| declaration.key("port", "dport"))
            .expect("fields")
            .value("packets", aggregate("count", ""))
            .value("first", aggregate("first", "ts"))
            .value("last", aggregate("last", "ts"))
            .value("hosts", aggregate("distinct", "ip.dst"))
            .value("median", aggregate("quantile", "len"));
        let declared = Declared::new(&declaration, &setup.limits, interval).expect("it fits");
        Ok(Started {
            filter: String::new(),
            demand: declared.demand(),
            interval,
            schema: Some(declared.schema().clone()),
            module: Box::new(declared),
            apart: true,
        })
    }
}

fn sent(interval: &str) -> Instance {
    let manifest = Manifest { name: "sent".into(), ..Manifest::default() }.with_interval();
    let mut args = crate::module::Args::default();
    args.set("interval", Value::Text(interval.into()));
    Instance { args, ..Instance::of(Arc::new(Sent(manifest))) }
}

/// How one packet follows another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Soon(u64),
    Back(u64),
    Later(u64),
    /// The writer closes its slab in the middle of an interval.
    Flush,
    /// Nobody writes for a while.
    Restart(u64),
}

pub(super) fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        30 => (0..400u64).prop_map(Then::Soon),
        1 => (0..3000u64).prop_map(Then::Back),
        1 => prop_oneof![1000..20_000u64, Just(3_700_000), Just(40_000_000)].prop_map(Then::Later),
        1 => Just(Then::Flush),
        1 => (0..20_000u64).prop_map(Then::Restart),
    ]
}

pub(super) fn write(dir: &Path, steps: &[Then]) {
    let writer = || {
        let place = Place::Directory(Room::new(dir, 16 << 20));
        let taken = Taken::whole(65_535);
        PacketWriter::new(place, taken, Arc::default()).expect("a place to write")
    };
    let mut open = Some(writer());
    let mut now = 1_000_000 * SECOND_NS;
    let mut clock = now;
    for (n, step) in steps.iter().enumerate() {
        let writer = open.get_or_insert_with(writer);
        match step {
            Then::Soon(ms) | Then::Later(ms) => now += ms * 1_000_000,
            Then::Back(ms) => now -= ms * 1_000_000,
            Then::Flush => {
                writer.flush();
                continue;
            }
            Then::Restart(ms) => {
                // A folder has one writer at a time.
                open = None;
                now += ms * 1_000_000;
                continue;
            }
        }
        // As `trace` does when an interval of its own closes.
        if now / SECOND_NS > clock / SECOND_NS {
            writer.flush();
        }
        clock = clock.max(now);
        let from = format!("10.0.0.{}:1000", n % 7);
        let to = format!("172.16.{}.1:{}", n % 50, 50 + n % 3);
        let frame = Frame::udp(from.as_str(), to.as_str()).payload(vec![0; n % 100]).bytes();
        writer.put(0, LinkType::ETHERNET, Ts(now), &frame, frame.len() as u32, None);
    }
}

pub(super) fn all(mut run: Run) -> Vec<Output> {
    let mut outputs = Vec::new();
    loop {
        match run.step().expect("no fault") {
            Step::Output(output) => outputs.push(output),
            Step::Damaged(_) | Step::Alert(_) | Step::Waiting => {}
            Step::End => return outputs,
        }
    }
}

/// What one run says of a window, and what parts of it do beside each other; and how many.
fn both(
    dir: &Path,
    (interval, len): (&str, u64),
    filter: &str,
    window: Window,
) -> (Vec<Output>, Vec<Output>, usize) {
    let filter = Expr::parse(filter).expect("a filter");
    let kept = |window| PacketSource::open("kept".to_owned(), dir, window, By::Time, Some(&filter));
    let instance = || Instance { filter: filter.to_string(), ..sent(interval) };
    let whole = Box::new(kept(window).expect("segments"));
    let covered = (whole.description().covered(), whole.description().size_bytes);
    let one = Run::start(instance(), vec![whole], window, Arc::default()).expect("a start");
    let len = Span(len * 1_000_000);
    let cuts = cuts(dir, window, Some(&filter), (len, 1000)).expect("segments");
    let windows: VecDeque<Window> = window.parts(&cuts).collect();
    let count = windows.len();
    let (dir, filter) = (dir.to_owned(), filter.clone());
    let open = move |window| -> Result<Box<dyn Source>, QueryError> {
        let kept = PacketSource::open("kept".to_owned(), &dir, window, By::Time, Some(&filter));
        Ok(Box::new(kept.map_err(QueryError::Packets)?))
    };
    let (threads, lookups) = (Threads::new(2), Arc::default());
    let open = Box::new(open);
    let losses = Losses::default();
    let parts = Parts { instance: instance(), windows, open, threads, lookups, losses };
    let beside = Run::start_beside(parts, covered, window).expect("a start");
    (all(one), all(beside), count)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(32)
    })]

    #[test]
    fn parts_say_what_one_run_says(
        steps in prop::collection::vec(then(), 1..400),
        (interval, len) in prop_oneof![
            Just(("100ms", 100)), Just(("1s", 1000)), Just(("5s", 5000))
        ],
        filter in prop_oneof![Just("all"), Just("host 10.0.0.3"), Just("port 52")],
        clip in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), &steps);
        let window = match clip {
            false => Window::ALL,
            true => Window { from: Ts(1_000_007 * SECOND_NS + 5), to: Ts(1_000_031 * SECOND_NS) },
        };
        let (one, beside, _) = both(dir.path(), (interval, len), filter, window);
        prop_assert_eq!(one, beside);
    }
}

#[test]
fn a_window_in_order_is_cut_and_silence_between_its_parts_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    // Ten packets a second for a while, then a minute of nothing, a day of nothing, and again.
    let mut steps = Vec::new();
    for pause in [60_000, 86_400_000, 0] {
        for _ in 0..20 {
            steps.extend([Then::Soon(100); 10]);
        }
        steps.push(Then::Later(pause));
    }
    write(dir.path(), &steps);
    let (one, beside, parts) = both(dir.path(), ("1s", 1000), "all", Window::ALL);
    assert!(parts > 10, "{parts}");
    assert_eq!(one, beside);
    let gaps = beside.iter().filter(|output| matches!(output, Output::Gap { .. })).count();
    assert_eq!(gaps, 1);
}

#[test]
fn a_part_that_fails_ends_the_answer_and_frees_the_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut steps = Vec::new();
    for _ in 0..50 {
        steps.extend([Then::Soon(100); 10]);
        steps.push(Then::Flush);
    }
    write(dir.path(), &steps);
    let window = Window::ALL;
    let cuts = cuts(dir.path(), window, None, (Span(SECOND_NS), 1000)).expect("segments");
    let windows = window.parts(&cuts).collect();
    let dir = dir.path().to_owned();
    let open = move |window| -> Result<Box<dyn Source>, QueryError> {
        let kept = PacketSource::open("kept".to_owned(), &dir, window, By::Time, None);
        Ok(Box::new(kept.map_err(QueryError::Packets)?))
    };
    let whole = open(window).expect("segments");
    let covered = (whole.description().covered(), None);
    let (instance, lookups) = (counter("c", "1s", 5), Arc::default());
    let (open, threads, losses) = (Box::new(open), Threads::new(2), Losses::default());
    let parts = Parts { instance, windows, open, threads, lookups, losses };
    let (_, report) = said(Run::start_beside(parts, covered, window).expect("a start"));
    assert!(report.expect_err("a fault").contains("`c` broke off: panicked: unlucky"));
}
