//! Against a monitor of a few lines that tells its windows and breaks off where it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Keeps a packet a second from 0 to 9, in intervals of two seconds, the next of which closes
/// whenever somebody asks. Every second answer with packets breaks off in the middle.
struct Other {
    address: String,
    refused: Arc<AtomicUsize>,
}

fn other() -> Other {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let refused = Arc::new(AtomicUsize::new(0));
    let refusing = refused.clone();
    std::thread::spawn(move || {
        let (mut closed, mut answers) = (0, 0);
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            if refusing.load(Ordering::Relaxed) > 0 {
                refusing.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let request = lines.next().expect("a request").expect("text");
            lines.map_while(Result::ok).find(|line| line.is_empty());
            if request.contains("/status") {
                closed = 10.min(closed + 2);
                answer(&mut stream, &status(closed), usize::MAX);
                continue;
            }
            let (from, until) = window(&request);
            let body = capture(from, until.min(closed));
            answers += 1;
            let whole = answers % 2 == 1 || until < 2;
            answer(&mut stream, &body, if whole { usize::MAX } else { body.len() - 100 });
        }
    });
    Other { address, refused }
}

fn answer(stream: &mut TcpStream, body: &[u8], most: usize) {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Who asked may have gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body[..body.len().min(most)]);
}

fn status(closed: u64) -> Vec<u8> {
    let task = |name: &str, module: &str| {
        let until = format!("1970-01-01T00:00:{closed:02}Z");
        format!(r#"{{"name":"{name}","module":"{module}","closed_until":"{until}"}}"#)
    };
    let tasks = format!("[{},{}]", task("kept", "trace"), task("t", "traffic"));
    format!(
        r#"{{"capture":{{"clock":"1970-01-01T00:00:{closed:02}Z","tasks":{tasks}}},"node":"x"}}"#
    )
    .into_bytes()
}

/// The whole seconds of `time=A:B`.
fn window(request: &str) -> (u64, u64) {
    let time = request.split("time=").nth(1).expect("a time");
    let ends = time.split(['&', ' ']).next().expect("an end").replace("%3A", ":");
    let seconds = |text: &str| text.split('.').next().expect("seconds").parse().expect("a number");
    let (from, until) = ends.split_once(':').expect("two ends");
    (seconds(from), seconds(until))
}

fn capture(from: u64, until: u64) -> Vec<u8> {
    let mut bytes = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    for second in from..until {
        bytes.extend([second as u32, 0, 60, 60].map(u32::to_le_bytes).concat());
        bytes.extend([0; 60]);
    }
    bytes
}

/// The seconds of all packets, until the tenth of them or the patience is at an end.
fn read(source: &mut Como) -> Vec<u64> {
    let mut seconds = Vec::new();
    for _ in 0..500 {
        let mut chunk = Chunk::default();
        source.asked = None;
        source.next(&mut chunk).expect("a turn");
        seconds.extend(chunk.packets.iter().map(|p| p.ts.0 / 1_000_000_000));
        if seconds.last() == Some(&9) {
            return seconds;
        }
    }
    panic!("no end: {seconds:?}");
}

#[test]
fn every_packet_comes_once_though_answers_break_off_and_the_monitor_goes_away() {
    let other = other();
    let mut source =
        Como::open(&format!("http://{}/kept,since=", other.address)).expect("a source");
    other.refused.store(3, Ordering::Relaxed);
    assert_eq!(read(&mut source), (0..10).collect::<Vec<_>>());
}

#[test]
fn what_is_not_there_is_said_when_it_is_opened() {
    let other = other();
    let error = |text: &str| Como::open(text).err().expect("an error").to_string();
    let nothing = error(&format!("http://{}/none", other.address));
    assert!(nothing.ends_with("nothing is called `none` there; running are kept, t"), "{nothing}");
    assert!(Como::open("http://127.0.0.1:1/x").is_ok(), "it may be up later");
    assert!(error("ftp://x").contains("write `http://HOST:PORT/NAME`"));
    let time = error(&format!("http://{}/kept,since=soon", other.address));
    assert!(time.contains("`soon` is not a time"), "{time}");
}
