//! Declarations as scripts write them: what they mean, and how mistakes in them are told.

use como_core::field::Field;
use como_core::record::{Column, Type};
use como_core::table::KeyColumn;
use como_core::time::Span;

use super::*;

const SCRIPT: Script<'static> = Script {
    file: "top.lua",
    name: "top",
    language: Language::Lua,
    text: "-- Top destinations.\nargs = {\n  n = 20, -- how many\n  interval = \"5s\",\n}\n",
};

fn text(text: &str) -> Tree {
    Tree::Text(text.into())
}

fn map<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
    Tree::Map(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

fn sum(field: &str) -> Tree {
    Tree::Aggregate(Aggregate::new("sum", &[field.into()]).expect("an aggregate"))
}

fn globals<const N: usize>(given: [(&str, Tree); N]) -> Vec<Global> {
    let global = |(at, (name, value)): (usize, (&str, Tree))| Global {
        name: name.to_owned(),
        line: at as u32 + 1,
        value,
    };
    given.into_iter().enumerate().map(global).collect()
}

fn functions<const N: usize>(given: [(&str, usize); N]) -> Vec<Function> {
    given.map(|(name, params)| Function { name: name.into(), line: 9, params }).into()
}

fn table() -> [(&'static str, Tree); 2] {
    [("key", map([("addr", text("ip.dst"))])), ("value", map([("bytes", sum("len"))]))]
}

#[track_caller]
fn refused<const N: usize, const M: usize>(
    given: [(&str, Tree); N],
    functions_given: [(&str, usize); M],
    want: &str,
) {
    let error = declare(&SCRIPT, &globals(given), &functions(functions_given));
    assert_eq!(
        error.expect_err("a mistake").to_string(),
        format!("top.lua:{want}").replace(":0:", ":")
    );
}

#[test]
fn a_declared_table_is_read_whole() {
    let [key, value] = table();
    let args = map([("n", Tree::Int(20)), ("interval", text("5s"))]);
    let long = map([("timeout", Tree::Int(60))]);
    let given = globals([
        ("filter", text("ip")),
        ("args", args),
        key,
        value,
        ("long", long),
        ("rows", Tree::Int(1000)),
        ("full", text("evict")),
    ]);
    let declared =
        declare(&SCRIPT, &given, &functions([("export", 3), ("action", 2)])).expect("right");
    assert_eq!(declared.manifest.doc, "Top destinations.");
    assert_eq!(declared.manifest.filter, "ip");
    assert_eq!(declared.manifest.backfill, None);
    let [n, interval] = &declared.manifest.args[..] else { panic!("two arguments") };
    assert_eq!((n.name.as_str(), &n.default, n.doc.as_str()), ("n", &20u64.into(), "how many"));
    assert_eq!(interval.default, "5s".into());
    let table = &declared.declaration;
    assert_eq!(table.key, [KeyColumn::new("addr", Field::IpDst)]);
    assert_eq!((table.value[0].name.as_str(), table.value[0].aggregate.name()), ("bytes", "sum"));
    assert_eq!(table.long.as_ref().expect("declared").timeout, Span::from_secs(60));
    assert_eq!((table.rows_max, table.full), (Some(1000), Full::Evict));
    assert!(declared.callbacks.has(Callback::Action) && !declared.callbacks.has(Callback::Init));
}

#[test]
fn an_interval_may_stand_by_itself_or_not_at_all() {
    let interval = |given: Vec<Global>| {
        let declared = declare(&SCRIPT, &given, &[]).expect("right");
        declared.manifest.args.last().expect("always there").default.clone()
    };
    let [key, value] = table();
    let with = ("interval", Tree::Int(300));
    assert_eq!(interval(globals([with.clone(), key.clone(), value.clone()])), "5m".into());
    assert_eq!(interval(globals([key.clone(), value.clone()])), "1s".into());
    let args = ("args", map([("n", Tree::Int(1))]));
    assert_eq!(interval(globals([with, args, key, value])), "5m".into());
}

#[test]
fn records_of_an_export_may_be_described() {
    let schema = map([("bytes", text("uint bytes")), ("addr", text("addr"))]);
    let given = globals([("schema", schema)]);
    let declared = declare(&SCRIPT, &given, &functions([("update", 2), ("export", 1)]));
    let schema = declared.expect("right").schema.expect("declared");
    assert_eq!(schema.columns[0], Column::new("bytes", Type::Uint).unit("bytes"));
    assert_eq!(schema.columns[1], Column::new("addr", Type::Addr));
}

#[test]
fn how_much_of_the_past_it_runs_over_may_be_said() {
    let backfill = |value| {
        let [key, count] = table();
        let declared = declare(&SCRIPT, &globals([key, count, ("backfill", value)]), &[]);
        declared.expect("right").manifest.backfill
    };
    assert_eq!(backfill(text("1h")), Some(Span::from_secs(3600)));
    assert_eq!(backfill(Tree::Int(60)), Some(Span::from_secs(60)));
    let slip = "3: `backfill` must be a time span like 5s or 1h, and is true";
    let [key, count] = table();
    refused([key, count, ("backfill", Tree::Bool(true))], [], slip);
}

#[test]
fn an_unknown_name_names_the_nearest_and_its_line() {
    let [key, value] = table();
    let slip = ("filtr", text("ip"));
    refused([key, value, slip], [], "3: nothing is declared by `filtr`; did you mean `filter`?");
    refused(
        [("colour", text("red"))],
        [],
        "1: nothing is declared by `colour`; make it `local colour` if it is yours, or write \
         filter, args, key, value, long, schema, service, rows, full, interval, backfill, doc",
    );
}

#[test]
fn an_ill_typed_name_says_what_it_must_be() {
    let check = |name, value, want: &str| refused([(name, value)], [], want);
    check("filter", Tree::Int(3), "1: `filter` must be text, and is 3");
    check("key", text("ip"), "1: `key` must be a map as in { addr = \"ip.dst\" }, and is `ip`");
    check("key", map([]), "1: `key` is empty; write it as in { addr = \"ip.dst\" }");
    let count = map([("n", Tree::Int(1))]);
    check("key", count.clone(), "1: `key.n` must be a field's name in quotes, and is 1");
    let want = "1: `value.n` must be an aggregate like count() or sum(\"len\"), and is 1";
    check("value", count, want);
    check("service", text("tracer"), "1: there is no service `tracer`: write trace");
    check("rows", Tree::Int(0), "1: `rows` must be a number of rows from 1 on, and is 0");
    check(
        "interval",
        text("soon"),
        "1: `interval` must be a time span like 5s or 1h, and is `soon`",
    );
    let list = map([("n", Tree::List(vec![Tree::Int(1)]))]);
    check("args", list, "1: `args.n` must be text, a number, true or false, and is a list");
    let strange = map([("bytes", text("huge"))]);
    let types = "bool, uint, int, float, addr, mac, text, bytes, time";
    let want = format!("1: `schema.bytes` must be a type ({types}), then a unit, and is `huge`");
    check("schema", strange, &want);
    let span = map([("timeout", Tree::Bool(true))]);
    check("long", span, "1: `long.timeout` must be a time span like 5s or 1h, and is true");
}

#[test]
fn parts_that_make_no_whole_are_refused() {
    refused([], [], "0: nothing is measured: declare `key` and `value`, or write `update`");
    let [key, value] = table();
    let both = "9: `update` and `key`, `value` exclude each other: keep one of them";
    refused([key.clone(), value.clone()], [("update", 2), ("export", 1)], both);
    let mute = "9: what `update` counts is never recorded: write `export(state)`";
    refused([], [("update", 2)], mute);
    let action = "9: `action` is asked about the rows of `long`: declare it";
    refused([key.clone(), value.clone()], [("action", 2)], action);
    let service = ("service", text("trace"));
    let works = "3: a `service` does the work itself: no key, value or functions";
    refused([key, value, service], [], works);
}

#[test]
fn what_core_refuses_is_told_with_the_line() {
    let key = ("key", map([("addr", text("ip.dts"))]));
    let want = "1: `addr`: there is no field `ip.dts`; did you mean `ip.dst`?";
    refused([key], [], want);
    let [key, _] = table();
    let value = ("value", map([("sum", sum("ip.dst"))]));
    refused([key, value], [], "2: value `sum`: `sum` works on numbers");
}

#[test]
fn a_slip_in_a_callbacks_name_is_not_taken_for_a_helper() {
    let slip = "9: `udpate` is never called; did you mean `update`? (rename it if it is yours)";
    refused([], [("udpate", 2)], slip);
    refused([], [("update", 3)], "9: `update` takes at most (pkt, state)");
    let [key, value] = table();
    let declared = declare(&SCRIPT, &globals([key, value]), &functions([("classify", 5)]));
    assert!(declared.is_ok());
}
