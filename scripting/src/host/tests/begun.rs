//! Intervals whose `init` fails.

use super::*;

/// What comes of four intervals of which the second does not begin.
#[track_caller]
fn check(file: &str, text: &str, want: [&[&str]; 4], told: &[&str]) {
    let mut running = Running::start(file, text, &[], Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    for rows in want {
        running.feed(some());
        assert_eq!(running.rows(), rows, "{file}");
    }
    let faults: Vec<String> = running.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, told);
}

#[test]
fn an_interval_whose_init_fails_is_left_out_with_one_message() {
    let lua = "function init(args, last)\n local i = (last and last.i or 0) + 1\n\
               if i == 2 then error('half') end\n return { i = i, n = 0 }\nend\n\
               function update(pkt, s) s.n += pkt.packets if s.n < 0 then log('') end end\n\
               function export(s) return { i = s.i, n = s.n } end";
    let rhai = "fn init(args, last) {\n let i = (last?.i ?? 0) + 1;\n\
                if i == 2 { throw \"half\"; }\n #{ i: i, n: 0 }\n}\n\
                fn update(pkt, s) { s.n += pkt.packets; }\n\
                fn export(s) { #{ i: s.i, n: s.n } }";
    let why = "half (`init` failed: the interval it begins is left out)";
    let begun: &[&str] = &["i=1 n=6"];
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        // The third begins as the first did; so the fourth would not begin.
        let told = format!("{file}:3: {why}");
        check(file, text, [begun, &[], begun, &[]], &[&told, &told]);
    }
}

#[test]
fn a_check_whose_init_failed_picks_nothing() {
    let lua = "function init(args, last)\n if last then error('no') end\nend\n\
               value = { n = count() }\nfunction check(pkt, s) return s ~= nil end";
    let rhai = "let value = #{ n: count() };\n\
                fn init(args, last) { if last != () { throw \"no\"; } }\n\
                fn check(pkt, s) { s != () }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let mut running = Running::start(file, text, &[], Limits::default())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(running.feed(some()).count(), 6);
        assert_eq!(running.rows(), ["n=6"]);
        assert_eq!(running.feed(some()).count(), 0);
        assert_eq!((running.rows().len(), running.faults.len()), (0, 1), "{file}");
    }
}
