//! Scripts that mean harm, each beside innocent ones in a whole monitor.
//!
//! `hostile/lua` and `hostile/rhai` hold one attack a file. The first line says how it must end
//! and what it tries: `-- cpu: an endless loop in update.` The word is the limit that stops it
//! (`cpu`, `memory`, `rows`, `output`, `log`, `grants`, `asides`), `error`, `refused` if it never
//! starts, or `any` if nothing matters but that the others live; several are parted by `|`.
//! `⟪40000*(⟫` stands for so many brackets, and `#` in it for the number of each.
//!
//! Whatever it tries: the monitor ends as it would, the innocents' records are those of a run
//! without it, byte for byte, and no call takes much more CPU time than its limit.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use como_core::batch::Batch;
use como_core::costs::thread_cpu_ns;
use como_core::intern::Interner;
use como_core::module::{Export, Fault, Kind, Limits, ModuleError, Setup};
use como_core::packet::build::{Frame, SYN, batch_of};
use como_core::packet::{LinkType, Packet};
use como_core::record::Output;
use como_core::selection::Selection;
use como_core::source::{Chunk, Description, Pace, Source, SourceError, Turn};
use como_core::supervisor::counters::TaskStatus;
use como_core::supervisor::{Instance, Monitor, Options, Sink, SinkError};
use como_core::time::{Interval, Span, Ts};
use como_scripting::load_text;
use parking_lot::Mutex;

/// Small, so that the tests are quick.
const LIMITS: Limits = Limits {
    rows_max: 1000,
    memory_bytes_max: 16 << 20,
    call_ms_max: 20,
    output_bytes_max: 4 << 20,
    log_lines_max: 50,
    alerts_max: 10,
};

/// More CPU time than any call may take beyond its limit, in a build that is not optimised and on
/// a machine that is busy.
const SLACK: Duration = Duration::from_millis(1500);

/// How many intervals of traffic there are, and packets in each.
const SECONDS: u64 = 3;
const PACKETS: u64 = 40;

/// The innocents: state of their own in both languages, and what is only declared.
const INNOCENTS: [(&str, &str); 3] = [
    (
        "update.lua",
        "local window = require('window')\n\
         function init(args, last) return { w = last and last.w or window.new(9), n = {} } end\n\
         function update(pkt, state)\n\
         local dst = pkt.ip.dst\n\
         state.n[dst] = (state.n[dst] or 0) + pkt.len\n\
         state.w:push(pkt.sport)\n\
         end\n\
         function export(state, long)\n\
         long.all = (long.all or 0) + state.w:sum()\n\
         local records = {}\n\
         for at, entry in top(state.n, 5) do\n\
         records[at] = { dst = entry.key, bytes = entry.value, all = long.all }\n\
         end\n\
         return records\n\
         end",
    ),
    (
        "update.rhai",
        "fn init(args) { table() }\n\
         fn update(pkt, state) { state.add(pkt.ip.src, pkt.len); }\n\
         fn export(state) {\n\
         let records = [];\n\
         for row in state.top(5) { records.push(#{ src: row.key, bytes: row.value }); }\n\
         records\n\
         }",
    ),
    (
        "declared.lua",
        "key = { dst = 'ip.dst', dport = 'dport' }\n\
         value = { packets = count(), bytes = sum('len'), sources = distinct('ip.src') }",
    ),
];

fn frame(second: u64, n: u64) -> Frame {
    let (a, b) = (format!("10.0.0.{}:{}", n % 5, 1000 + n), format!("10.1.0.{}:80", n % 3));
    let frame = match n % 2 {
        0 => Frame::tcp(a.as_str(), b.as_str()).flags(SYN),
        _ => Frame::udp(a.as_str(), b.as_str()),
    };
    frame.len(60 + n as usize).ts(Ts::new(1000 + second, n * 1_000_000))
}

fn batch(second: u64) -> Batch {
    batch_of((0..PACKETS).map(|n| frame(second, n)))
}

/// The traffic as a source, one second a turn.
struct Traffic {
    description: Description,
    second: u64,
}

impl Traffic {
    fn new() -> Self {
        let description = Description {
            links: vec![LinkType::ETHERNET],
            resolution: Span(1),
            ..Description::new("traffic".into(), Pace::Stored)
        };
        Self { description, second: 0 }
    }
}

impl Source for Traffic {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let mut bytes = Vec::new();
        for n in 0..PACKETS {
            let (offset, frame) = (bytes.len(), frame(self.second, n));
            frame.write(&mut bytes);
            let len = (bytes.len() - offset) as u32;
            let link = LinkType::ETHERNET;
            let (ts, offset) = (frame.seen(), offset as u32);
            let (cap_len, wire_len, region, source, marks) = (len, len, 0, 0, 0);
            chunk.packets.push(Packet {
                ts,
                offset,
                cap_len,
                wire_len,
                region,
                link,
                source,
                marks,
            });
        }
        chunk.regions.push(Arc::new(bytes));
        self.second += 1;
        Ok(if self.second == SECONDS { Turn::End } else { Turn::More })
    }
}

/// What the innocents recorded, as text.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<String>>);

impl Sink for Seen {
    fn accept(&mut self, instance: &str, output: Output) -> Result<(), SinkError> {
        if instance != "attack" {
            let _ = writeln!(self.0.lock(), "{instance} {output:?}");
        }
        Ok(())
    }
}

/// Runs the innocents over the traffic, and the attack in front of them if there is one; all on
/// one worker.
fn run(attack: Option<&Arc<dyn Kind>>) -> Result<(String, Option<TaskStatus>), String> {
    let attack = attack.map(|kind| {
        let name = "attack".to_owned();
        Instance { name, limits: LIMITS, ..Instance::of(kind.clone()) }
    });
    let innocents = INNOCENTS.map(|(file, text)| {
        let kind = load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
        Instance { name: file.to_owned(), ..Instance::of(kind) }
    });
    let instances = attack.into_iter().chain(innocents).collect();
    let seen = Seen::default();
    let options = Options { workers: 1, ..Options::default() };
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Traffic::new())];
    let monitor = Monitor::start(options, sources, instances, Box::new(seen.clone()));
    let ended = monitor.map_err(|error| error.to_string())?.wait();
    assert!(ended.sink.is_none());
    let status = ended.status.tasks.into_iter().find(|task| task.name == "attack");
    let mut lines: Vec<String> = seen.0.lock().lines().map(str::to_owned).collect();
    // One task's records keep their order; whose come first in a tick is not told.
    lines.sort();
    Ok((lines.join("\n"), status))
}

/// CPU time that this thread has used.
fn cpu() -> Duration {
    Duration::from_nanos(thread_cpu_ns())
}

/// The longest call of a script by itself, in CPU time, and its faults.
fn longest_call(kind: &Arc<dyn Kind>) -> Result<(Duration, Vec<Fault>), ModuleError> {
    let (mut longest, mut faults) = (Duration::ZERO, Vec::new());
    let began = cpu();
    let setup = Setup { instance: "attack".into(), limits: LIMITS, ..Setup::default() };
    let mut started = kind.start(&setup)?;
    let mut interner = Interner::default();
    let mut note = |from: Duration| longest = longest.max(cpu().saturating_sub(from));
    note(began);
    for second in 0..2 {
        let mut batch = batch(second);
        batch.decode(started.demand);
        interner.fill(&mut batch, started.demand);
        let mut picked = Selection::all(batch.len());
        let began = cpu();
        started.module.check(&batch, &mut picked);
        note(began);
        faults.extend(started.module.fault());
        let began = cpu();
        started.module.update(&batch, &picked);
        note(began);
        faults.extend(started.module.fault());
        let interval = Interval::holding(Ts::new(1000 + second, 0), started.interval);
        let mut out = Export::new(interval, started.schema.clone().unwrap_or_default());
        let began = cpu();
        started.module.export(interval, &mut out);
        note(began);
        faults.extend(started.module.fault());
    }
    Ok((longest, faults))
}

/// How a script may end, by the word its first line begins with.
fn ends(how: &str, task: &TaskStatus) -> bool {
    let limits = task.limits;
    match how {
        "cpu" => limits.cpu > 0,
        "memory" => limits.memory > 0,
        "rows" => limits.rows > 0,
        "output" => limits.output > 0,
        "log" => limits.log > 0,
        "grants" => limits.grants > 0,
        "asides" => limits.asides > 0,
        // Where many packets fail they share the time of a batch, which may be up first.
        "error" => task.faults > limits.memory + limits.rows + limits.output,
        "any" => true,
        _ => false,
    }
}

/// Says what is wrong with how one attack ended, if anything.
fn attack(file: &str, text: &str, innocent: &str) -> Result<(), String> {
    let head = text.lines().next().unwrap_or_default();
    let (how, _) = head[2..].trim().split_once(": ").ok_or("its first line says nothing")?;
    let named = |error: String| match how.split('|').any(|how| how == "refused" || how == "any") {
        true => Ok(()),
        false => Err(format!("it was refused: {error}")),
    };
    let began = cpu();
    let loaded = load_text(file, &expanded(text));
    let took = cpu().saturating_sub(began);
    if took > SLACK {
        return Err(format!("loading took {took:?}"));
    }
    let kind = match loaded {
        Ok(kind) => kind,
        Err(error) => return named(error.to_string()),
    };
    let (longest, faults) = match longest_call(&kind) {
        Ok(called) => called,
        Err(error) => return named(error.to_string()),
    };
    if longest > Duration::from_millis(LIMITS.call_ms_max) + SLACK {
        return Err(format!("a call took {longest:?}"));
    }
    if let Some(odd) =
        faults.iter().find(|fault| !fault.to_string().starts_with(&format!("{file}:")))
    {
        return Err(format!("this names no file: {}", odd));
    }
    let (records, task) = run(Some(&kind))?;
    if records != innocent {
        return Err(format!("others' records changed:\n{records}\nand were\n{innocent}"));
    }
    let task = task.ok_or("it is not in the status")?;
    if !how.split('|').any(|how| ends(how, &task)) {
        return Err(format!("it ended otherwise: {task:?}"));
    }
    Ok(())
}

/// The text with what stands for much written out.
fn expanded(text: &str) -> String {
    let (mut all, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('⟪') {
        let (inside, behind) = behind.split_once('⟫').expect("what is opened closes");
        let (count, what) = inside.split_once('*').expect("a number and a text");
        all.push_str(before);
        for n in 0..count.parse::<usize>().expect("a number") {
            all.push_str(&what.replace('#', &n.to_string()));
        }
        rest = behind;
    }
    all + rest
}

fn scripts(language: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(language);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// One in three of a language's attacks, from number `first` on.
fn check(language: &str, first: usize) {
    let innocent = run(None).expect("a start").0;
    assert!(innocent.lines().count() >= 9, "{innocent}");
    let mut wrong = String::new();
    for path in scripts(language).iter().skip(first).step_by(3) {
        let name = path.file_name().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(path).expect("a script");
        if let Err(why) = attack(&name, &text, &innocent) {
            let _ = writeln!(wrong, "{name}: {why}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn there_are_many_attacks_in_either_language() {
    for language in ["lua", "rhai"] {
        assert!(scripts(language).len() >= 60);
    }
}

#[test]
fn lua_one() {
    check("lua", 0);
}

#[test]
fn lua_two() {
    check("lua", 1);
}

#[test]
fn lua_three() {
    check("lua", 2);
}

#[test]
fn rhai_one() {
    check("rhai", 0);
}

#[test]
fn rhai_two() {
    check("rhai", 1);
}

#[test]
fn rhai_three() {
    check("rhai", 2);
}
