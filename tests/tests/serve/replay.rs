//! Records replayed: from a store, from another monitor, and as a capture.

use std::collections::BTreeSet;

use como_tests::{Como, Folder, Ran};

use super::server::{Server, get};
use super::{config, sum};

const SOURCE: &str = "gen:packets=5000,duration=10s,seed=3";

/// What is counted, all in intervals of a second.
const MODULES: [(&str, &str, &str); 6] = [
    ("tuple", "tuple", ""),
    ("flows", "tuple-native", ""),
    ("protocol", "protocol", ""),
    ("t", "traffic", ""),
    ("topaddr", "topaddr", "n = 100000, "),
    ("count", "flowcount", ""),
];

fn modules(of: &[(&str, &str, &str)]) -> String {
    let one = |(name, module, args): &(&str, &str, &str)| {
        format!(
            "[[module]]\nname = \"{name}\"\nuse = \"{module}\"\nargs = {{ {args}interval = \"1s\" \
                }}\n"
        )
    };
    of.iter().map(one).collect()
}

/// A monitor that has read all of the source.
fn read_whole() -> (Folder, Server) {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, &modules(&MODULES)));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    for name in ["t", "tuple"] {
        let all = format!("/{name}?time=2024-01-01T00:00:00Z:2024-01-01T00:00:10Z&wait=no");
        server.until(&all, |body| {
            let counted = sum(body, "packets");
            // ARP has no flow.
            if name == "t" { counted == 5000 } else { counted > 4000 }
        });
    }
    (folder, server)
}

/// The records of an answer, in no order.
fn records(ndjson: &str) -> BTreeSet<String> {
    ndjson.lines().map(str::to_owned).collect()
}

/// What an instance has stored.
fn stored(folder: &Folder, name: &str) -> Ran {
    folder.como(["query", name, "--store", "store", "--format", "ndjson"]).ok()
}

/// What a module records of a replay.
fn replayed(folder: &Folder, module: &str, source: &str, args: &[&str]) -> Ran {
    let run = ["run", module, "-s", source, "-a", "interval=1s", "--format", "ndjson"];
    folder.como([&run[..], args].concat()).ok()
}

/// The same without the name of the instance, which a run has not.
#[track_caller]
fn check_same(folder: &Folder, name: &str, module: &str, source: &str, args: &[&str]) {
    let (want, got) = (stored(folder, name), replayed(folder, module, source, args));
    let plain = |ran: &Ran| -> BTreeSet<String> {
        let records = ran.ndjson().into_iter().map(|mut record| {
            if let Some(record) = record.as_object_mut() {
                record.remove("module");
            }
            record.to_string()
        });
        records.collect()
    };
    assert!(!want.stdout.is_empty());
    assert_eq!(plain(&got), plain(&want), "{module} over {source}");
}

#[test]
fn modules_run_over_what_others_stored() {
    let (folder, server) = read_whole();
    assert_eq!(server.end(), 0);
    let of = |name: &str| format!("ondemand:store,module={name}");
    check_same(&folder, "tuple", "tuple", &of("tuple"), &[]);
    check_same(&folder, "flows", "tuple-native", &of("flows"), &[]);
    check_same(&folder, "topaddr", "topaddr", &of("topaddr"), &["-a", "n=100000"]);
    check_same(&folder, "topaddr", "topaddr", &of("tuple"), &["-a", "n=100000"]);
    check_same(&folder, "t", "traffic", &of("t"), &[]);
    let window = format!("{},time=2024-01-01T00:00:02Z:+3s", of("t"));
    let some = replayed(&folder, "traffic", &window, &[]);
    assert_eq!(some.ndjson().len(), 3);

    let refused = ["run", "topports", "-s", &of("topaddr")];
    folder.como(refused).refused(1, &["needs `dport`", "ondemand:store,module=topaddr"]);
    let refused = ["run", "traffic", "-s", &of("count")];
    folder.como(refused).refused(1, &["how many bytes", "sum(\"len\")"]);
    let refused = ["run", "traffic", "-s", &of("tupel")];
    folder.como(refused).refused(1, &["nothing is stored of `tupel`", "did you mean `tuple`?"]);
    let told = folder.como(["explain", "topports", "-s", &of("topaddr")]);
    assert_eq!(told.code, 1, "{}", told.stderr);
    let told = told.stdout;
    for words in ["does not give dport", "replayed from records of `topaddr`, 1s each", "ip.dst"] {
        assert!(told.contains(words), "`{words}` is missing in: {told}");
    }
}

#[test]
fn records_are_given_as_a_capture_that_says_what_it_has() {
    let (folder, server) = read_whole();
    let url = format!("http://{}", server.address());
    let ask = |format: &str, filter: &str| {
        let args = ["query", "tuple", "--format", format, "--url", &url, "--filter", filter];
        let bytes = Como::new(&folder, args).run_bytes();
        folder.write(&format!("asked.{format}"), bytes)
    };
    let file = ask("pcapng", "all").display().to_string();
    check_over(&folder, &server, "topaddr", &["topaddr", "-r", &file, "-a", "n=100000"]);
    let told = folder.como(["explain", "trace", "-s", &file]).ok().stdout;
    assert!(told.contains("replayed from records of `tuple`, 1s each"), "{told}");
    assert!(told.contains("headers made from records") && !told.contains("ip.tos"), "{told}");
    let some = ask("pcap", "udp and dport == 53").display().to_string();
    let ports = folder.como(["run", "topports", "-r", &some, "--format", "ndjson"]).ok();
    assert!(ports.ndjson().iter().all(|record| record["port"] == 53) && !ports.stdout.is_empty());

    let refused = get(server.address(), "/topaddr?format=pcapng&wait=no&filter=udp");
    assert_eq!((refused.status, refused.body.contains("the filter needs `ip.proto`")), (400, true));
    assert_eq!(server.end(), 0);
}

/// What `run` says with these arguments is what the monitor has stored of `name`.
#[track_caller]
fn check_over(folder: &Folder, server: &Server, name: &str, run: &[&str]) {
    let all = ["run", "-a", "interval=1s", "--format", "csv"];
    let got = folder.como([&all[..1], run, &all[1..]].concat()).ok().stdout;
    let want = get(server.address(), &format!("/{name}?time=:&wait=no&format=csv")).body;
    let rows = |csv: &str| records(csv).len();
    assert!(rows(&got) > 10);
    assert_eq!(rows(&got), rows(&want), "{got}\n{want}");
}

#[test]
fn a_monitor_reads_the_records_of_another_and_of_its_own_past() {
    let (first_folder, first) = read_whole();
    let second = Folder::new();
    let source = format!("como:http://{}/tuple,since=", first.address());
    second.write("como.toml", config(&source, &modules(&[MODULES[4]])));
    let second = Server::start(&second);
    // The last interval stays open: nothing says that no more will come.
    let closed = "/topaddr?time=2024-01-01T00:00:00Z:2024-01-01T00:00:09Z&wait=no";
    let want = records(&get(first.address(), closed).body);
    second.until(closed, |body| records(body) == want);
    assert_eq!(second.end(), 0);
    assert_eq!(first.end(), 0);

    let own = "ondemand:store,module=tuple";
    let again = [("again", "topaddr", "n = 100000, ")];
    first_folder.write("como.toml", config(own, &modules(&again)));
    let again = Server::start(&first_folder);
    let url = closed.replace("topaddr", "again");
    again.until(&url, |body| records(body) == want);
    assert_eq!(again.end(), 0);
}

/// Counts what only its own `replay` can say again.
const OWN: &str = r#"
-- Bytes and packets by destination, in a form of its own.
args = { interval = "1s" }
key = { dst = "ip.dst" }
value = { bytes = sum("len"), packets = count() }
function export(table)
  local rows = {}
  for row in table do
    rows[#rows + 1] = { host = row.dst, size = row.bytes, n = row.packets }
  end
  return rows
end
function replay(record)
  return { dst = record.host, bytes = record.size, packets = record.n }
end
"#;

#[test]
fn a_script_says_itself_what_its_records_stand_for() {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, &modules(&[MODULES[4]])));
    folder.write("modules/own.lua", OWN);
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/own?time=:&wait=no", |body| body.lines().count() > 100);
    server.until("/topaddr?time=:&wait=no", |body| body.lines().count() > 100);
    assert_eq!(server.end(), 0);
    let args = ["-a", "n=100000"];
    check_same(&folder, "topaddr", "topaddr", "ondemand:store,module=own", &args);
    std::fs::remove_file(folder.path().join("como.toml")).expect("it was there");
    let by = "ondemand:store,module=own,use=modules/own.lua";
    check_same(&folder, "topaddr", "topaddr", by, &args);
    let alone = ["run", "traffic", "-s", "ondemand:store,module=own"];
    folder.como(alone).refused(1, &["do not say what they hold", "replay(record)"]);
}
