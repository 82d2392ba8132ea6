//! The door: kinds described, texts opened or refused.

use como_core::source::Pace;

use super::{Nowhere, list, open, open_all};

#[test]
fn every_kind_is_described_in_sentences() {
    for (at, kind) in list().iter().enumerate() {
        assert!(list()[..at].iter().all(|other| other.name != kind.name), "{}", kind.name);
        assert!(kind.usage.starts_with(kind.name) && kind.doc.ends_with('.'), "{}", kind.name);
        assert!(kind.options.iter().all(|o| o.doc.ends_with('.')), "{}", kind.name);
    }
}

#[test]
fn a_source_that_makes_no_sense_is_refused_with_what_to_try() {
    let e = |text| open(text).err().expect("an error").to_string();
    assert!(e("pcao:x").ends_with("did you mean `pcap`?"), "{}", e("pcao:x"));
    assert!(e("pcap:").ends_with("names no file"), "{}", e("pcap:"));
}

/// How the packets of `text`, a pipe, come when it is opened beside `other`.
#[track_caller]
fn check_pipe(text: &str, other: Option<&str>, want: Pace) {
    let texts: Vec<&str> = [text].into_iter().chain(other).collect();
    let sources = open_all(&texts, &Nowhere).expect("sources");
    assert_eq!(sources[0].description().pace, want, "{texts:?}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn standard_input_comes_as_a_stream_beside_a_wire_whatever_it_is_read_as() {
    // Of tests that are run at a terminal, the one that runs them is at it.
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        eprintln!("skipped: standard input is a terminal");
        return;
    }
    let wire = "gen:pace=true";
    for text in ["-", "pcap:-", "-,decap=true", "netflow:-", "sflow:-", "netflow:-,flows=spread"] {
        check_pipe(text, None, Pace::Stored);
        check_pipe(text, Some("gen:duration=1s"), Pace::Stored);
        check_pipe(text, Some(wire), Pace::Stream);
    }
}

#[test]
fn what_is_wrong_with_options_is_said_with_the_name_of_the_source() {
    let e = |text| open(text).err().expect("an error").to_string();
    let near = "did you mean `flows`?";
    let want =
        format!("source `netflow:udp://[::1]:0,flow=one`: there is no option `flow`: {near}");
    assert_eq!(e("netflow:udp://[::1]:0,flow=one"), want);
    let want =
        "source `live:eth0,snaplem=2`: there is no option `snaplem`: did you mean `snaplen`?";
    assert_eq!(e("live:eth0,snaplem=2"), want);
    #[cfg(target_os = "linux")]
    assert_eq!(
        e("afpacket:eth0,rngs=2"),
        "source `afpacket:eth0,rngs=2`: there is no option `rngs`: did you mean `rings`?"
    );
    let e = e("sflow:udp://:0,fro=1");
    assert!(e.starts_with("source `sflow:udp://:0,fro=1`: "), "{e}");
}

#[test]
fn standard_input_is_read_once() {
    let refused = open_all(&["-", "netflow:-"], &Nowhere).err().expect("an error").to_string();
    assert_eq!(refused, "source `netflow:-`: standard input can be read once: name it once");
}
