//! Capture over a pair of virtual interfaces in a network namespace of the test's own.
//!
//! Unsafe code: entering that namespace is a call into libc; it holds for the thread alone.
#![allow(unsafe_code)]

use std::process::Command;

use como_core::source::{Chunk, Source, SourceError};
use pcap::{Active, Capture};

use super::Live;
use crate::generate::Generator;

/// Runs `test` in a thread that has a network of its own: `como0` and `como1`, one wire.
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn with_wire(test: fn()) {
    std::thread::spawn(move || {
        // SAFETY: no memory is involved; the thread is ours and ends with the test.
        let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        let ip = |args: &str| {
            Command::new("ip").args(args.split(' ')).output().is_ok_and(|o| o.status.success())
        };
        if alone
            && ip("link add como0 type veth peer name como1")
            && ip("link set como0 up")
            && ip("link set como1 up")
        {
            test();
        } else {
            eprintln!("skipped: no right to make a network namespace, or no `ip` command");
        }
    })
    .join()
    .expect("the test passes");
}

fn sender() -> Capture<Active> {
    Capture::from_device("como0").expect("a device").open().expect("a sender")
}

/// The frames of generated traffic.
fn frames(options: &str) -> Vec<Vec<u8>> {
    let mut source = Generator::open(options).expect("options");
    let mut chunk = Chunk::default();
    source.next(&mut chunk).expect("a chunk");
    bytes(&chunk)
}

fn bytes(chunk: &Chunk) -> Vec<Vec<u8>> {
    let of = |p: &como_core::packet::Packet| {
        let region = (*chunk.regions[usize::from(p.region)]).as_ref();
        region[p.offset as usize..][..p.cap_len as usize].to_vec()
    };
    chunk.packets.iter().map(of).collect()
}

/// Turns until nothing came for a while: what was captured, wire lengths, and drops.
fn drain(live: &mut Live) -> (Vec<Vec<u8>>, Vec<u32>, u64) {
    let (mut all, mut wire, mut dropped, mut idle) = (Vec::new(), Vec::new(), 0, 0);
    while idle < 5 {
        let mut chunk = Chunk::default();
        live.next(&mut chunk).expect("a turn");
        idle = if chunk.packets.is_empty() { idle + 1 } else { 0 };
        dropped += chunk.counts.dropped;
        wire.extend(chunk.packets.iter().map(|p| p.wire_len));
        all.extend(bytes(&chunk));
    }
    (all, wire, dropped)
}

#[test]
fn what_is_sent_is_seen_whole_and_in_order() {
    with_wire(|| {
        let mut live = Live::open("como1").expect("a source");
        live.push_filter(Some("tcp")).expect("a filter");
        let sent = frames("packets=1000,vlan=0");
        let mut sender = sender();
        for frame in &sent {
            sender.sendpacket(frame.as_slice()).expect("sent");
        }
        let (seen, ..) = drain(&mut live);
        let is_tcp = |f: &&Vec<u8>| match f[12..14] {
            [8, 0] => f[23] == 6,
            [0x86, 0xdd] => f[20] == 6,
            _ => false,
        };
        let want: Vec<Vec<u8>> = sent.iter().filter(is_tcp).cloned().collect();
        assert!(want.len() > 500);
        assert_eq!(seen, want);
    });
}

#[test]
fn a_snap_length_cuts_and_the_length_on_the_wire_stays() {
    with_wire(|| {
        let mut live = Live::open("como1,snaplen=64,immediate=true").expect("a source");
        live.push_filter(Some("tcp port 443")).expect("a filter");
        assert_eq!(live.description().snaplen, 64);
        let mut frame = frames("packets=1,vlan=0,ipv6=0").remove(0);
        frame.resize(500, 7);
        frame[23] = 6;
        frame[34..38].copy_from_slice(&[1, 187, 1, 187]);
        sender().sendpacket(frame.as_slice()).expect("sent");
        let (seen, wire, _) = drain(&mut live);
        assert_eq!((seen, wire), (vec![frame[..64].to_vec()], vec![500]));
    });
}

#[test]
fn what_the_kernel_drops_is_counted_exactly() {
    with_wire(|| {
        let mut live = Live::open("como1,buffer=1").expect("a source");
        live.push_filter(Some("udp port 53")).expect("a filter");
        let question = frames("packets=4000,vlan=0,ipv6=0")
            .into_iter()
            .find(|f| f[12..14] == [8, 0] && f[23] == 17 && f[36..38] == [0, 53])
            .expect("a question");
        let mut sender = sender();
        let n_sent = 20_000;
        for _ in 0..n_sent {
            sender.sendpacket(question.as_slice()).expect("sent");
        }
        let (seen, _, dropped) = drain(&mut live);
        assert!(dropped > 0, "the buffer held it all");
        assert_eq!(seen.len() as u64 + dropped, n_sent);
    });
}

#[test]
fn an_interface_that_is_not_there_is_told_with_those_that_are() {
    with_wire(|| {
        let e = Live::open("eth9").err().expect("an error");
        assert!(matches!(e, SourceError::Device { .. }));
        let text = e.to_string();
        assert!(text.starts_with("eth9: there is no such interface: there are "), "{text}");
        assert!(text.contains("como0"), "{text}");
        let e = Live::open("como1,snapln=9").err().expect("an error").to_string();
        assert!(e.ends_with("did you mean `snaplen`?"), "{e}");
    });
}

#[test]
fn a_filter_the_kernel_does_not_know_is_an_error() {
    with_wire(|| {
        let mut live = Live::open("como1").expect("a source");
        let e = live.push_filter(Some("no such thing")).expect_err("an error").to_string();
        assert!(e.starts_with("como1: the kernel does not take the filter"), "{e}");
        live.push_filter(None).expect("everything");
    });
}
