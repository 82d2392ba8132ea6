//! A rollup of a module's records is what the module records with the longer interval.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::batch::Batch;
use crate::intern::Interner;
use crate::module::{Declaration, Declared, Export, Limits, Module};
use crate::packet::build::{Frame, batch_of};
use crate::selection::Selection;
use crate::storage::block::{self, Encoder, Origin};
use crate::table::{AGGREGATES, Aggregate};

/// Every aggregate there is, by destination.
fn everything() -> Declaration {
    let key = Declaration::default().key("dst", "ip.dst").expect("a key");
    let more =
        ["mean(\"ip.ttl\")", "distinct(\"flow\")", "quantile(\"len\", 0.5)", "topk(\"flow\", 5)"];
    let texts = AGGREGATES.iter().map(|usage| usage.usage).chain(more);
    texts.fold(key, |all, text| all.value(text, Aggregate::parse(text).expect("an aggregate")))
}

fn batch(module: &Declared, frames: &[(u64, u8, u8, u16)]) -> Batch {
    let host = |net: u8, n: u8| crate::addr::Addr::v4([10, net, 0, n]);
    let frame = |(ms, to, from, len): &(u64, u8, u8, u16)| {
        Frame::udp(host(1, *from), host(2, *to)).len(usize::from(*len)).ts(Ts(ms * 1_000_000))
    };
    let mut batch = batch_of(frames.iter().map(frame));
    batch.decode(module.demand());
    Interner::default().fill(&mut batch, module.demand());
    batch
}

/// The records that a module makes with intervals of so many seconds, as they come out of a store.
fn run(frames: &[(u64, u8, u8, u16)], secs: u64) -> Vec<Output> {
    let len = Span::from_secs(secs);
    let module = Declared::new(&everything(), &Limits::default(), len).expect("a declaration");
    let mut module = module.keeping_states(true);
    let mut all = Vec::new();
    for frames in frames.chunk_by(|a, b| a.0 / 1000 / secs == b.0 / 1000 / secs) {
        let batch = batch(&module, frames);
        module.update(&batch, &Selection::all(batch.len()));
        let interval = Interval::holding(Ts(frames[0].0 * 1_000_000), len);
        let mut out = Export::new(interval, module.schema().clone());
        module.export(interval, &mut out);
        for records in out.into_records() {
            let rows = 0..records.rows();
            let sealed = Encoder::default().records(&Origin::default(), 0, &records, rows);
            let block = block::decode(&sealed.expect("a small block").bytes).expect("a block");
            all.push(block.into_output(&records.schema).expect("its schema"));
        }
    }
    all
}

/// Two values of a column, which may differ by how floats were added up.
fn alike(of: &str, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) if of.starts_with("ewma") || of.starts_with("rate") => {
            (a - b).abs() <= 1e-9 * b.abs().max(1.0)
        }
        (a, b) => a == b,
    }
}

#[track_caller]
fn check(frames: &[(u64, u8, u8, u16)], secs: u64) {
    let long = run(frames, secs);
    let levels = merged(10, run(frames, 1)).expect("everything merges");
    let rolled = merged(secs, levels).expect("what was merged merges again");
    assert_eq!(rolled.len(), long.len());
    for (rolled, long) in rolled.iter().zip(&long) {
        let (Output::Records(a), Output::Records(b)) = (rolled, long) else { panic!("records") };
        assert_eq!((&a.starts, a.len, a.cut, &a.schema), (&b.starts, b.len, b.cut, &b.schema));
        for (at, column) in a.schema.columns.iter().enumerate() {
            let of = &column.of;
            for row in 0..a.rows() {
                let both = (a.value(row, at), b.value(row, at));
                assert!(alike(of, &both.0, &both.1), "{of}: {both:?}");
            }
            if !of.starts_with("ewma") {
                assert_eq!(a.cells[at].states, b.cells[at].states, "{of}");
            }
        }
    }
}

fn frames() -> impl Strategy<Value = Vec<(u64, u8, u8, u16)>> {
    let frame = (0..60_000u64, 0..3u8, 0..40u8, 60..1500u16);
    vec(frame, 1..200).prop_map(|mut frames| {
        frames.sort();
        frames
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_rollup_is_what_the_module_records_with_the_longer_interval(frames in frames()) {
        check(&frames, 60);
        check(&frames, 20);
    }
}

/// Records of a mean, with what it was made of or without.
fn means(secs: std::ops::Range<u64>, keep: bool) -> Output {
    let column = Column::new("mean", Type::Float).of("mean(\"len\")");
    let mut records = Records::empty(Arc::new(Schema::new([column])), SECOND);
    secs.for_each(|sec| records.push(Ts::new(sec, 0), [Value::Float(sec as f64)]));
    if keep {
        records.cells[0].states = (0..records.rows()).map(|_| vec![10, 2]).collect();
    }
    Output::Records(records)
}

#[test]
fn records_without_states_are_refused_and_leave_their_interval_cut() {
    let mut merger = Merger::new(Span::from_secs(10), None);
    let mut all = Vec::new();
    let error = merger.push(means(0..5, false), &mut all).expect_err("no states");
    let text = error.to_string();
    assert!(
        text.contains("column `mean` cannot be merged, of its `mean(\"len\")` no more"),
        "{text}"
    );
    merger.push(means(5..20, true), &mut all).expect("states");
    assert!(merger.push(means(20..30, false), &mut all).is_err());
    all.extend(merger.finish());
    let seen = all.iter().map(|output| match output {
        Output::Records(records) => (records.starts[0], records.cut, records.value(0, 0)),
        gap => panic!("{gap:?}"),
    });
    let five = Value::Float(5.0);
    let want = [(Ts(0), true, five.clone()), (Ts::new(10, 0), false, five)];
    assert_eq!(seen.collect::<Vec<_>>(), want);
}

#[test]
fn a_state_that_cannot_be_read_leaves_the_record_cut() {
    let mut output = means(0..5, true);
    let Output::Records(records) = &mut output else { panic!("records") };
    records.cells[0].states[3] = vec![0xff];
    let all = merged(5, vec![output]).expect("states");
    let Output::Records(records) = &all[0] else { panic!("records") };
    assert_eq!((records.cut, records.value(0, 0)), (true, Value::Float(5.0)));
}
