//! A capture that a monitor reads again, over the store in which its records are.

use como_tests::Folder;

use super::server::{Server, get};
use super::{config, sum};

const SOURCE: &str = "gen:packets=5000,duration=20s,seed=3";

const MODULES: &str = "\
[[module]]
name = \"t\"
use = \"traffic\"
args = { interval = \"1s\" }
rollup = [\"5s:7d\"]
[[module]]
name = \"kept\"
use = \"trace\"
args = { interval = \"1s\" }
";

/// The packets of all time, asked for in every way there is.
fn sums(folder: &Folder) -> Vec<u64> {
    let asked = |more: &[&str]| {
        let args = ["query", "t", "--store", "store", "--time", ":", "--format", "ndjson"];
        sum(&folder.como(args.iter().chain(more)).ok().stdout, "packets")
    };
    let ways: [&[&str]; 5] = [
        &[],
        &["--interval", "5s"],
        &["--interval", "10s"],
        &["--source", "kept"],
        &["--source", "kept", "--interval", "10s"],
    ];
    ways.into_iter().map(asked).collect()
}

fn run(folder: &Folder, source: &str, store: &str, until: impl Fn(&str) -> bool) {
    folder.write("como.toml", config(source, &format!("{MODULES}{store}")));
    let server = Server::start(folder);
    server.until("/status", until);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_capture_that_is_read_again_counts_once_whichever_way_it_is_asked() {
    let folder = Folder::new();
    let ended = |status: &str| status.contains("\"ended\":true");
    run(&folder, SOURCE, "", ended);
    assert_eq!(sums(&folder), [5000; 5]);
    let why = "\"not_read\":{\"gen:packets=5000,duration=20s,seed=3\":\"it begins at \
               2024-01-01T00:00:00Z, and `t` has records";
    run(&folder, SOURCE, "", |status| status.contains(why));
    assert_eq!(sums(&folder), [5000; 5]);
    // Nor is it from a file, at the pace it came.
    folder.como(["gen", "-w", "a.pcap", "packets=5000", "duration=20s", "seed=3"]).ok();
    run(&folder, "pcap:a.pcap,speed=10x", "", |status| status.contains("\"not_read\":{\""));
    // One that goes on where the records end, or before they begin, is read.
    run(&folder, &format!("{SOURCE},start=1704067220"), "", ended);
    run(&folder, &format!("{SOURCE},start=1704067100"), "", ended);
    assert_eq!(sums(&folder), [15_000; 5]);
    // Who wants it twice has it twice.
    let repeated = |status: &str| ended(status) && status.contains("\"repeated\":{\"");
    run(&folder, SOURCE, "[store]\nagain = true\n", repeated);
    assert_eq!(sums(&folder)[0], 20_000);
}

#[test]
fn a_question_ends_where_the_capture_is_not_read_again() {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, MODULES));
    let server = Server::start(&folder);
    let asked = "/t?time=2024-01-01T00:00:00Z:%2B30s&format=ndjson";
    let behind = "{\"ts\":\"2024-01-01T00:00:20Z\",\"gap_until\":\"2024-01-01T00:00:30Z\"";
    // Records and packets end alike: with the last second.
    for source in ["", "&source=kept"] {
        server.until(&format!("{asked}&wait=no{source}"), |body| body.contains(behind));
    }
    assert_eq!(server.end(), 0);
    let server = Server::start(&folder);
    // Nothing says of `wait` in the first.
    for wait in ["", "&wait=no", "&interval=5s", "&interval=5s&wait=no"] {
        let asked = format!("{asked}{wait}");
        let answer = get(server.address(), &asked);
        assert_eq!(answer.status, 200, "{wait}");
        assert_eq!(sum(&answer.body, "packets"), 5000, "{wait}");
        assert!(answer.body.contains(behind), "{wait}: {}", answer.body);
    }
    assert_eq!(server.end(), 0);
}

#[test]
fn a_capture_is_not_kept_twice_where_the_file_of_records_was_lost() {
    let folder = Folder::new();
    let ended = |status: &str| status.contains("\"ended\":true");
    run(&folder, SOURCE, "", ended);
    std::fs::remove_file(folder.path().join("store/records.redb")).expect("a file");
    let why =
        "it begins at 2024-01-01T00:00:00Z, and `kept` keeps packets from 2024-01-01T00:00:00";
    run(&folder, SOURCE, "", |status| status.contains(why));
    assert_eq!(sums(&folder), [5000; 5]);
    // What goes on behind it is read.
    run(&folder, &format!("{SOURCE},start=1704067220"), "", ended);
    assert_eq!(sums(&folder)[3..], [10_000; 2]);
}

#[test]
fn a_capture_that_a_trace_may_have_had_is_not_kept_where_its_records_were_lost() {
    const ENDED: &str = "\"ended\":true";
    const NOT_READ: &str = "and may have had earlier ones, which would";
    // Where nothing was let go, nor passed over, it lies before all there is.
    let ways =
        [("", ENDED), ("filter = \"tcp\"\n", NOT_READ), ("streamsize = \"4MiB\"\n", NOT_READ)];
    for (more, done) in ways {
        let folder = Folder::new();
        let module = format!("[[module]]\nname = \"kept\"\nuse = \"trace\"\n{more}");
        let run = |start: &str, until: &str| {
            let source = format!("gen:packets=30000,duration=20s,seed=3,start={start}");
            folder.write("como.toml", config(&source, &module));
            let server = Server::start(&folder);
            server.until("/status", |status| status.contains(until));
            assert_eq!(server.end(), 0);
        };
        run("1704067230", ENDED);
        // As long as it has records, these tell.
        run("1704067200", ENDED);
        std::fs::remove_dir_all(folder.path().join("store")).expect("a folder");
        run("1704067230", ENDED);
        std::fs::remove_file(folder.path().join("store/records.redb")).expect("a file");
        run("1704067200", done);
    }
}

#[test]
fn a_view_of_what_is_not_there_and_an_address_that_is_taken_are_refused_with_the_views_name() {
    let folder = Folder::new();
    let view = |line: &str| format!("{MODULES}[view.web]\nmodules = [\"t\"]\n{line}\n");
    folder.write("como.toml", config(SOURCE, &view("source = \"kpet\"")));
    let words = ["[view.web]: there is no module `kpet` to be its source", "como store ls"];
    folder.como(["serve"]).refused(1, &words);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = taken.local_addr().expect("an address");
    folder.write("como.toml", config(SOURCE, &view(&format!("listen = \"{address}\""))));
    let words = [&*format!("[view.web]: cannot listen on {address}"), "another `listen`"];
    folder.como(["serve"]).refused(1, &words);

    // One that stands in the modules folder is known.
    folder.write("modules/mine.lua", super::MODULE);
    folder.write("como.toml", config(SOURCE, &view("source = \"mine\"")));
    let server = Server::start(&folder);
    assert_eq!(get(server.address(), "/status").status, 200);
    assert_eq!(server.end(), 0);
}
