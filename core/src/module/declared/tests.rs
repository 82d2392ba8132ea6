//! Declared modules by the records they make, and by the words they are refused with.

use super::*;
use crate::field::{Field, Id};
use crate::packet::build::{Frame, batch_of};
use crate::record::{Type, Value};

fn aggregate(name: &str, of: &str) -> Aggregate {
    let args: &[Value] = if of.is_empty() { &[] } else { &[of.into()] };
    Aggregate::new(name, args).expect("an aggregate")
}

fn top_destinations() -> Declaration {
    Declaration::default()
        .key("addr", "ip.dst")
        .expect("a key")
        .value("bytes", aggregate("sum", "len"))
        .value("packets", aggregate("count", ""))
}

fn seconds(n: u64) -> Span {
    Span::from_secs(n)
}

fn start(declaration: &Declaration) -> Declared {
    Declared::new(declaration, &Limits::default(), seconds(5)).expect("a declaration")
}

/// One packet of 100 bytes at second `at` to host `to`.
fn packet(at: u64, to: u8) -> Frame {
    let to = crate::addr::Addr::v4([10, 0, 0, to]);
    Frame::udp(crate::addr::Addr::v4([10, 9, 9, 9]), to).len(100).ts(Ts::new(at, 0))
}

fn update(module: &mut Declared, frames: Vec<Frame>) {
    let mut batch = batch_of(frames);
    batch.decode(module.demand());
    crate::intern::Interner::default().fill(&mut batch, module.demand());
    module.update(&batch, &Selection::all(batch.len()));
}

fn export(module: &mut Declared, at: u64, last: bool) -> Records {
    let interval = Interval::holding(Ts::new(at, 0), seconds(5));
    let mut out = Export::new(interval, module.schema().clone());
    if last {
        out = out.closing();
    }
    module.export(interval, &mut out);
    let records = out.into_records();
    assert_eq!(records.len(), 1);
    records.into_iter().next().expect("one block")
}

fn rows(records: &Records) -> Vec<Vec<String>> {
    let cell = |row, column| match records.value(row, column) {
        Value::Addr(addr) => addr.to_string(),
        Value::Uint(x) => x.to_string(),
        Value::Time(ts) => ts.parts().0.to_string(),
        Value::Null => "-".to_owned(),
        other => format!("{other:?}"),
    };
    let columns = records.schema.columns.len();
    (0..records.rows()).map(|row| (0..columns).map(|c| cell(row, c)).collect()).collect()
}

#[test]
fn every_row_becomes_a_record_in_the_order_of_the_keys() {
    let mut module = start(&top_destinations());
    update(&mut module, vec![packet(1, 7), packet(1, 3), packet(2, 7)]);
    let records = export(&mut module, 0, false);
    assert_eq!(rows(&records), [["10.0.0.3", "100", "1"], ["10.0.0.7", "200", "2"]]);
    assert!(!records.cut);
    assert_eq!(records.schema.columns[1].unit, "bytes");
    // The next interval begins empty.
    assert_eq!(export(&mut module, 5, false).rows(), 0);
}

#[test]
fn the_lengths_of_a_reported_flow_add_up_to_its_own_bytes() {
    let declared = ["sum len", "sum ip.len", "mean ip.len", "sum ip.proto", "count "];
    let declared = declared.into_iter().fold(Declaration::default(), |all, text| {
        let (name, of) = text.split_once(' ').expect("a name and a field");
        all.value(text, aggregate(name, of))
    });
    let mut module = start(&declared);
    update(&mut module, vec![packet(1, 7).flow(3, 1000), packet(1, 7).weight(2, 200)]);
    let (flow, sampled) = (1000, 2 * (100 - 14));
    let mean = format!("Float({:.1})", f64::from(flow + sampled) / 5.0);
    let sums = [flow + 200, flow + sampled].map(|sum| sum.to_string());
    let want = [sums[0].as_str(), &sums[1], &mean, &(5 * 17).to_string(), "5"];
    assert_eq!(rows(&export(&mut module, 0, false)), [want]);
}

#[test]
fn an_unkeyed_module_records_zeros_in_silence() {
    let declared = Declaration::default().value("packets", aggregate("count", ""));
    assert_eq!(rows(&export(&mut start(&declared), 0, false)), [["0"]]);
}

#[test]
fn what_is_declared_says_what_it_needs_and_makes() {
    let module = start(&top_destinations());
    assert_eq!(module.demand(), Demand::NONE.id(Id::Dst).keyed(Field::IpDst));
    let types: Vec<Type> = module.schema().columns.iter().map(|c| c.ty).collect();
    assert_eq!(types, [Type::Addr, Type::Uint, Type::Uint]);
    let ttl = Declaration::default().value("ttl", aggregate("mean", "ip.ttl"));
    assert_eq!(start(&ttl).demand(), Demand::NONE.field(Field::IpTtl));
}

fn sessions() -> Declaration {
    let long = Long {
        value: vec![
            ValueColumn { name: "bytes".into(), aggregate: aggregate("sum", "len") },
            ValueColumn { name: "busiest".into(), aggregate: aggregate("max", "bytes") },
            ValueColumn { name: "first".into(), aggregate: aggregate("first", "ts") },
            ValueColumn { name: "last".into(), aggregate: aggregate("last", "ts") },
        ],
        timeout: seconds(7),
        ..Long::default()
    };
    top_destinations()
        .value("first", aggregate("first", "ts"))
        .value("last", aggregate("last", "ts"))
        .long(long)
}

#[test]
fn long_rows_are_stored_when_idle_and_all_of_them_at_the_end() {
    let mut module = start(&sessions());
    update(&mut module, vec![packet(1, 1), packet(1, 2), packet(2, 2), packet(4, 3)]);
    assert_eq!(export(&mut module, 0, false).rows(), 0);
    update(&mut module, vec![packet(6, 2)]);
    // At 10 s host 1 has been silent for 9 s, host 3 for 6 s.
    assert_eq!(rows(&export(&mut module, 5, false)), [["10.0.0.1", "100", "100", "1", "1"]]);
    assert_eq!(
        rows(&export(&mut module, 10, false)),
        [["10.0.0.2", "300", "200", "1", "6"], ["10.0.0.3", "100", "100", "4", "4"],]
    );
    update(&mut module, vec![packet(16, 1)]);
    assert_eq!(rows(&export(&mut module, 15, true)), [["10.0.0.1", "100", "100", "16", "16"]]);
    assert_eq!(module.long().map(Table::rows), Some(0));
}

#[test]
fn a_script_may_decide_what_becomes_of_each_long_row() {
    let mut module = start(&sessions());
    update(&mut module, vec![packet(1, 1), packet(1, 2), packet(2, 3)]);
    module.fold();
    let interval = Interval::holding(Ts::new(0, 0), seconds(5));
    let by_host = [Action::Discard, Action::Keep, Action::Store];
    let mut asked = 0;
    let records = module.flush(interval, |long, row| {
        assert_eq!(long.value(row, 1), Value::Uint(100));
        asked += 1;
        by_host[asked - 1]
    });
    module.begin();
    assert_eq!(rows(&records.expect("a long-term table"))[0][0], "10.0.0.3");
    let long = module.long().expect("a long-term table");
    assert_eq!(
        (long.rows(), long.value(0, 0).to_owned()),
        (1, Value::Addr(crate::addr::Addr::v4([10, 0, 0, 2])))
    );
}

#[test]
fn long_keys_may_be_cut_shorter() {
    let long = Long { timeout: seconds(0), ..Long::default() };
    let mut declaration = top_destinations().long(long);
    let net = KeyColumn::parse("net", "ip.dst/24").expect("a key");
    declaration.long.as_mut().expect("just set").key = vec![net];
    let mut module = start(&declaration);
    update(&mut module, vec![packet(1, 1), packet(1, 2)]);
    assert_eq!(rows(&export(&mut module, 0, false)), [["10.0.0.0", "200", "2"]]);
}

#[test]
fn a_full_long_table_counts_the_rest_together() {
    let mut module = start(&Declaration { rows_max: Some(2), ..sessions() });
    update(&mut module, vec![packet(1, 1), packet(1, 2), packet(1, 3), packet(1, 4)]);
    let records = export(&mut module, 0, true);
    assert_eq!(rows(&records)[2][..2], ["-", "200"]);
    assert_eq!(module.overflowed(), 2);
}

#[track_caller]
fn refused(declaration: Result<Declaration, DeclareError>, want: &str) {
    let error = declaration.and_then(|d| d.check()).expect_err("must be refused");
    assert_eq!(error.to_string(), want);
}

#[test]
fn a_declaration_that_cannot_be_says_why() {
    let base = Declaration::default;
    refused(base().key("a", "ip.dts"), "`a`: there is no field `ip.dts`; did you mean `ip.dst`?");
    refused(
        Ok(base().value("b", aggregate("sum", "lenn"))),
        "`b`: there is no field `lenn`; did you mean `len`?",
    );
    refused(Ok(base()), "nothing is declared: give `key`, `value`, or both");
    refused(
        base().key("a", "ip.dst/33,64"),
        "key `a`: `ip.dst/33,64`: `33` is no number of bits from 0 to 32",
    );
    refused(
        base().key("a", "dport/8"),
        "key `a`: `dport/8`: only an IP address can be cut to a network",
    );
    refused(
        base().key("a", "payload"),
        "key `a`: `payload`: bytes are no key; take a field with a value",
    );
    refused(Ok(base().value("b", aggregate("sum", "ip.src"))), "value `b`: `sum` works on numbers");
    refused(
        top_destinations().key("bytes", "len"),
        "two columns are called `bytes`: each name stands once among key and value",
    );
    let long = |key: &str, value: Aggregate| {
        let key = vec![KeyColumn::parse("k", key).expect("a key")];
        let value = vec![ValueColumn { name: "v".into(), aggregate: value }];
        Ok(top_destinations().long(Long { key, value, timeout: seconds(1) }))
    };
    refused(
        long("ip.src", aggregate("count", "")),
        "long: key `k`: the interval's key has no column of that field",
    );
    refused(
        long("ip.dst", aggregate("max", "ip.ttl")),
        "long: value `v`: `value` has neither this `max` nor a column `ip.ttl`",
    );
    refused(
        long("ip.dst", aggregate("rate", "bytes")),
        "long: value `v`: a rate is of one interval and cannot be kept longer",
    );
}
