//! Packets that were cut when they were kept.

use super::*;
use crate::source::Pace;

/// The minute, and beside it the same packets cut in a way.
fn with_cut(taken: Taken) -> Minute {
    let minute = minute();
    let place = Place::Directory(Room::new(minute.dir.path().join("cut"), 1 << 30));
    let mut packets = PacketWriter::new(place, taken, Arc::default()).expect("a place to write");
    for sec in 0..60 {
        packets.put(0, LinkType::ETHERNET, Ts::new(sec, 0), &[0; 60], 1000, None);
    }
    drop(packets);
    let mut writer = Writer::new(minute.store.clone(), "node", 2);
    writer.open("cut", About { module: "trace".to_owned(), ..About::default() }).expect("memory");
    let schema = Arc::new(Schema::new([Column::new("packets", Type::Uint).of("count()")]));
    let mut records = Records::empty(schema, Span::from_secs(60));
    records.push(Ts(0), [60u64.into()]);
    writer.write("cut", Output::Records(records)).expect("memory");
    writer.commit().expect("memory");
    minute
}

fn alone(minute: Minute) -> Minute {
    std::fs::remove_dir_all(minute.dir.path().join("kept")).expect("a folder");
    minute
}

/// What is said of packets that are cut, beside whole ones or alone; none where they are taken for
/// whole, and what is answered from.
#[track_caller]
fn check(minute: Minute, filter: &str, want: Result<(&str, &[&str]), &str>) {
    let window = Window { from: Ts::new(10, 0), to: Ts::new(40, 0) };
    let run = minute.past().run(asked("10s", filter), &Over::Best, window, Arc::default());
    match (run, want) {
        (Ok(run), Ok((source, lineage))) => {
            assert_eq!(run.sources()[0].sources[0].source, format!("packets of {source}"));
            assert_eq!(said(run).1, lineage);
        }
        (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
        (run, _) => panic!("{filter}: {:?}", run.map(said)),
    }
}

#[test]
fn whole_packets_are_read_before_those_that_may_lack_a_header() {
    check(with_cut(Taken::whole(40)), "tcp", Ok(("kept", &[])));
    let doubt = "inexact: its packets are cut at 40 bytes, and `ip.proto`, protocol number behind \
                 IPv6 extension headers, may lie behind";
    check(alone(with_cut(Taken::whole(40))), "tcp", Ok(("cut", &[doubt])));
}

#[test]
fn packets_that_are_cut_behind_all_that_is_read_are_as_good_as_whole() {
    check(alone(with_cut(Taken::whole(96))), "tcp port 80", Ok(("cut", &[])));
    check(alone(with_cut(Taken::whole(1))), "len > 500", Ok(("cut", &[])));
    let headers = Taken { payload: Some(0), ..Taken::whole(262_144) };
    check(alone(with_cut(headers)), "tcp port 80", Ok(("cut", &[])));
}

#[test]
fn packets_without_payload_serve_nobody_who_reads_it() {
    let filter = "tcp and payload contains \"x\"";
    let cut = "its packets are cut at 96 bytes, and `payload` is read";
    check(alone(with_cut(Taken::whole(96))), filter, Err(cut));
    let headers = Taken { payload: Some(0), ..Taken::whole(262_144) };
    let cut = "the payload of its packets is cut to 0 bytes, and `payload` is read";
    check(alone(with_cut(headers)), filter, Err(cut));
}

#[test]
fn what_a_capture_had_cut_before_it_was_kept_is_looked_at_as_well() {
    let minute = with_cut(Taken::whole(262_144));
    let mut writer = Writer::new(minute.store.clone(), "node", 3);
    writer.open("cut", About { module: "trace".to_owned(), ..About::default() }).expect("memory");
    let covered = crate::source::Description::new("live:eth0".to_owned(), Pace::Live).cut(64);
    writer.cover("cut", &[covered.covered()]);
    let schema = minute.store.schemas("cut").expect("memory").remove(0).1;
    let mut records = Records::empty(schema, Span::from_secs(60));
    records.push(Ts(0), [60u64.into()]);
    writer.write("cut", Output::Records(records)).expect("memory");
    writer.commit().expect("memory");
    let doubt = "inexact: its packets are cut at 64 bytes, and `ip.proto`, protocol number behind \
                 IPv6 extension headers, may lie behind";
    check(alone(minute), "tcp", Ok(("cut", &[doubt])));
}
