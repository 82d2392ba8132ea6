//! Questions for a window: the answer is what `como run` printed for that time, in every format.

use como_tests::Folder;
use serde_json::Value;

use crate::server::Server;

/// Every format.
const FORMATS: [&str; 5] = ["ndjson", "json", "csv", "plain", "table"];

const MODULES: &str = "\
[[module]]
name = \"seconds\"
use = \"traffic\"
args = { interval = \"1s\" }
[[module]]
name = \"top\"
use = \"topaddr\"
args = { n = 3, interval = \"2s\" }
[[module]]
name = \"names\"
use = \"traffic\"
filter = \"udp port 53\"
args = { interval = \"1s\" }
";

/// What `como run` prints for the same instances.
const RUNS: [(&str, &[&str]); 3] = [
    ("seconds", &["traffic", "-a", "interval=1s"]),
    ("top", &["topaddr", "-a", "n=3", "-a", "interval=2s"]),
    ("names", &["traffic", "-a", "interval=1s", "udp port 53"]),
];

/// Times, and which seconds of the ten they hold. The clock is at the end.
const TIMES: [(&str, std::ops::Range<u64>); 8] = [
    (":", 0..10),
    ("2024-01-01T00:00:00Z:", 0..10),
    ("2024-01-01T00:00:02Z:2024-01-01T00:00:06Z", 2..6),
    ("2024-01-01T00:00:02Z:+4s", 2..6),
    ("@20240101000002:@240101000006", 2..6),
    ("1704067202:1704067206", 2..6),
    ("-6s:0", 4..10),
    (":-6s", 0..4),
];

/// Records as values.
fn records(text: &str, format: &str) -> Vec<Value> {
    match format {
        "json" => serde_json::from_str(text).expect("a JSON array"),
        _ => text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
    }
}

/// Whether a record, or the line of one, begins in these seconds.
fn inside(text: &str, seconds: &std::ops::Range<u64>) -> bool {
    let after = text.split("00:00:").nth(1).and_then(|rest| rest.get(..2));
    after.and_then(|s| s.parse().ok()).is_some_and(|second| seconds.contains(&second))
}

/// What is left of all records of a run when only those of some seconds are kept.
fn cut(whole: &str, format: &str, seconds: &std::ops::Range<u64>) -> Vec<String> {
    let lines: Vec<String> = match format {
        "json" => records(whole, format).iter().map(Value::to_string).collect(),
        _ => whole.lines().map(squeezed).collect(),
    };
    lines.into_iter().filter(|line| inside(line, seconds)).collect()
}

/// A line without the widths of its columns, which depend on what else is shown.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check(folder: &Folder, place: &[&str]) {
    for (instance, run) in RUNS {
        for format in FORMATS {
            let run = [&["run"], run, &["-q", "-r", "a.pcap", "--format", format]].concat();
            let printed = folder.como(run).ok().stdout;
            for (time, seconds) in TIMES {
                let query = ["query", instance, "--format", format, "--time", time];
                let answer = folder.como([&query, place].concat()).ok().stdout;
                let (got, want) = (cut(&answer, format, &(0..60)), cut(&printed, format, &seconds));
                assert_eq!(got, want, "{instance} {time} {format} {place:?}");
            }
        }
    }
}

/// A store of ten seconds of traffic and the monitor that has read them.
fn read_whole() -> (Folder, Server) {
    let folder = Folder::new();
    folder.como(["gen", "-w", "a.pcap", "packets=3000", "duration=10s", "seed=3"]).ok();
    let config = "[http]\nlisten = \"127.0.0.1:0\"\n[[source]]\nuse = \"pcap:a.pcap\"\n";
    folder.write("como.toml", format!("{config}{MODULES}"));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    for (instance, last) in [("seconds", "00:00:09Z"), ("top", "00:00:08Z"), ("names", "00:00:09Z")]
    {
        server.until(&format!("/{instance}?time=:&wait=no"), |body| body.contains(last));
    }
    (folder, server)
}

#[test]
fn a_window_holds_what_run_printed_for_that_time() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    check(&folder, &["--url", &url]);
    assert_eq!(server.end(), 0);
    check(&folder, &["--store", "store"]);
}

#[test]
fn a_filter_must_be_the_one_that_was_measured_however_it_is_written() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    let ask = |place: &[&str], instance: &str, filter: &[&str]| {
        let filter = filter.iter().flat_map(|filter| ["--filter", filter]);
        folder.como(["query", instance].iter().chain(place).copied().chain(filter))
    };
    let check = |place: &[&str]| {
        let all = ask(place, "seconds", &[]).ok();
        assert_eq!(all.ndjson().len(), 10);
        assert_eq!(ask(place, "seconds", &["all"]).ok(), all);
        assert_eq!(ask(place, "seconds", &[""]).ok(), all);
        let names = ask(place, "names", &[]).ok();
        assert_ne!(names, all);
        assert_eq!(ask(place, "names", &["udp port 53"]).ok(), names);
        let other_words = "(udp) && (dport == 53 or sport == 53)";
        assert_eq!(ask(place, "names", &[other_words]).ok(), names);
        ask(place, "names", &["tcp"]).refused(2, &["`names` measures the packets of `", "`tcp`"]);
        // Of these another instance counted all: it is run afresh over that one's records.
        assert_eq!(ask(place, "names", &["all"]).ok().stdout, all.stdout);
        ask(place, "seconds", &["tcp"]).refused(2, &["of `all`", "not of `tcp`"]);
    };
    check(&["--url", &url]);
    assert_eq!(server.end(), 0);
    check(&["--store", "store"]);
}
