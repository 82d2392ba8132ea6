//! Names of files that are no text: any bytes will do where a path is asked for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use como_tests::{Como, Folder, Ran};

use crate::trace;

/// A name that is not UTF-8, with an ending.
fn name(ending: &str) -> Vec<u8> {
    [b"\xff", ending.as_bytes()].concat()
}

fn run(folder: &Folder, args: &[&[u8]]) -> Ran {
    Como::new(folder, args.iter().map(|arg| OsStr::from_bytes(arg))).run()
}

#[test]
fn captures_scripts_and_configurations_may_be_called_anything() {
    let folder = trace::folder();
    let [capture, script, config, kept] = [".pcap", ".lua", ".toml", ".pcapng"].map(name);
    let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    std::fs::copy(path(b"a.pcap"), path(&capture)).expect("a copy");
    std::fs::write(path(&script), "-- N.\nvalue = { n = count() }\n").expect("a script");
    std::fs::write(path(&config), "nothing = 1\n").expect("a configuration");
    let traffic = |file: &[u8]| run(&folder, &[b"run", b"traffic", b"-q", b"-r", file]).ok().stdout;
    assert_eq!(traffic(&capture), traffic(b"a.pcap"));
    let ours = run(&folder, &[b"run", &script, b"-q", b"-r", &capture]).ok().ndjson();
    assert_eq!(ours.iter().filter_map(|record| record["n"].as_u64()).sum::<u64>(), 3000);
    run(&folder, &[b"check", &script]).ok();
    run(&folder, &[b"run", b"trace", b"-q", b"-r", &capture, b"-w", &kept]).ok();
    assert_eq!(traffic(&kept), traffic(b"a.pcap"));
    let info = |file: &[u8]| run(&folder, &[b"info", b"--json", file]).ok().ndjson().remove(0);
    assert_eq!(info(&capture)["wire_bytes"], info(b"a.pcap")["wire_bytes"]);
    run(&folder, &[b"serve", b"-c", &config]).refused(1, &["unknown key `nothing`"]);
}

#[test]
fn no_capture_is_written_over_that_is_read_whatever_it_is_called() {
    let folder = trace::folder();
    let capture = name(".pcap");
    let path = folder.path().join(OsStr::from_bytes(&capture));
    std::fs::copy(folder.path().join("a.pcap"), &path).expect("a copy");
    let args: [&[u8]; 6] = [b"run", b"trace", b"-r", &capture, b"-w", &capture];
    run(&folder, &args).refused(1, &["is read, and would be written over"]);
}

#[test]
fn what_is_no_name_of_a_file_is_text() {
    let folder = trace::folder();
    let words = &["is not UTF-8", "hint: only names of files may be any bytes"];
    for args in [
        &[&b"run"[..], b"traffic", b"-s", b"pcap:\xff.pcap"][..],
        &[b"run", b"traffic", b"-r", b"a.pcap", b"tcp\xff"],
        &[b"query", b"\xff"],
    ] {
        run(&folder, args).refused(2, words);
    }
    let repl: [&[u8]; 3] = [b"repl", b"-r", b"\xff.pcap"];
    run(&folder, &repl).refused(2, &["is not UTF-8, as what is typed here is"]);
}
