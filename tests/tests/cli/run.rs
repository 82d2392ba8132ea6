//! `como run`: records of modules over traces, in every format, and every refusal.

use std::collections::BTreeSet;

use como_tests::{Como, Folder};
use serde_json::Value;

use crate::trace;

/// Top destinations by bytes, as the README has it.
const TOP: &str = r#"-- Top destinations by bytes.
filter = "ip"
args   = { n = 20, interval = "5s" }
key    = { addr = "ip.dst" }
value  = { bytes = sum("len"), packets = count() }

function export(table, long, args)
  return table:top("bytes", args.n)
end
"#;

fn sum(records: &[Value], column: &str) -> u64 {
    records.iter().filter_map(|record| record[column].as_u64()).sum()
}

#[track_caller]
fn records(folder: &Folder, args: &[&str]) -> Vec<Value> {
    folder.como([&["run"], args].concat()).ok().ndjson()
}

#[test]
fn traffic_adds_up_to_what_the_trace_holds() {
    let folder = trace::folder();
    let info = folder.como(["info", "--json", "a.pcap"]).ok().ndjson().remove(0);
    let traffic = records(&folder, &["traffic", "-r", "a.pcap"]);
    assert_eq!(sum(&traffic, "packets"), 3000);
    assert_eq!(Value::from(sum(&traffic, "bytes")), info["wire_bytes"]);
    assert!(traffic.len() >= 10, "one record a second: {}", traffic.len());
}

#[test]
fn a_filter_narrows_every_module() {
    let folder = trace::folder();
    let tcp = records(&folder, &["traffic", "-r", "a.pcap", "tcp"]);
    let rest = records(&folder, &["traffic", "-r", "a.pcap", "not", "tcp"]);
    assert!(sum(&tcp, "packets") > 0 && sum(&rest, "packets") > 0);
    assert_eq!(sum(&tcp, "packets") + sum(&rest, "packets"), 3000);
}

#[test]
fn modules_together_say_what_each_says_alone() {
    let folder = trace::folder();
    let modules = ["traffic", "protocol", "topaddr"];
    let together = records(&folder, &[&modules.join(","), "-r", "a.pcap"]);
    for module in modules {
        let alone = records(&folder, &[module, "-r", "a.pcap"]);
        let mut its = together.clone();
        its.retain(|record| record["module"] == module);
        for record in &mut its {
            record.as_object_mut().expect("an object").remove("module");
        }
        assert_eq!(its, alone, "{module}");
    }
}

#[test]
fn instances_of_one_module_have_arguments_of_their_own() {
    let folder = trace::folder();
    let args = ["one=topaddr,two=topaddr", "-r", "a.pcap", "-a", "one.n=1", "-a", "interval=60s"];
    let all = records(&folder, &args);
    let count = |name: &str| all.iter().filter(|record| record["module"] == name).count();
    assert!(count("one") >= 1 && count("two") > count("one"), "{all:?}");
}

#[test]
fn arguments_may_be_called_what_como_called_them() {
    let folder = trace::folder();
    for module in ["topaddr", "topaddr.rhai", "topaddr-native"] {
        let with = |arg: &str| records(&folder, &[module, "-r", "a.pcap", "-a", arg]);
        assert_eq!(with("topn=3"), with("n=3"), "{module}");
        assert_ne!(with("topn=3"), with("n=4"), "{module}");
        let args = ["run", module, "-r", "a.pcap", "-a", "align-to=5"];
        folder.como(args).refused(2, &["has no argument `align-to`", "hint: ", "multiples"]);
    }
    for (module, arg) in [("traffic", "use-bytes=1"), ("tuple", "compact=1"), ("apps", "class=X")] {
        folder.como(["run", module, "-r", "a.pcap", "-a", arg]).refused(2, &["hint: "]);
    }
    let slow = |arg: &str| records(&folder, &["traffic", "-r", "a.pcap", "-a", arg]);
    assert_eq!(slow("granularity=5"), slow("interval=5s"));
}

#[test]
fn the_script_of_the_readme_runs_as_it_stands() {
    let folder = trace::folder();
    folder.write("top.lua", TOP);
    let top = records(&folder, &["top.lua", "-r", "a.pcap", "-a", "n=3"]);
    let starts: BTreeSet<&str> = top.iter().filter_map(|record| record["ts"].as_str()).collect();
    assert!(starts.len() >= 2 && top.len() <= 3 * starts.len(), "{top:?}");
    let shipped = ["topaddr", "-r", "a.pcap", "-a", "n=3", "-a", "interval=5s"];
    assert_eq!(sum(&records(&folder, &shipped), "bytes"), sum(&top, "bytes"));
}

#[test]
fn every_format_says_the_same() {
    let folder = trace::folder();
    let run = |format: &str| {
        folder.como(["run", "traffic", "-r", "a.pcap", "--format", format]).ok().stdout
    };
    let lines: Vec<Value> = records(&folder, &["traffic", "-r", "a.pcap"]);
    let array: Value = serde_json::from_str(&run("json")).expect("JSON");
    assert_eq!(array, Value::from(lines.clone()));
    let csv = run("csv");
    assert_eq!(csv.lines().count(), lines.len() + 1);
    assert!(csv.starts_with("ts,"), "{csv}");
    for format in ["table", "plain"] {
        let text = run(format);
        assert!(text.starts_with("ts "), "{text}");
        assert!(text.lines().count() > lines.len(), "{text}");
    }
}

#[test]
fn records_that_never_come_have_their_header_all_the_same() {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("the trace");
    folder.write("empty.pcap", &bytes[..24]);
    folder.write("keyed.lua", "key = { port = \"dport\" }\nvalue = { packets = count() }\n");
    folder.write("free.lua", "function export(table) return {} end\nfunction update(pkt) end\n");
    for (module, header) in [
        ("tuple", "ts,src,dst,proto,sport,dport,packets,bytes\r\n"),
        ("traffic", "ts,packets,bytes\r\n"),
        ("keyed.lua", "ts,port,packets\r\n"),
        // Only its records can tell.
        ("free.lua", ""),
    ] {
        let args = ["run", module, "-q", "-r", "empty.pcap", "--format", "csv"];
        assert_eq!(folder.como(args).ok().stdout, header, "{module}");
    }
}

#[test]
fn standard_input_and_several_files_are_sources() {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("the trace");
    let piped = Como::new(&folder, ["run", "traffic", "-r", "-"]).input(bytes).run().ok();
    assert_eq!(sum(&piped.ndjson(), "packets"), 3000);
    folder.como(["gen", "-w", "b.pcap", "packets=500", "duration=10s", "seed=4"]).ok();
    let both = records(&folder, &["traffic", "-r", "a.pcap", "-r", "b.pcap"]);
    assert_eq!(sum(&both, "packets"), 3500);
    let generated = records(&folder, &["traffic", "-s", "gen:packets=3000,duration=10s,seed=3"]);
    assert_eq!(generated, records(&folder, &["traffic", "-r", "a.pcap"]));
}

#[test]
fn the_summary_stands_on_standard_error() {
    let folder = trace::folder();
    let ran = folder.como(["run", "traffic", "-r", "a.pcap"]).ok();
    for word in
        ["3,000 packets", "bytes", "dropped", "unreadable", "malformed", "late", "packets/s"]
    {
        assert!(ran.stderr.contains(word), "`{word}` is missing in: {}", ran.stderr);
    }
    assert_eq!(folder.como(["run", "traffic", "-q", "-r", "a.pcap"]).ok().stderr, "");
}

#[test]
fn malformed_packets_are_told_where_headers_were_looked_at() {
    let folder = trace::folder();
    let said = |args: &[&str], words: &str| {
        let args = ["run", "traffic", "-r", "a.pcap"].into_iter().chain(args.iter().copied());
        let stderr = folder.como(args).ok().stderr;
        assert!(stderr.contains(words), "{words}: {stderr}");
    };
    said(&[], ", malformed not looked for, ");
    said(&["tcp"], ", 0 malformed, ");
}

#[test]
fn flows_of_both_families_are_counted() {
    let folder = trace::folder();
    let counted = |filter: &str| {
        let args = ["flowcount", "-r", "a.pcap", "-a", "interval=1h", filter];
        (sum(&records(&folder, &args), "flows"), sum(&records(&folder, &args), "packets"))
    };
    let (v4, v6, all) = (counted("ip"), counted("ip6"), counted("ip or ip6"));
    assert!(v4.0 > 0 && v6.0 > 0, "{v4:?} {v6:?}");
    assert_eq!(v4.1 + v6.1, all.1);
}

#[test]
fn costs_say_what_the_cpu_time_was_spent_on() {
    let folder = trace::folder();
    let ran = folder.como(["run", "tuple", "-r", "a.pcap", "--costs"]).ok();
    let line = ran.stderr.lines().find_map(|line| line.strip_prefix("CPU seconds: "));
    let parts = line.expect("a line of costs").split(", ");
    let parts: Vec<(&str, f64)> = parts
        .map(|part| part.split_once(' ').expect("a name and a number"))
        .map(|(name, seconds)| (name, seconds.parse().expect("a number")))
        .collect();
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["sniffer", "filter", "callbacks", "storage", "core"]);
    assert!(parts.iter().map(|(_, seconds)| seconds).sum::<f64>() > 0.0, "{parts:?}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let folder = trace::folder();
    let mut command = Como::new(&folder, ["run", "tuple", "-r", "a.pcap"]).into_command();
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    let out = child.wait_with_output().expect("it ends");
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}

#[test]
fn a_trace_cut_short_gives_its_records_and_then_an_error() {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("the trace");
    folder.write("cut.pcap", &bytes[..bytes.len() - 5]);
    let ran = folder.como(["run", "traffic", "-r", "cut.pcap"]);
    assert_eq!(ran.code, 1);
    assert_eq!(sum(&ran.ndjson(), "packets"), 2999);
    assert!(ran.stderr.contains("\nerror: `") && ran.stderr.contains("cut.pcap"), "{}", ran.stderr);
}

#[track_caller]
fn check_refused(args: &[&str], code: i32, words: &[&str]) {
    let folder = Folder::new();
    folder.write("broken.lua", "-- Broken.\nfilter = \"ip\"\nfunction update(pkt\n");
    folder.write("broken.rhai", "// Broken.\nlet filter = \"ip\";\nfn update(pkt {\n");
    let filter = "-- A filter that makes no sense.\nfilter = \"tcp and prot\"\n";
    folder.write("filter.lua", format!("{filter}value = {{ packets = count() }}\n"));
    folder.como([&["run"], args].concat()).refused(code, words);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let gen_ = ["-s", "gen:packets=10"];
    let with = |args: &[&'static str]| [args, &gen_[..]].concat();
    check_refused(&["traffic"], 2, &["there is no source", "-r FILE", "hint: "]);
    check_refused(&with(&["trafic"]), 2, &["no module `trafic`", "did you mean `traffic`?"]);
    check_refused(&with(&["none.lua"]), 1, &["none.lua", "No such file", "hint: "]);
    check_refused(&with(&["./brokem.lua"]), 1, &["hint: did you mean `./broken.lua`?"]);
    check_refused(&with(&["./"]), 1, &["`./`", "hint: it is a folder"]);
    check_refused(&with(&["topaddr,topaddr"]), 2, &["two modules are called `topaddr`"]);
    check_refused(&with(&["topaddr,"]), 2, &["names no module"]);
    check_refused(&with(&["topaddr", "-a", "m=1"]), 2, &["has no argument `m`", "hint: "]);
    check_refused(&with(&["topaddr", "-a", "n=x"]), 2, &["`x` is not a whole number"]);
    check_refused(&with(&["topaddr", "tcp.prot", "==", "1"]), 2, &["tcp.prot", "^^^^^^^^"]);
    check_refused(&with(&["traffic,topaddr", "--format", "csv"]), 2, &["ndjson"]);
    check_refused(&["traffic", "-r", "none.pcap"], 1, &["none.pcap", "No such file", "hint: "]);
    check_refused(&["traffic", "-s", "gem:"], 2, &["gem", "did you mean `gen`?"]);
    check_refused(&["traffic", "-i", "no-such-interface0"], 1, &["no-such-interface0"]);
}

#[test]
fn a_script_that_does_not_load_is_shown_by_its_line() {
    let from = |script| [script, "-s", "gen:packets=10"];
    check_refused(&from("broken.lua"), 1, &["broken.lua:"]);
    check_refused(&from("broken.rhai"), 1, &["broken.rhai:"]);
    check_refused(&from("filter.lua"), 1, &["tcp and prot", "^^^^"]);
}

#[test]
fn a_script_that_fails_is_told_and_the_others_go_on() {
    let folder = trace::folder();
    let script = "-- Fails.\nfunction update(pkt, state)\n  error(\"no more\")\nend\n\
                  function export(state) return { n = 1 } end\n";
    folder.write("fails.lua", script);
    let ran = folder.como(["run", "fails.lua,traffic", "-r", "a.pcap"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("no more") && ran.stderr.contains("`fails`"), "{}", ran.stderr);
    let mut traffic = ran.ndjson();
    traffic.retain(|record| record["module"] == "traffic");
    assert_eq!(sum(&traffic, "packets"), 3000);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn gnuplot_draws_what_it_is_given() {
    let folder = Folder::new();
    let source = "gen:packets=5000,duration=30s,seed=3";
    let script = folder.como(["run", "topaddr", "-s", source, "-q", "--format", "gnuplot"]).ok();
    for word in
        ["set title 'bytes per 5s, the 12 largest of", "title '10.0.0.1'", "set ylabel 'bytes'"]
    {
        assert!(script.stdout.contains(word), "`{word}` is missing in: {}", script.stdout);
    }
    folder.write("plot.gp", script.stdout);
    let mut gnuplot = std::process::Command::new("gnuplot");
    gnuplot.args(["-e", "set terminal svg; set output 'plot.svg'", "plot.gp"]);
    match gnuplot.current_dir(folder.path()).output() {
        Ok(out) => {
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success() && said.is_empty(), "{said}");
            let plot = std::fs::read_to_string(folder.path().join("plot.svg")).expect("a plot");
            assert!(plot.contains("10.0.0.1") && plot.contains("bytes per 5s"), "{plot}");
        }
        Err(_) => eprintln!("skipped: gnuplot is not installed"),
    }
}

/// What depends on a secret: estimates, a table that is full, and random numbers.
const SECRETS: [(&str, &str); 3] = [
    ("sketch.lua", "value = { a = bitmap(\"flow\", 100), b = distinct(\"flow\") }\n"),
    (
        "sample.rhai",
        "let key = #{ a: \"ip.src\" };\nlet value = #{ n: count() };\n\
         let rows = 20;\nlet full = \"sample\";\n",
    ),
    (
        "random.lua",
        "function init() return { x = 0 } end\n\
         function update(pkt, state) state.x = state.x + math.random() end\n\
         function export(state) return state end\n",
    ),
];

#[test]
fn a_run_over_a_file_can_be_repeated() {
    let folder = trace::folder();
    let bytes = std::fs::read(folder.path().join("a.pcap")).expect("a trace");
    for (file, text) in SECRETS {
        folder.write(file, text);
        let run = |source: &str, more: &[&str]| {
            let args = [&["run", file, "-q", "-f", "ndjson", "-r", source], more].concat();
            let como = Como::new(&folder, args);
            let como = if source == "-" { como.input(bytes.clone()) } else { como };
            como.run().ok().stdout
        };
        let known = run("a.pcap", &[]);
        assert!(known.lines().count() >= 10, "{file}: {known}");
        assert_eq!(run("a.pcap", &[]), known, "{file}");
        let own = run("a.pcap", &["--seed", "a word"]);
        assert_ne!(own, known, "{file}");
        // Of a pipe nobody knows whether it can be repeated.
        assert_eq!(run("-", &["--seed", "a word"]), own, "{file}");
        assert_ne!(run("-", &[]), known, "{file}");
    }
}
