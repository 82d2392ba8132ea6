//! Export packets among others in a capture.

use como_core::addr::Addr;
use como_core::packet::Packet;
use como_core::packet::build::Frame;
use como_core::source::{Pace, Sampling, Treatment};

use super::*;
use crate::flow::Flow;
use crate::flow::udp::udp;
use crate::netflow::made::{PLAIN, plain, set, template, v5, v9};

/// A capture of these frames, which breaks off at its end if it is `cut`.
struct Frames {
    description: Description,
    frames: Vec<Frame>,
    cut: bool,
}

impl Source for Frames {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let mut bytes = Vec::new();
        for frame in self.frames.drain(..) {
            let offset = bytes.len() as u32;
            frame.write(&mut bytes);
            let len = bytes.len() as u32 - offset;
            let batch = como_core::packet::build::batch_of([frame]);
            let Some(packet) = batch.all().first() else { continue };
            chunk.packets.push(Packet { offset, wire_len: len, ..*packet });
        }
        chunk.regions.push(std::sync::Arc::new(bytes));
        match self.cut {
            false => Ok(Turn::End),
            true => {
                let (name, why) = ("x".to_owned(), "cut short".to_owned());
                Err(SourceError::Format { name, why, offset: 0 })
            }
        }
    }
}

fn exports(frames: Vec<Frame>, cut: bool, options: &str) -> Exports {
    let description = Description::new("pcap:x".to_owned(), Pace::Stored);
    let options = Options::parse(&KIND, options).expect("options");
    let shape = Shape::parse(&options, DISORDER).expect("a shape");
    let senders = Senders::parse(&options).expect("senders");
    Exports::new("x", Box::new(Frames { description, frames, cut }), senders, shape)
}

/// Weights of all packets, and how the source ended.
fn read(mut source: Exports) -> (Vec<(u64, u64)>, Result<Turn, SourceError>, Flows) {
    let mut weights = Vec::new();
    loop {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk);
        weights.extend(chunk.weights.iter().map(|w| (w.packets, w.bytes)));
        if !matches!(turn, Ok(Turn::More | Turn::Idle)) {
            return (weights, turn, source.flows().expect("flows"));
        }
    }
}

fn export(from: &str, payload: Vec<u8>) -> Frame {
    Frame::udp(from, "192.0.2.9:5555").payload(payload)
}

#[test]
fn exports_are_found_on_any_port_and_behind_any_tag() {
    let learned = v9(0, 0, &[set(0, &[template(256, PLAIN)]), set(256, &[plain(3)])]);
    let frames = vec![
        export("192.0.2.1:99", v5(0, 0, 1..3)),
        Frame::tcp("192.0.2.1:99", "192.0.2.9:2055").payload(v5(0, 0, 1..3)),
        Frame::udp("192.0.2.1:99", "192.0.2.9:53").payload(*b"no export at all"),
        Frame::udp("[fe80::1]:99", "[fe80::2]:9").vlan(7).payload(learned),
    ];
    let (weights, end, flows) = read(exports(frames, false, ""));
    assert_eq!(weights, [(1, 100), (2, 200), (3, 300)]);
    assert!(matches!(end, Ok(Turn::End)));
    assert_eq!((flows.flow_records, flows.flow_datagrams, flows.flow_undecodable), (3, 2, 0));
    let exporters: Vec<&str> = flows.flow_exporters.iter().map(|e| e.address.as_str()).collect();
    assert_eq!(exporters, ["192.0.2.1", "fe80::1"]);
}

#[test]
fn a_capture_cut_short_gives_all_it_holds() {
    let frames = vec![export("192.0.2.1:99", v5(0, 0, 1..3))];
    let (weights, end, _) = read(exports(frames, true, ""));
    assert_eq!(weights, [(1, 100), (2, 200)]);
    assert!(end.is_err_and(|e| e.to_string().contains("cut short")));
}

#[test]
fn exporters_that_are_not_asked_for_are_not_heard() {
    let from = |host: &str| export(host, v5(0, 0, 1..2));
    let frames = vec![from("192.0.2.1:99"), from("192.0.3.1:99")];
    let (weights, _, _) = read(exports(frames, false, "from=192.0.2.0/24"));
    assert_eq!(weights, [(1, 100)]);
}

#[test]
fn a_spread_flow_is_several_packets() {
    let frames = vec![export("192.0.2.1:99", v5(0, 0, 5..6))];
    let (weights, _, flows) = read(exports(frames, false, "flows=spread,pieces=2"));
    assert_eq!(weights, [(3, 250), (2, 250)]);
    assert_eq!((flows.flow_records, flows.flow_packets), (1, 5));
}

#[test]
fn a_source_comes_to_know_how_its_exporters_sample() {
    let sampling = |rates: &[u16]| {
        let export = |rate: &u16| export("192.0.2.1:99", v5(0, 1 << 14 | rate, 1..2));
        let mut source = exports(rates.iter().map(export).collect(), false, "flows=spread");
        assert_eq!(source.description().sampling, Sampling::Unknown);
        assert_eq!(source.description().lineage, [Treatment::Flows, Treatment::Spread]);
        while !matches!(source.next(&mut Chunk::default()), Ok(Turn::End)) {}
        source.description().sampling
    };
    assert_eq!(sampling(&[]), Sampling::Unknown);
    assert_eq!(sampling(&[100, 100]), Sampling::OneIn(100));
    assert_eq!(sampling(&[100, 10]), Sampling::Varying);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let e = |text| open(text, Pace::Stored).err().expect("an error").to_string();
    assert!(e("x,flows=two").ends_with("`flows=two` must be one or spread"));
    assert!(e("x,pieces=1").contains("2 to 256"));
    assert!(e("/no/such/file").contains("cannot open"));
}

#[test]
fn a_packet_of_which_the_end_was_not_captured_gives_what_there_is() {
    let whole = export("192.0.2.1:99", v5(0, 0, 1..4));
    let bytes = whole.bytes();
    let packet =
        Packet { wire_len: bytes.len() as u32, ..*batch(&whole).all().first().expect("one") };
    let held = &bytes[..bytes.len() - 10];
    let (_, payload, sent) = udp(&packet, held).expect("UDP");
    assert_eq!((payload.len(), sent), (24 + 3 * 48 - 10, 24 + 3 * 48));
    let mut flows: Vec<Flow> = Vec::new();
    Decoder::default().decode(Addr::v4([0; 4]), packet.ts, payload, &mut flows);
    assert_eq!(flows.len(), 2);
}

fn batch(frame: &Frame) -> como_core::batch::Batch {
    como_core::packet::build::batch_of([frame.clone()])
}
