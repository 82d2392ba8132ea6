//! `como query` without a monitor: what it refuses, and how it says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use como_tests::Folder;

#[test]
fn without_a_place_to_ask_it_says_how_to_name_one() {
    let folder = Folder::new();
    folder.como(["query", "traffic"]).refused(1, &["como.toml", "--url URL or --store DIR"]);
    folder.como(["query", "traffic", "--store", "none"]).refused(1, &["no store in `none`"]);
    let both = ["query", "traffic", "--store", "a", "--url", "http://127.0.0.1:1"];
    folder.como(both).refused(2, &["--url", "--store"]);
}

#[test]
fn a_monitor_that_does_not_answer_is_named() {
    let folder = Folder::new();
    let words = ["no answer from http://127.0.0.1:1", "como serve"];
    folder.como(["query", "traffic", "--url", "http://127.0.0.1:1"]).refused(1, &words);
}

/// Where a server listens that is no monitor: it answers everybody with a status and its own page.
fn stranger(status: &'static str) -> String {
    const PAGE: &str = "<html>{\"ts\": 1}</html>\n";
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { continue };
            let mut client = BufReader::new(client);
            let head = client.by_ref().lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let kind = "Content-Type: text/html\r\nConnection: close";
            // A client that has gone is not our trouble.
            let _ = write!(client.get_mut(), "HTTP/1.1 {status}\r\n{kind}\r\n\r\n{PAGE}");
        }
    });
    format!("http://{address}")
}

#[test]
fn another_server_than_a_monitor_is_refused_in_every_format() {
    let folder = Folder::new();
    let formats = ["table", "ndjson", "csv", "json", "plain", "html", "gnuplot", "pcapng", "pcap"];
    for status in ["200 OK", "404 Not Found", "502 Bad Gateway"] {
        let url = stranger(status);
        let said = format!("no monitor answers at {url}, but another server ({status})");
        for format in formats {
            let asked = ["query", "traffic", "--url", &url, "--format", format];
            let ran = folder.como(asked);
            assert!(!ran.stderr.contains("<html>"), "{format}: {}", ran.stderr);
            ran.refused(1, &[&said, "`listen`"]);
        }
    }
}

#[test]
fn a_time_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    folder
        .como(["query", "traffic", "--store", "s", "--time", "yesterday"])
        .refused(2, &["yesterday"]);
    folder.como(["query", "traffic", "--store", "s", "--follow"]).refused(2, &["--url"]);
}

#[test]
fn a_configuration_that_makes_no_sense_is_shown_by_its_line() {
    let folder = Folder::new();
    folder.write("como.toml", "[http]\nlisen = \"127.0.0.1:1\"\n");
    let words = ["unknown key `lisen`", "como.toml:2", "^^^^^", "did you mean `listen`?"];
    folder.como(["query", "traffic"]).refused(1, &words);
}
