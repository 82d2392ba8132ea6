//! A monitor on a network interface: what the kernel is asked for as modules come and go, and an
//! interface that goes and comes back. In a network namespace of the test's own.
//!
//! Unsafe code: entering that namespace is a call into libc; it holds for the thread alone, and
//! for what it starts.
#![allow(unsafe_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use como_tests::Folder;

use crate::server::{Server, get};
use crate::{TRAFFIC, config, sum};

/// A module for the packets that `filter` picks.
fn module(filter: &str) -> String {
    format!(
        "-- Counts.\nargs = {{ interval = \"1s\" }}\nfilter = \"{filter}\"\nvalue = {{ packets = \
            count() }}\n"
    )
}

fn ip(args: &str) -> bool {
    Command::new("ip").args(args.split(' ')).output().is_ok_and(|o| o.status.success())
}

/// `como0` and `como1`, one wire; what is sent to 10.9.0.2 goes out of `como0`.
fn lay() -> bool {
    // Without IPv6 nobody says anything on a new interface; a system without it needs not be told.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    ip("link add como0 type veth peer name como1")
        && ip("link set como0 up")
        && ip("link set como1 up")
        && ip("addr add 10.9.0.1/24 dev como0")
        && ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev como0 nud permanent")
}

fn send(port: u16, packets: usize) {
    let socket = UdpSocket::bind("10.9.0.1:0").expect("a socket");
    for _ in 0..packets {
        socket.send_to(b"some bytes that nobody answers", ("10.9.0.2", port)).expect("sent");
    }
}

/// What a monitor's only source has counted.
fn counted(server: &Server, what: &str) -> u64 {
    let status = get(server.address(), "/status").body;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    status["capture"]["sources"][0][what].as_u64().expect("a count")
}

#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn with_wire(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: no memory is involved; the thread is ours and ends with the test.
            let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
            if alone && ip("link set lo up") && lay() {
                test();
            } else {
                eprintln!("skipped: no right to make a network namespace, or no `ip` command");
            }
        });
    });
}

#[test]
fn what_is_asked_before_the_first_packet_waits_for_it_and_counts_from_now() {
    with_wire(|| {
        let folder = Folder::new();
        folder.write("como.toml", config("afpacket:como1", TRAFFIC));
        let server = Server::start(&folder);
        let mut asked = TcpStream::connect(server.address()).expect("it listens");
        asked.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        let url = "/t?time=-1h:%2B1h";
        write!(asked, "GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
        let mut lines = BufReader::new(asked).lines().map(|line| line.expect("a line in time"));
        // The head of the answer: it has begun.
        lines.find(|line| line.is_empty()).expect("a head");
        assert_eq!(counted(&server, "packets"), 0);
        // An interval closes once a packet behind it is heard.
        let record = std::thread::scope(|scope| {
            let mut records = lines.filter(|line| line.starts_with('{'));
            let reading = scope.spawn(move || records.find(|line| sum(line, "packets") > 0));
            while !reading.is_finished() {
                send(53, 1);
                std::thread::yield_now();
            }
            reading.join().expect("records")
        });
        assert!(record.is_some(), "it ended without one");
        assert_eq!(server.end(), 0);
    });
}

/// Modules come and go on a source of this kind.
#[track_caller]
fn follows_the_modules(kind: &str) {
    with_wire(|| {
        let folder = Folder::new();
        folder.write("como.toml", config(&format!("{kind}:como1"), ""));
        folder.write("modules/dns.lua", module("udp port 53"));
        let server = Server::start(&folder);
        // Sent until one is heard: nothing tells when the source has been told what is wanted.
        server.until("/dns?time=-1h:0&wait=no", |body| {
            send(53, 1);
            sum(body, "packets") > 0
        });
        // How many of 50 that no module is for and of one that is for `dns` pass the kernel.
        let passes = || {
            let before = counted(&server, "packets");
            send(123, 50);
            send(53, 1);
            server.until("/status", |_| counted(&server, "packets") > before);
            counted(&server, "packets") - before
        };
        // Those sent to find out that it hears are still on their way at first.
        assert!((0..100).any(|_| passes() == 1), "what nobody wants passes");

        folder.write("modules/ntp.lua", module("udp port 123"));
        server.until("/ntp?time=-1h:0&wait=no", |body| {
            send(123, 1);
            sum(body, "packets") > 0
        });

        std::fs::remove_file(folder.path().join("modules/ntp.lua")).expect("it was there");
        server.until("/status", |status| !status.contains("\"name\":\"ntp\""));
        // The source takes the new filter at one of its next turns.
        assert!((0..100).any(|_| passes() == 1), "what nobody wants still passes");
        assert_eq!(server.end(), 0);
    });
}

#[test]
fn the_kernel_is_asked_for_what_the_modules_want_through_libpcap() {
    follows_the_modules("live");
}

#[test]
fn the_kernel_is_asked_for_what_the_modules_want_through_a_ring() {
    follows_the_modules("afpacket");
}

/// The interface of a source of this kind goes and comes back.
#[track_caller]
fn survives_a_lost_interface(kind: &str) {
    with_wire(|| {
        let folder = Folder::new();
        folder.write("como.toml", config(&format!("{kind}:como1"), crate::TRAFFIC));
        let server = Server::start(&folder);
        assert!(ip("link del como0") && lay());
        server.until("/status", |_| counted(&server, "reopened") == 1);
        send(53, 20);
        server.until("/status", |_| counted(&server, "packets") >= 20);
        assert_eq!(server.end(), 0);
    });
}

#[test]
fn an_interface_that_was_away_is_captured_from_again_through_libpcap() {
    survives_a_lost_interface("live");
}

#[test]
fn an_interface_that_was_away_is_captured_from_again_through_a_ring() {
    survives_a_lost_interface("afpacket");
}
