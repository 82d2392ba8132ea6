//! Scripts sent with a question: they answer as if they had always run, and harm nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use como_tests::Folder;

use super::rerun::{SCRIPT, ran, read_whole};
use super::server::{Server, get, post, posted, reply};
use super::{TRAFFIC, config};

/// A record for each packet, and so more than any queue holds.
const TALKATIVE: &str = "\
args = { interval = \"1ms\" }
key = { at = \"ts\" }
value = { n = count() }
function export(table, long, args)
  local rows = {}
  for i = 1, 2000 do rows[i] = { text = string.rep(\"x\", 1000), i = i } end
  return rows
end
";

/// How many runs `/status` shows.
fn runs(address: SocketAddr) -> usize {
    let status: serde_json::Value =
        serde_json::from_str(&get(address, "/status").body).expect("an object");
    status["runs"].as_array().expect("a list").len()
}

/// Waits until so many run.
#[track_caller]
fn until_runs(address: SocketAddr, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while runs(address) != count {
        assert!(Instant::now() < deadline, "{} run, wanted {count}", runs(address));
        std::thread::yield_now();
    }
}

#[test]
fn a_script_that_is_sent_answers_as_if_it_had_run() {
    let (folder, server) = read_whole();
    let reply = post(server.address(), "/query?time=:", "lua", SCRIPT);
    assert_eq!((reply.status, reply.whole), (200, true), "{}", reply.body);
    assert_eq!(reply.body, ran(&folder, &["mine.lua"]).stdout);
    let rhai = "let args = #{ interval: \"2s\" };\nlet value = #{ packets: count() };\n";
    let url = "/query?time=:&lang=rhai&module=mine&source=kept";
    let reply = post(server.address(), url, "rhai", rhai);
    let packets: u64 = super::sum(&reply.body, "packets");
    assert_eq!((reply.status, packets), (200, 5000), "{}", reply.body);
    let csv = "/query?time=:&format=csv&filter=tcp&arg.interval=5s";
    let reply = post(server.address(), csv, "lua", SCRIPT);
    assert!(reply.body.lines().count() == 3, "{}", reply.body);
    let reply = post(server.address(), "/query?time=:&explain=yes", "lua", SCRIPT);
    assert!(reply.body.contains("\"source\":\"kept\""), "{}", reply.body);
    // From a terminal it is the same.
    let url = format!("http://{}", server.address());
    let query = ["query", "mine.lua", "--url", &url, "--time", ":", "--format", "ndjson"];
    assert_eq!(folder.como(query).ok().stdout, ran(&folder, &["mine.lua"]).stdout);
    folder.write("wrong.lua", "value = { n = count( }\n");
    let query = ["query", "wrong.lua", "--url", &url, "--time", ":"];
    folder.como(query).refused(2, &["wrong.lua:1", "^"]);
    assert_eq!(server.end(), 0);
}

/// A script that does this with each packet.
fn update(what: &str) -> String {
    format!("function update(pkt, state)\n{what}\nend\nfunction export(state) return {{}} end\n")
}

/// What a script is refused with.
#[track_caller]
fn check(address: SocketAddr, language: &str, script: &str, wants: &[&str]) {
    let reply = post(address, "/query?time=:", language, script);
    assert_eq!(reply.status, 400, "{script}: {}", reply.body);
    for want in wants {
        assert!(reply.body.contains(want), "{script}: {} lacks {want}", reply.body);
    }
}

#[test]
fn what_is_wrong_with_a_script_is_underlined() {
    let (folder, server) = read_whole();
    // A file of that name is not looked into for the line.
    folder.write("script.lua", "secret = 1\nsecret = 2\n");
    let at = server.address();
    check(at, "lua", "key = {}\nvalue = { n = count( }\n", &["script.lua:2", "value = {", "^"]);
    check(at, "lua", "valeu = { n = count() }\n", &["value"]);
    check(at, "rhai", "let value = #{ n: cuont() };\n", &["script.rhai:1", "cuont", "^"]);
    check(at, "lua", "value = { n = count() }\nfilter = \"tcp and prot\"", &["prot", "^", "port"]);
    check(at, "lua", "local m = require(\"lib/mine\")\nvalue = { n = m.n }", &["lib/mine"]);
    check(at, "lua", &update("  local x = nil + pkt.len"), &["script.lua:2", "nil", "^"]);
    check(at, "lua", "", &["script.lua"]);
    let two = "valeu = { n = count() }\nfilter = \"tcp and prot\"";
    let reply = post(at, "/query?time=:", "lua", two);
    assert!(
        reply.body.contains("script.lua:2") && !reply.body.contains("secret"),
        "{}",
        reply.body
    );
    for url in [
        "/query?time=:&module=../mine",
        "/query?time=:&arg.no=1",
        "/query?tmie=:",
        "/query?time=soon",
        "/query?format=xml",
    ] {
        assert_eq!(post(at, url, "lua", SCRIPT).status, 400, "{url}");
    }
    assert_eq!(server.end(), 0);
}

#[test]
fn a_script_that_harms_is_stopped_and_the_monitor_goes_on() {
    let (_folder, server) = read_whole();
    let at = server.address();
    check(at, "lua", "while true do end", &["ms"]);
    check(at, "lua", &update("while true do end"), &["ms"]);
    check(at, "rhai", "fn update(pkt, state) { loop {} }\nfn export(state) { [] }", &["ms"]);
    let hoards = "local all = {} for i = 1, 20 do all[i] = string.rep(\"x\", 10000000) end";
    check(at, "lua", &update(hoards), &["memory"]);
    // What it says goes to the log, which takes so many lines; what it gives is what was asked.
    let prints = post(at, "/query?time=:", "lua", &update("for i = 1, 100 do log(\"no end\") end"));
    assert!(prints.body.len() < 1_000_000, "{} bytes", prints.body.len());
    check(at, "lua", &"(".repeat(200_000), &["script.lua"]);
    assert_eq!(runs(at), 0);
    // All but eight, which are not of IP.
    assert_eq!(super::sum(&get(at, "/flows?time=:&wait=no").body, "packets"), 4992);
    assert_eq!(server.end(), 0);
}

#[test]
fn several_scripts_run_at_once_and_each_is_given_up_with_its_connection() {
    let (_folder, server) = read_whole();
    let at = server.address();
    let mut held: Vec<TcpStream> = (0..4)
        .map(|_| {
            let stream = posted(at, "/query?time=:", "lua", TALKATIVE);
            // The first records are there before the window has been read through: nobody reads
            // on, and all of them would fit nowhere.
            let mut first = [0; 4096];
            (&stream).read_exact(&mut first).expect("it begins to answer");
            assert!(first.starts_with(b"HTTP/1.1 200"));
            stream
        })
        .collect();
    until_runs(at, 4);
    assert_eq!(post(at, "/query?time=:", "lua", SCRIPT).status, 503);
    let status: serde_json::Value =
        serde_json::from_str(&get(at, "/status").body).expect("an object");
    let run = &status["runs"][0];
    assert_eq!(run["module"], "script");
    assert!(run["size_bytes"].as_u64() > Some(0), "{run}");
    // One goes in the middle of its answer.
    held.pop();
    until_runs(at, 3);
    assert_eq!(post(at, "/query?time=:", "lua", SCRIPT).status, 200);
    drop(held);
    until_runs(at, 0);
    assert_eq!(server.end(), 0);
}

#[test]
fn what_comes_over_the_wire_is_bounded() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=100", TRAFFIC));
    let server = Server::start(&folder);
    let at = server.address();
    assert_eq!(post(at, "/query", "lua", &"-".repeat((256 << 10) + 1)).status, 413);
    assert_eq!(post(at, "/query", "python", "n = 1").status, 415);
    assert_eq!(post(at, "/t", "lua", SCRIPT).status, 405);
    let raw = |request: &str| {
        let mut stream = TcpStream::connect(at).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        reply(stream).status
    };
    let head = "POST /query HTTP/1.1\r\nHost: localhost\r\n";
    assert_eq!(raw(&format!("{head}Content-Type: application/x-lua\r\n\r\nn = 1")), 411);
    let chunked = "Content-Type: application/x-lua\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(raw(&format!("{head}{chunked}\r\n5\r\nn = 1\r\n0\r\n\r\n")), 411);
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n";
    assert_eq!(raw(&format!("{head}{form}\r\nn = 1")), 415);
    // One that says little holds only its own connection.
    let mut slow = TcpStream::connect(at).expect("it listens");
    slow.write_all(head.as_bytes()).expect("it reads");
    assert_eq!(get(at, "/status").status, 200);
    assert_eq!(server.end(), 0);
}

#[test]
fn who_wants_no_scripts_gets_none() {
    let folder = Folder::new();
    let text = config("gen:packets=100", TRAFFIC);
    folder.write("como.toml", text.replace("[http]\n", "[http]\nscripts = \"none\"\n"));
    let server = Server::start(&folder);
    let reply = post(server.address(), "/query?time=:", "lua", SCRIPT);
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("runs no scripts"), "{}", reply.body);
    assert_eq!(server.end(), 0);
}

#[test]
fn records_of_a_script_come_while_it_runs() {
    let (_folder, server) = read_whole();
    let stream = posted(server.address(), "/query?time=:", "lua", TALKATIVE);
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    let record = lines.find(|line| line.starts_with('{')).expect("a record");
    assert!(record.contains("xxx"), "{record}");
    assert_eq!(runs(server.address()), 1);
    drop(lines);
    until_runs(server.address(), 0);
    assert_eq!(server.end(), 0);
}

#[test]
fn scripts_have_the_limits_that_were_read_last() {
    let (folder, server) = read_whole();
    let many = "args = { interval = \"1s\" }\nvalue = { n = count() }\n\
                function export(table, long, args)\n  local rows = {}\n\
                for i = 1, 1000 do rows[i] = { i = i, text = \"0123456789\" } end\n\
                return rows\nend\n";
    let asked = || post(server.address(), "/query?time=:", "lua", many).status;
    assert_eq!(asked(), 200);
    let config = std::fs::read_to_string(folder.path().join("como.toml")).expect("it is there");
    folder.write("como.toml", format!("{config}[limits]\noutput = \"100B\"\n"));
    server.hang_up();
    let deadline = Instant::now() + Duration::from_secs(60);
    while asked() != 400 {
        assert!(Instant::now() < deadline, "the limits stay as they were");
    }
    folder.write("como.toml", config);
    server.hang_up();
    while asked() != 200 {
        assert!(Instant::now() < deadline, "the limits stay as they were");
    }
    assert_eq!(server.end(), 0);
}
