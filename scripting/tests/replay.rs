//! Replaying records and running the same module over the replay gives the same records.

use std::sync::Arc;

use como_core::addr::Addr;
use como_core::module::{Args, Kind, Setup};
use como_core::packet::build::{Frame, batch_of};
use como_core::record::Output;
use como_core::replay::{OnDemand, ReplayError, Replayer};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Description, Pace, Source, SourceError, Turn};
use como_core::storage::{MemoryStore, RecordStore, Scan, Window, Writer};
use como_core::supervisor::keep::{Keeper, SharedBounds};
use como_core::supervisor::{Instance, Monitor, Options};
use como_core::time::{Span, Ts};
use proptest::prelude::*;

/// Frames as a source.
struct Frames {
    description: Description,
    frames: Vec<Frame>,
}

impl Source for Frames {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let frames: Vec<Frame> =
            self.frames.drain(..self.frames.len().min(BATCH_PACKETS_MAX)).collect();
        let mut bytes = Vec::new();
        let batch = batch_of(frames.iter().cloned());
        for (at, packet) in batch.all().iter().enumerate() {
            let offset = bytes.len() as u32;
            bytes.extend(batch.data(at));
            chunk.packets.push(como_core::packet::Packet { offset, region: 0, ..*packet });
            chunk.weights.push(batch.weight(at));
        }
        chunk.regions.push(Arc::new(bytes));
        Ok(if self.frames.is_empty() { Turn::End } else { Turn::More })
    }
}

/// Runs a module over a source and keeps its records.
fn run(
    kind: &Arc<dyn Kind>,
    args: &[&str],
    filter: &str,
    source: Box<dyn Source>,
) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    let writer = Writer::new(store.clone(), "node", 1);
    let keeper = Keeper::new(writer, SharedBounds::default());
    let args = Args::parse(args).expect("arguments");
    let filter = filter.to_owned();
    let instance = Instance { args, filter, name: "m".into(), ..Instance::of(kind.clone()) };
    let options = Options { workers: 1, ..Options::default() };
    let monitor = Monitor::start(options, vec![source], vec![instance], Box::new(keeper));
    let ended = monitor.expect("a start").wait();
    assert!(ended.status.tasks.iter().all(|task| task.faults == 0), "{:?}", ended.status.tasks);
    store
}

/// What a store holds of the instance, row by row, as text.
fn rows(store: &MemoryStore) -> Vec<String> {
    let mut rows = Vec::new();
    for part in Scan::new(store, "m", Window::ALL) {
        let Output::Records(records) = part.expect("memory").output else { continue };
        for row in 0..records.rows() {
            let columns = records.schema.columns.iter().enumerate();
            let values: Vec<String> =
                columns.map(|(at, c)| format!("{}={}", c.name, records.value(row, at))).collect();
            rows.push(format!("{} {}", records.starts[row].0, values.join(" ")));
        }
    }
    // Where blocks end depends on when they were committed.
    rows.sort();
    rows
}

fn replay(store: Arc<MemoryStore>, kind: &Arc<dyn Kind>) -> Result<OnDemand, ReplayError> {
    let stream = store.stream("m").expect("memory").unwrap_or_default();
    let replayer = Replayer::new(kind.replayer(&Setup::default()));
    OnDemand::open("ondemand:m".into(), store, stream, Window::ALL, replayer)
}

/// Packets and bytes that a whole source stands for.
fn totals(mut source: OnDemand) -> (u64, u64) {
    let (mut packets, mut bytes) = (0, 0);
    loop {
        let mut chunk = Chunk::default();
        let turn = source.next(&mut chunk).expect("a turn");
        assert!(chunk.packets.is_sorted_by_key(|packet| packet.ts));
        packets += chunk.weights.iter().map(|weight| weight.packets).sum::<u64>();
        bytes += chunk.weights.iter().map(|weight| weight.bytes).sum::<u64>();
        if turn == Turn::End {
            return (packets, bytes);
        }
    }
}

fn kind(file: &str, text: &str) -> Arc<dyn Kind> {
    como_scripting::load_text(file, text).expect("a script")
}

fn shipped(file: &str) -> Arc<dyn Kind> {
    let mut all = como_scripting::shipped::shipped();
    let (_, file, text) = all.find(|(_, name, _)| *name == file).expect("a shipped script");
    kind(file, text)
}

/// Checks one module over these frames; `exact` if it records all of them.
#[track_caller]
fn check(kind: &Arc<dyn Kind>, args: &[&str], filter: &str, frames: &[Frame], exact: bool) {
    let description = Description::new("frames".into(), Pace::Stored);
    let frames_source = Frames { description, frames: frames.to_vec() };
    let first = run(kind, args, filter, Box::new(frames_source));
    let want = rows(&first);
    let source = match replay(first.clone(), kind) {
        Ok(source) => source,
        Err(ReplayError::NoRecords) if want.is_empty() => return,
        Err(error) => panic!("{error}"),
    };
    if exact {
        let batch = batch_of(frames.iter().cloned());
        let all = (0..batch.len()).map(|at| batch.weight(at));
        let all = all.fold((0, 0), |(p, b), w| (p + w.packets, b + w.bytes));
        assert_eq!(totals(replay(first.clone(), kind).expect("as before")), all);
    }
    let second = run(kind, args, filter, Box::new(source));
    assert_eq!(rows(&second), want);
}

/// Packets of many kinds over half a minute, in time order.
fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let one = (0u64..30_000, 0u8..9, 0u8..6, 0u8..6, 0u16..4, 60usize..200, 0u8..8);
    prop::collection::vec(one, 1..200).prop_map(|mut all| {
        all.sort_by_key(|one| one.0);
        let frame = |(ms, kind, a, b, port, len, odd): (u64, u8, u8, u8, u16, usize, u8)| {
            let v4 = |host| Addr::v4([10, 0, 0, host]);
            let v6 = |host| Addr::from_bits(true, 0xfe80 << 112 | u128::from(host));
            let (src, dst) = if kind % 2 == 0 { (v4(a), v4(b)) } else { (v6(a), v6(b)) };
            let frame = match kind {
                0..4 => Frame::tcp((src, port), (dst, 80 + port)),
                4..6 => Frame::udp((src, port), (dst, 53)),
                6 | 7 => Frame::icmp(src, dst, 8, 0),
                _ => Frame::arp(v4(a), v4(b), true),
            };
            let ts = Ts::new(1_700_000_000, 0) + Span(ms * 1_000_000);
            let frame = frame.len(len).ts(ts);
            if odd == 0 { frame.weight(7, 1000 + u64::from(a)) } else { frame }
        };
        all.into_iter().map(frame).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shipped_modules_say_the_same_of_their_own_replay(frames in frames()) {
        for file in ["tuple.lua", "protocol.lua", "protocol.rhai"] {
            check(&shipped(file), &[], "", &frames, false);
        }
        for file in ["traffic.lua", "traffic.rhai", "ethtypes.rhai"] {
            check(&shipped(file), &[], "", &frames, true);
        }
        for file in ["topaddr.lua", "topaddr.rhai"] {
            check(&shipped(file), &["n=1000"], "", &frames, false);
            check(&shipped(file), &["n=1000", "use_src=true", "mask=24"], "ip", &frames, false);
        }
        for file in ["topports.lua", "topports.rhai"] {
            check(&shipped(file), &["n=1000"], "", &frames, false);
            check(&shipped(file), &["n=1000"], "tcp", &frames, false);
            check(&shipped(file), &["n=1000"], "udp and dport == 53", &frames, false);
        }
    }

    #[test]
    fn first_and_last_times_are_replayed(frames in frames()) {
        let text = "key = { dst = 'ip.dst' } value = { n = count(), b = sum('len'), \
                    first = first('ts'), last = last('ts') } args = { interval = '5s' }";
        check(&kind("times.lua", text), &[], "", &frames, false);
    }

    #[test]
    fn scripts_with_a_replay_of_their_own_say_the_same(frames in frames()) {
        let lua = r#"
            args = { interval = "5s" }
            key = { src = "ip.src", dst = "ip.dst" }
            value = { bytes = sum("len"), packets = count() }
            function export(table)
              local rows = {}
              for row in table do
                local both = row.packets + row.bytes * 1000000
                rows[#rows + 1] = { src = row.src, dst = row.dst, both = both, }
              end
              return rows
            end
            function replay(record)
              local packets = record.both % 1000000
              local bytes = (record.both - packets) / 1000000
              local function at(ts, packets, bytes)
                local src, dst = record.src, record.dst
                return { ts = ts, src = src, dst = dst, packets = packets, bytes = bytes }
              end
              return { at(record.ts, packets, bytes), at(record.ts + 4, 0, 0) }
            end
        "#;
        check(&kind("own.lua", lua), &[], "ip", &frames, false);
        let rhai = r#"
            let key = #{ src: "ip.src" };
            let value = #{ bytes: sum("len"), packets: count() };
            fn export(table) {
                let rows = [];
                for row in table.all() {
                    rows.push(#{ host: row.src, size: row.bytes, n: row.packets });
                }
                rows
            }
            fn replay(record) {
                #{ ts: record.ts, src: record.host, packets: record.n, bytes: record.size }
            }
        "#;
        check(&kind("own.rhai", rhai), &[], "", &frames, false);
    }
}

/// Why records cannot be replayed.
#[track_caller]
fn refused(text: &str, want: &str) {
    let kind = kind("m.lua", text);
    let frames = vec![Frame::udp("10.0.0.1:1", "10.0.0.2:53")];
    let description = Description::new("frames".into(), Pace::Stored);
    let store = run(&kind, &[], "", Box::new(Frames { description, frames }));
    let error = replay(store, &kind).err().expect("refused").to_string();
    assert!(error.contains(want), "{error}");
}

#[test]
fn what_cannot_be_replayed_is_refused_with_what_is_missing() {
    refused("key = { a = 'ip.src' } value = { b = sum('len') }", "declare a value `count()`");
    refused("key = { a = 'ip.src' } value = { n = count() }", "declare a value `sum(\"len\")`");
    refused(
        "value = { n = count(), b = sum('len') } \
         function export(table) return { n = 1, b = 2 } end",
        "write",
    );
    refused(
        "key = { a = 'ip.src' } value = { n = count(), b = sum('len') } long = { timeout = '1s' }",
        "long-term table",
    );
    let flows = "value = { flows = distinct('flow'), n = count(), b = sum('len') } full = 'sample'";
    refused(&format!("key = {{ a = 'ip.src' }} {flows}"), "do not say what they hold");
}

/// What a replay offers, and how it is described.
#[test]
fn a_replay_says_what_it_is() {
    let kind = shipped("topaddr.lua");
    let to = |host: u8| Frame::udp("10.0.0.1:1", (Addr::v4([10, 0, 0, host]), 53)).len(100);
    let frames: Vec<Frame> = (0..9).map(to).collect();
    let description = Description::new("frames".into(), Pace::Stored);
    let source = Frames { description, frames };
    let store = run(&kind, &["n=5", "mask=24"], "udp", Box::new(source));
    let told = |store: Arc<MemoryStore>| {
        let source = replay(store, &kind).expect("a replay");
        let lineage = source.description().lineage.iter().map(ToString::to_string);
        (lineage.collect::<Vec<_>>(), source.description().offers)
    };
    let (lineage, offers) = told(store);
    assert_eq!(
        lineage,
        [
            "filtered by `udp`",
            "replayed from records of `m`, 5s each",
            "addresses cut to networks, `ip.dst/24,48`",
        ]
    );
    use como_core::field::Field;
    assert!([Field::IpDst, Field::IpProto, Field::IpVersion].iter().all(|f| offers.has(*f)));
    assert!([Field::IpSrc, Field::Dport, Field::IpTtl].iter().all(|f| !offers.has(*f)));
    let description = Description::new("frames".into(), Pace::Stored);
    let source = Frames { description, frames: (0..9).map(to).collect() };
    let (lineage, _) = told(run(&kind, &["n=5"], "", Box::new(source)));
    assert_eq!(lineage[1], "inexact: only some of the records were kept");
}
