//! Capture over a pair of virtual interfaces in a network namespace of the test's own.

use como_core::source::{Source, SourceError};

use super::Live;
use super::wire::{Heard, frames, hear, ip, lay, send, sender, with_wire};
use crate::interface::State;

#[test]
fn what_is_sent_is_seen_whole_and_in_order() {
    with_wire(|| {
        let mut live = Live::open("como1").expect("a source");
        live.push_filter(Some("tcp")).expect("a filter");
        let sent = frames("packets=1000,vlan=0");
        send(&sent);
        let is_tcp = |f: &&Vec<u8>| match f[12..14] {
            [8, 0] => f[23] == 6,
            [0x86, 0xdd] => f[20] == 6,
            _ => false,
        };
        let want: Vec<Vec<u8>> = sent.iter().filter(is_tcp).cloned().collect();
        assert!(want.len() > 500);
        assert_eq!(hear(&mut live, want.len()).frames, want);
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
        send(&[&frame]);
        let heard = hear(&mut live, 1);
        assert_eq!((heard.frames, heard.wire_lens), (vec![frame[..64].to_vec()], vec![500]));
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
        let n_sent = 20_000;
        send(&vec![question; n_sent]);
        let heard = hear(&mut live, n_sent);
        assert!(heard.counts.dropped > 0, "the buffer held it all");
        assert_eq!(heard.frames.len() as u64 + heard.counts.dropped, n_sent as u64);
    });
}

#[test]
fn a_direction_leaves_the_other_out() {
    with_wire(|| {
        let all = frames("packets=4000,vlan=0,ipv6=0");
        let [there, back] = [&all[0], &all[1]];
        for (direction, want) in
            [("in", vec![there]), ("out", vec![back]), ("both", vec![there, back])]
        {
            let text = format!("como1,direction={direction},timestamp=host_hiprec");
            let mut live = Live::open(&text).expect("a source");
            send(&[there]);
            sender("como1").sendpacket(back.as_slice()).expect("sent");
            let heard = hear(&mut live, want.len());
            assert!(heard.frames.iter().eq(want), "{direction}: {heard:?}");
        }
        let e = Live::open("como1,timestamp=card").err().expect("an error").to_string();
        assert!(e.contains("is none of host, host_lowprec, host_hiprec, adapter"), "{e}");
    });
}

#[test]
fn an_interface_that_was_down_is_heard_again_and_counted() {
    with_wire(|| {
        let mut live = Live::open("como1").expect("a source");
        let mut heard = Heard::default();
        for n in 1..3 {
            assert!(ip("link set como1 down"));
            let lost = (0..100).any(|_| {
                heard.turn(&mut live);
                live.watch.look() == State::Lost
            });
            assert!(lost, "nobody noticed");
            assert!(ip("link set como1 up"));
            heard.until(&mut live, |h| h.counts.reopened == n);
            send(&frames("packets=10,vlan=0"));
            heard.until(&mut live, |h| h.frames.len() as u64 == 10 * n);
        }
    });
}

#[test]
fn an_interface_that_was_away_is_opened_anew_with_its_filter() {
    with_wire(|| {
        let mut live = Live::open("como1").expect("a source");
        live.push_filter(Some("arp")).expect("a filter");
        assert!(ip("link del como0"));
        let mut heard = Heard::default();
        heard.turn(&mut live);
        assert!(lay());
        heard.until(&mut live, |h| h.counts.reopened == 1);
        let sent = frames("packets=2000,vlan=0");
        let is_arp = |f: &&Vec<u8>| f[12..14] == [8, 6];
        let want: Vec<Vec<u8>> = sent.iter().filter(is_arp).cloned().collect();
        assert!(!want.is_empty());
        send(&sent);
        heard.until(&mut live, |h| h.frames.len() >= want.len());
        assert_eq!(heard.frames, want);
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
