//! Rings over a pair of virtual interfaces in a network namespace of the test's own.

use std::io::{Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use como_core::packet::LinkType;
use como_core::source::Source;

use super::{Direction, link_of, open};
use crate::live::wire::{Heard, frames, hear, ip, lay, send, sender, tunnel, with_wire};

/// The one ring that a text asks for.
#[track_caller]
fn ring(text: &str) -> Box<dyn Source> {
    let mut sources = open(text).expect("a source");
    assert_eq!(sources.len(), 1);
    sources.remove(0)
}

/// Whether it is TCP behind at most one tag.
fn is_tcp(frame: &[u8]) -> bool {
    let at = if frame[12..14] == [0x81, 0] { 16 } else { 12 };
    match frame[at..at + 2] {
        [8, 0] => frame[at + 11] == 6,
        [0x86, 0xdd] => frame[at + 8] == 6,
        _ => false,
    }
}

/// A question over DNS.
fn question() -> Vec<u8> {
    let all = frames("packets=4000,vlan=0,ipv6=0");
    let is_question = |f: &Vec<u8>| f[12..14] == [8, 0] && f[23] == 17 && f[36..38] == [0, 53];
    all.into_iter().find(is_question).expect("a question")
}

#[test]
fn what_is_sent_is_seen_whole_in_order_and_with_its_tags() {
    with_wire(|| {
        let mut ring = ring("como1,block=64KiB,blocks=128");
        ring.push_filter(Some("tcp")).expect("a filter");
        let sent = frames("packets=2000,vlan=0.5");
        let want: Vec<&Vec<u8>> = sent.iter().filter(|f| is_tcp(f)).collect();
        let tagged = want.iter().filter(|f| f[12..14] == [0x81, 0]).count();
        assert!(want.len() > 1000 && tagged > 100, "{} {tagged}", want.len());
        send(&sent);
        let heard = hear(&mut *ring, want.len());
        assert!(heard.frames.iter().eq(want));
        assert!(heard.frames.iter().map(Vec::len).eq(heard.wire_lens.iter().map(|l| *l as usize)));
        assert_eq!(heard.counts.dropped, 0);
    });
}

#[test]
fn times_are_the_clocks_in_nanoseconds() {
    with_wire(|| {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let mut ring = ring("como1");
        ring.push_filter(Some("udp port 53")).expect("a filter");
        let before = now() as u64;
        send(&vec![question(); 50]);
        let after = now() as u64;
        let times = hear(&mut *ring, 50).times;
        assert!(times.is_sorted() && times[0] >= before && times[49] <= after, "{times:?}");
        assert!(times.iter().any(|ns| ns % 1_000 != 0), "{times:?}");
    });
}

#[test]
fn a_snap_length_counts_the_tag_and_the_length_on_the_wire_stays() {
    with_wire(|| {
        let mut ring = ring("como1,snaplen=64");
        assert_eq!(ring.description().snaplen, 64);
        ring.push_filter(Some("udp port 53")).expect("a filter");
        let mut plain = question();
        plain.resize(500, 7);
        let mut tagged = plain.clone();
        tagged.splice(12..12, [0x88, 0xa8, 0x20, 5]);
        send(&[&plain, &tagged]);
        let heard = hear(&mut *ring, 2);
        assert_eq!(heard.frames, [&plain[..64], &tagged[..64]]);
        assert_eq!(heard.wire_lens, [500, 504]);
    });
}

#[test]
fn what_finds_no_room_is_counted_exactly() {
    with_wire(|| {
        let mut ring = ring("como1,block=64KiB,blocks=2");
        ring.push_filter(Some("udp port 53")).expect("a filter");
        let sent = vec![question(); 20_000];
        send(&sent);
        let heard = hear(&mut *ring, sent.len());
        assert!(heard.counts.dropped > 0, "the ring held it all");
        assert_eq!(heard.frames.len() as u64 + heard.counts.dropped, sent.len() as u64);
        assert!(heard.frames.iter().all(|f| *f == sent[0]));
    });
}

#[test]
fn rings_divide_packets_by_flow_and_each_goes_to_one() {
    with_wire(|| {
        let mut rings = open("como1,rings=2,fanout=hash,blocks=8").expect("sources");
        let names: Vec<_> = rings.iter().map(|r| r.description().name.clone()).collect();
        assert_eq!(names, ["afpacket:como1 ring 1", "afpacket:como1 ring 2"]);
        for ring in &mut rings {
            ring.push_filter(Some("tcp")).expect("a filter");
        }
        let mut sent = frames("packets=2000,vlan=0,ipv6=0");
        sent.retain(|f| is_tcp(f));
        send(&sent);
        let (mut first, mut second) = (Heard::default(), Heard::default());
        first.until(&mut *rings[0], |h| h.frames.len() > 100);
        second.until(&mut *rings[1], |h| h.frames.len() > 100);
        while first.turn(&mut *rings[0]) | second.turn(&mut *rings[1]) {}
        assert_eq!(first.frames.len() + second.frames.len(), sent.len());
        // Both directions of a conversation are one flow to the kernel.
        let conversation = |f: &Vec<u8>| {
            let mut ends = [[&f[26..30], &f[34..36]].concat(), [&f[30..34], &f[36..38]].concat()];
            ends.sort();
            ends
        };
        let of_first: std::collections::BTreeSet<_> =
            first.frames.iter().map(conversation).collect();
        assert!(second.frames.iter().all(|f| !of_first.contains(&conversation(f))));
    });
}

#[test]
fn a_new_filter_holds_from_then_on_and_what_was_heard_before_stays() {
    with_wire(|| {
        let mut ring = ring("como1");
        ring.push_filter(Some("udp port 53")).expect("a filter");
        let udp = question();
        let mut tcp = frames("packets=100,vlan=0,ipv6=0");
        tcp.retain(|f| is_tcp(f));
        send(&[&udp, &tcp[0]]);
        ring.push_filter(Some("tcp")).expect("a filter");
        send(&[&udp, &tcp[1]]);
        let heard = hear(&mut *ring, 2);
        assert_eq!(heard.frames, [&udp, &tcp[1]].map(Vec::clone));
        ring.push_filter(None).expect("everything");
        send(&[&udp, &tcp[2]]);
        let mut heard = Heard::default();
        heard.until(&mut *ring, |h| h.frames.contains(&udp) && h.frames.contains(&tcp[2]));
        let e = ring.push_filter(Some("no such thing")).expect_err("an error").to_string();
        assert!(e.starts_with("como1: the kernel does not take the filter `no such"), "{e}");
    });
}

#[test]
fn a_direction_leaves_the_other_out() {
    with_wire(|| {
        let (there, here) = (question(), frames("packets=4000,vlan=0,ipv6=0"));
        let back = here.iter().find(|f| is_tcp(f)).expect("a frame");
        for (direction, want) in
            [("in", vec![&there]), ("out", vec![back]), ("both", vec![&there, back])]
        {
            let mut ring = ring(&format!("como1,direction={direction}"));
            ring.push_filter(Some("tcp or udp port 53")).expect("a filter");
            send(&[&there]);
            sender("como1").sendpacket(back.as_slice()).expect("sent");
            let heard = hear(&mut *ring, want.len());
            assert!(heard.frames.iter().eq(want), "{direction}: {heard:?}");
        }
    });
}

#[test]
fn loopback_shows_each_packet_once() {
    with_wire(|| {
        assert!(ip("link set lo up"));
        let mut ring = ring("lo");
        ring.push_filter(Some("udp port 53000")).expect("a filter");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for _ in 0..3 {
            socket.send_to(b"to nobody", "127.0.0.1:53000").expect("sent");
        }
        assert_eq!(hear(&mut *ring, 3).frames.len(), 3);
        assert!(Direction::Out.wants(true, true) && !Direction::Both.wants(true, true));
    });
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn a_tunnel_gives_bare_ip_both_ways() {
    with_wire(|| {
        let Some(mut tunnel) = tunnel() else {
            eprintln!("skipped: no tunnel device");
            return;
        };
        let mut ring = ring("tun9");
        assert_eq!(ring.description().links, [LinkType::RAW]);
        // Meant for Ethernet: ignored here, so that nothing is lost.
        ring.push_filter(Some("arp")).expect("a filter");
        let socket = std::net::UdpSocket::bind("10.8.0.1:0").expect("a socket");
        socket.send_to(b"to nobody", "10.8.0.2:53000").expect("sent");
        let mut sent = vec![0; 100];
        let len = tunnel.read(&mut sent).expect("what was sent");
        sent.truncate(len);
        let mut heard = hear(&mut *ring, 1);
        assert_eq!((&heard.frames, heard.wire_lens[0]), (&vec![sent.clone()], 37));
        sent[12..20].rotate_left(4);
        tunnel.write_all(&sent).expect("sent");
        // What the system says to that may follow.
        heard.until(&mut *ring, |h| h.frames.len() >= 2);
        assert_eq!(heard.frames[1], sent);
    });
}

#[test]
fn an_interface_that_was_down_is_heard_again_and_counted() {
    with_wire(|| {
        let mut ring = ring("como1");
        ring.push_filter(Some("udp port 53")).expect("a filter");
        assert!(ip("link set como1 down") && ip("link set como1 up"));
        let mut heard = Heard::default();
        heard.until(&mut *ring, |h| h.counts.reopened == 1);
        send(&[question()]);
        heard.until(&mut *ring, |h| h.frames.len() == 1);
        assert_eq!(heard.counts.reopened, 1);
    });
}

#[test]
fn an_interface_that_was_away_is_opened_anew_with_its_filter() {
    with_wire(|| {
        let mut rings = open("como1,rings=2,fanout=lb,blocks=4").expect("sources");
        for ring in &mut rings {
            ring.push_filter(Some("udp port 53")).expect("a filter");
        }
        assert!(ip("link del como0"));
        let (mut first, mut second) = (Heard::default(), Heard::default());
        first.turn(&mut *rings[0]);
        second.turn(&mut *rings[1]);
        assert!(lay());
        first.until(&mut *rings[0], |h| h.counts.reopened == 1);
        second.until(&mut *rings[1], |h| h.counts.reopened == 1);
        let mut sent = frames("packets=100,vlan=0,ipv6=0");
        sent.retain(|f| is_tcp(f));
        sent.extend(vec![question(); 10]);
        send(&sent);
        // In turn: half of them each.
        first.until(&mut *rings[0], |h| h.frames.len() == 5);
        second.until(&mut *rings[1], |h| h.frames.len() == 5);
    });
}

#[test]
fn what_cannot_be_opened_says_what_to_try() {
    with_wire(|| {
        let e = |text| open(text).err().expect("an error").to_string();
        let text = e("eth9");
        assert!(text.starts_with("eth9: there is no such interface: there are "), "{text}");
        assert!(e("").starts_with("source `afpacket:`: names no interface: "), "{}", e(""));
        assert!(ip("link set como1 down"));
        assert_eq!(e("como1"), "como1: the interface is down: `ip link set como1 up`");
    });
}

#[test]
fn kinds_of_interfaces_have_link_types() {
    assert_eq!(link_of(libc::ARPHRD_ETHER), Some(LinkType::ETHERNET));
    assert_eq!(link_of(libc::ARPHRD_NONE), Some(LinkType::RAW));
    assert_eq!(link_of(libc::ARPHRD_TUNNEL), None);
}
