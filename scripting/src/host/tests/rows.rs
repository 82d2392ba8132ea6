//! Callbacks that are called for each row: all calls over the rows of an interval, or over a batch
//! of records, have the time of one.

use std::time::Duration;

use como_core::module::Limit;
use como_core::record::{Column, Schema, Type};
use como_core::time::{Interval, Span};

use super::*;
use crate::running::Took;

/// Many rows, of each of which a callback takes a small part of a call's time, and of all of them
/// many times that.
const ROWS: usize = 3000;
/// How long a callback works for one row, at least.
const ROW: Duration = Duration::from_millis(5);
const LIMITS: Limits = Limits {
    rows_max: 1 << 20,
    memory_bytes_max: 64 << 20,
    call_ms_max: 100,
    output_bytes_max: 64 << 20,
    log_lines_max: 600,
    alerts_max: 60,
};
/// What works for a row, and what it is a row of.
const LUA: [&str; 2] = [
    "local function work() local x = 0 for i = 1, TIMES do x = math.max(x, math.sin(i)) end end\n",
    "key = { src = 'ip.src' } value = { n = count() }\n",
];
const RHAI: [&str; 2] = [
    "fn work() { let x = 0; for i in 0..TIMES { x += i; } }\n",
    "let key = #{ src: \"ip.src\" }; let value = #{ n: count() };\n",
];

/// Both scripts with these callbacks, whose `work` takes as long on this machine as is meant.
fn scripts(lua: &str, rhai: &str) -> [(&'static str, String); 2] {
    let limits = Limits { call_ms_max: 60_000, ..LIMITS };
    let works = [
        "function update(pkt) work() end function export() return { a = 1 } end",
        "fn update(pkt) { work() } fn export() { #{ a: 1 } }",
    ];
    let both = [("test.lua", LUA, works[0], lua), ("test.rhai", RHAI, works[1], rhai)];
    both.map(|(file, [work, table], works, more)| {
        let of = |times: usize| work.replace("TIMES", &times.to_string());
        let takes_long = |times: usize| {
            let running = Running::start(file, &(of(times) + works), &[], limits);
            let mut running = running.unwrap_or_else(|error| panic!("{error}"));
            let took = Took::begin();
            running.feed([udp("10.0.0.1", "10.1.0.1", 60)]);
            took.time() >= ROW
        };
        let times = (0..).map(|power| 1 << power).find(|times| takes_long(*times));
        (file, of(times.expect("it takes longer and longer")) + table + more)
    })
}

/// How many rows are written of an interval of many, and what went wrong, by a script in either
/// language.
fn close(lua: &str, rhai: &str) -> [(usize, Fault); 2] {
    scripts(lua, rhai).map(|(file, text)| {
        let running = Running::start(file, &text, &[], LIMITS);
        let mut running = running.unwrap_or_else(|error| panic!("{error}"));
        let src = |n: usize| format!("10.0.{}.{}", n / 200, n % 200);
        running.feed((0..ROWS).map(|n| udp(&src(n), "10.1.0.1", 60)));
        let records = running.close(false);
        assert_eq!(running.faults.len(), 1, "{file}: {:?}", running.faults);
        let is_whole = records.iter().all(|records| !records.cut);
        assert!(!is_whole || rhai.contains("action"), "{file}");
        (records.iter().map(|records| records.rows()).sum(), running.faults.remove(0))
    })
}

/// Checks the limit and the message, of which `rest` is behind how many it cost.
#[track_caller]
fn stopped(fault: &Fault, cost: usize, rest: &str) {
    let told = fault.to_string();
    let is_limit = told.contains(": stopped after 100 ms of CPU time in one call; ");
    assert!(fault.limit == Some(Limit::Cpu) && is_limit, "{told}");
    assert!(told.ends_with(&format!("; {cost} {rest}")), "{told}");
    assert!(fault.mistake.line > 0, "{told}");
}

#[test]
fn all_records_of_an_interval_are_stored_in_the_time_of_one_call() {
    let lua = "function store(r) work() return 'x' end function load(b) return { a = 1 } end";
    let rhai = "fn store(r) { work(); \"x\" } fn load(b) { #{ a: 1 } }";
    for (rows, fault) in close(lua, rhai) {
        assert!(rows > 0 && rows < ROWS, "{rows}");
        stopped(&fault, ROWS - rows, "records of the interval were not stored");
    }
}

#[test]
fn all_rows_of_a_long_table_are_asked_about_in_the_time_of_one_call() {
    let lua = "long = { timeout = '1h' } function action(row, now) work() return 'store' end";
    let rhai = "let long = #{ timeout: \"1h\" }; fn action(row, now) { work(); return \"store\"; }";
    for (rows, fault) in close(lua, rhai) {
        assert!(rows > 0 && rows < ROWS, "{rows}");
        // The row at which it was stopped has no answer either.
        stopped(&fault, ROWS - rows - 1, "rows of `long` are left to their timeout");
    }
}

#[test]
fn what_ended_all_calls_is_told_with_what_it_cost_and_not_what_went_wrong_before() {
    let lua = "long = { timeout = '1h' } function action(row, now)
        if tostring(row.src) == '10.0.0.0' then error('odd') end while true do end end";
    let rhai = "let long = #{ timeout: \"1h\" }; fn action(row, now) {
        if `${row.src}` == \"10.0.0.0\" { throw \"odd\"; } loop {} }";
    for (rows, fault) in close(lua, rhai) {
        assert_eq!(rows, 0);
        stopped(&fault, ROWS - 2, "rows of `long` are left to their timeout");
    }
}

#[test]
fn what_a_later_call_cost_is_not_told_with_what_went_wrong_before_it() {
    let lua = "long = { timeout = '1h' } function action(row, now)
        if tostring(row.src) == '10.0.0.0' then error('odd') end return 'store' end
        function store(r) error('bad') end function load(b) return { a = 1 } end";
    let rhai = "let long = #{ timeout: \"1h\" }; fn action(row, now) {
        if `${row.src}` == \"10.0.0.0\" { throw \"odd\"; } return \"store\"; }
        fn store(r) { throw \"bad\" } fn load(b) { #{ a: 1 } }";
    for (rows, fault) in close(lua, rhai) {
        assert_eq!((rows, fault.left_out), (0, None), "{fault}");
        assert!(fault.to_string().contains("odd"), "{fault}");
    }
}

#[test]
fn the_records_of_a_batch_are_merged_in_the_time_of_one_call() {
    let lua = "function export(t) return { a = 1 } end function merge(a, b) work() return a end";
    let rhai = "fn export(t) { #{ a: 1 } } fn merge(a, b) { work(); a }";
    let schema = Schema::new([Column::new("a", Type::Uint)]);
    let interval = Interval::holding(Ts::new(7, 0), Span::from_secs(1));
    let setup = Setup { limits: LIMITS, ..Setup::default() };
    for (file, text) in scripts(lua, rhai) {
        let kind = crate::load_text(file, &text).unwrap_or_else(|error| panic!("{error}"));
        let mut merger = kind.merger(&setup).expect("merges");
        let mut merge = || merger.merge(interval, &schema, &[Value::Uint(1)], &[Value::Uint(2)]);
        let mut merged = (0..ROWS).map(|_| merge());
        assert!(merged.next().is_some_and(|first| first.is_ok()), "{file}");
        let fault = merged.find_map(Result::err).expect("so many take too long");
        assert_eq!(fault.limit, Some(Limit::Cpu), "{file}: {fault}");
        assert!(merged.all(|more| more.is_err()), "{file}");
        merger.renew();
        let again = merger.merge(interval, &schema, &[Value::Uint(1)], &[Value::Uint(2)]);
        assert!(again.is_ok(), "{file}");
    }
}

#[test]
fn a_full_table_says_which_limit_it_has_reached_and_in_which_script() {
    let rows = "test.FILE: a table has all the 7 rows it may have (give it more `rows`)";
    let memory = "test.FILE: a table has all the 4096 bytes it may have (the limit is `memory`)";
    let sizes = [(Limits { rows_max: 7, ..LIMITS }, rows)];
    let small = Limits { memory_bytes_max: 4096, ..LIMITS };
    for (file, text, sizes) in [
        ("test.lua", LUA[1], sizes.to_vec()),
        ("test.rhai", RHAI[1], [&sizes[..], &[(small, memory)]].concat()),
    ] {
        for (limits, want) in sizes {
            let running = Running::start(file, text, &[], limits);
            let mut running = running.unwrap_or_else(|error| panic!("{error}"));
            let filled = |running: &Running| running.started.module.filled();
            assert_eq!(filled(&running), None);
            running.feed(
                (0..ROWS).map(|n| udp(&format!("10.0.{}.{}", n / 200, n % 200), "10.1.0.1", 60)),
            );
            assert_eq!(filled(&running), Some(want.replace("test.FILE", file)));
            // What was full stays told when the table is emptied.
            running.close(false);
            assert_eq!(filled(&running), Some(want.replace("test.FILE", file)));
        }
    }
}
