//! The same module in both languages makes the same records.
//!
//! Each case is a pair of scripts in `parity/`, `NAME.lua` and `NAME.rhai`. Both run over much
//! traffic and must write the same. Where there is a `NAME.txt`, both also run over packets few
//! enough to count by hand, in four intervals of which one is empty, and must write what it says.
//! Shipped scripts that exist in both languages are held against each other as well.

#[path = "parity/stdlib.rs"]
mod stdlib;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use como_core::addr::Addr;
use como_core::filter::{Expr, Plan};
use como_core::intern::Interner;
use como_core::module::{Args, Export, ModuleError, Setup, Started};
use como_core::packet::build::{ACK, FIN, Frame, SYN, batch_of};
use como_core::record::{Column, Records, Value};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};
use como_scripting::load_text;
use como_scripting::shipped::SCRIPTS;

/// The pairs, with the arguments they run with.
const CASES: &[(&str, &[&str])] = &[
    ("addresses", &["n=3"]),
    ("check", &["use-src=true"]),
    ("classes", &["classes=web=80,443 dns=53"]),
    ("count", &[]),
    ("counted", &[]),
    ("counters", &[]),
    ("fewer", &[]),
    ("fields", &[]),
    ("filters", &[]),
    ("flow", &[]),
    ("helper", &[]),
    ("long", &["timeout=1s"]),
    ("made", &[]),
    ("memory", &["half_life=2"]),
    ("networks", &[]),
    ("rows", &[]),
    ("sessions", &[]),
    ("shares", &[]),
    ("stored", &[]),
    ("top", &["n=3"]),
    ("turns", &[]),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

fn udp(src: &str, dst: &str, len: usize) -> Frame {
    Frame::udp(src, dst).len(len)
}

/// The packets of one interval, from second `at` on.
fn few(at: u64) -> Vec<Frame> {
    let frames = vec![
        udp("10.0.0.1:1000", "10.0.0.9:53", 100),
        udp("10.0.0.2:1000", "10.0.0.9:53", 200),
        udp("[2001:db8::2]:1000", "[2001:db8::1]:53", 150),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(SYN).len(60),
        Frame::tcp("10.0.0.3:443", "10.0.0.1:2000").flags(SYN | ACK).len(60),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(ACK).len(1500).vlan(7),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(FIN | ACK).len(60),
        Frame::icmp("10.0.0.4", "10.0.0.1", 3, 1).len(90),
        Frame::ip("10.0.0.5", "10.0.0.6", 47).len(300).weight(10, 3000),
        Frame::udp("10.0.0.1:1000", "10.0.0.9:53").fragment(1480, false).len(700),
        Frame::arp("10.0.0.1", "10.0.0.2", true).len(60),
    ];
    let ts = |(n, frame): (usize, Frame)| frame.ts(Ts::new(at, n as u64 * 1_000_000));
    frames.into_iter().enumerate().map(ts).collect()
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % n
    }
}

/// Packets of both families in second `second`, with and without ports, sampled and not.
fn busy(numbers: &mut Numbers, second: u64) -> Vec<Frame> {
    let mut packet = |at: u64| {
        let mut host = |v6: bool| match (v6, numbers.below(9)) {
            (false, n) => Addr::v4([10, 0, 0, n as u8]),
            (true, n) => Addr::from_bits(true, 0x2001_0db8 << 96 | u128::from(n)),
        };
        let (a, b, c, d) = (host(false), host(false), host(true), host(true));
        let port = [53, 80, 443, 5000][numbers.below(4) as usize];
        let frame = match numbers.below(9) {
            0..3 => {
                Frame::tcp((a, 1000 + port), (b, port)).flags([SYN, ACK, FIN][port as usize % 3])
            }
            3..5 => Frame::udp((c, port), (d, 53)).payload(vec![7; 9]),
            5 | 6 => Frame::udp((a, 2000), (b, port)),
            7 => Frame::icmp(a, b, 8, 0),
            _ => Frame::arp("10.0.0.1", "10.0.0.2", true),
        };
        let frame = frame.len(64 + numbers.below(1200) as usize).ts(Ts::new(second, at * 900_000));
        if numbers.below(9) == 0 { frame.weight(10, 7000) } else { frame }
    };
    (0..300).map(&mut packet).collect()
}

/// One script over one kind of traffic, and what it wrote.
struct Run {
    started: Started,
    plan: Plan,
    /// Where the plan puts what the filter picks; none where every packet is fed.
    slot: Option<usize>,
    interner: Interner,
    text: String,
}

impl Run {
    fn new(file: &str, text: &str, args: &[&str]) -> Self {
        let kind = load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
        let args = Args::parse(args).expect("name=value");
        let setup = Setup { instance: "parity".into(), args, ..Setup::default() };
        let started = kind.start(&setup).unwrap_or_else(|error| panic!("{error}"));
        let text = format!("filter {:?} every {}\n", started.filter, started.interval);
        let mut plan = Plan::default();
        let slot = Some(plan.add(&Expr::parse(&started.filter).expect("a filter")));
        Self { started, plan, slot, interner: Interner::default(), text }
    }

    fn feed(&mut self, frames: Vec<Frame>) {
        let mut batch = batch_of(frames);
        batch.decode(self.started.demand.and(self.plan.demand()));
        self.interner.fill(&mut batch, self.started.demand);
        self.plan.run(&mut batch);
        let all = || Selection::all(batch.len());
        let picked = self.slot.and_then(|slot| batch.pick(slot)).cloned();
        let mut picked = picked.unwrap_or_else(all);
        let module = &mut self.started.module;
        if module.checks() {
            module.check(&batch, &mut picked);
            assert_eq!(module.fault(), None);
        }
        module.update(&batch, &picked);
        assert_eq!(module.fault(), None);
    }

    fn close(&mut self, second: u64, last: bool) {
        let interval = Interval::holding(Ts::new(second, 0), self.started.interval);
        let out = Export::new(interval, self.started.schema.clone().unwrap_or_default());
        let mut out = if last { out.closing() } else { out };
        self.started.module.export(interval, &mut out);
        assert_eq!(self.started.module.fault(), None);
        out.into_records().iter().for_each(|records| show(records, &mut self.text));
    }
}

/// The columns and whether rows are missing, then each row.
fn show(records: &Records, text: &mut String) {
    let value = |value: Value| match value {
        Value::Null => "-".to_owned(),
        Value::Float(x) => format!("{x:.9}"),
        Value::Addr(x) => x.to_string(),
        Value::Mac(x) => x.to_string(),
        Value::Time(x) => x.to_string(),
        Value::Text(x) => format!("{x:?}"),
        Value::Uint(x) => x.to_string(),
        other => format!("{other:?}"),
    };
    let columns = || records.schema.columns.iter();
    let names: Vec<String> = columns().map(|c| format!("{}:{}", c.name, c.ty.name())).collect();
    let _ = writeln!(text, "{} cut={}", names.join(" "), records.cut);
    for row in 0..records.rows() {
        let cell = |(at, column): (usize, &Column)| {
            format!("{}={}", column.name, value(records.value(row, at)))
        };
        let cells: Vec<String> = columns().enumerate().map(cell).collect();
        let _ = writeln!(text, "{}", cells.join(" "));
    }
}

/// Over packets that can be counted by hand, whatever the filter: some, twice as many, none, some.
fn by_hand(file: &str, text: &str, args: &[&str]) -> String {
    let mut run = Run { slot: None, ..Run::new(file, text, args) };
    for (at, count) in [(0, 1), (1, 2), (2, 0), (3, 1)] {
        let second = 1_700_000_000 + at * (run.started.interval.0 / 1_000_000_000);
        (0..count).for_each(|n| run.feed(few(second + n % 2)));
        let _ = writeln!(run.text, "{at}");
        run.close(second, at == 3);
    }
    run.text
}

/// Over many packets of every kind.
fn at_large(file: &str, text: &str, args: &[&str]) -> String {
    let (mut run, mut numbers) = (Run::new(file, text, args), Numbers(11));
    for at in 0..4 {
        run.feed(busy(&mut numbers, 1000 + 5 * at));
        run.close(1000 + 5 * at, at == 3);
    }
    run.text
}

#[track_caller]
fn same(name: &str, lua: &str, rhai: &str, args: &[&str]) {
    let lua = at_large("parity.lua", lua, args);
    assert!(lua.lines().count() > 5, "{name}: nothing to compare");
    assert_eq!(lua, at_large("parity.rhai", rhai, args), "{name}");
}

#[test]
fn both_languages_give_the_same_records() {
    let read =
        |name: &str, end: &str| std::fs::read_to_string(folder().join(format!("{name}.{end}")));
    for (name, args) in CASES {
        let [lua, rhai] = ["lua", "rhai"].map(|end| read(name, end).expect("a script"));
        same(name, &lua, &rhai, args);
        if let Ok(want) = read(name, "txt") {
            assert_eq!(by_hand("parity.lua", &lua, args), want, "{name} in Lua");
            assert_eq!(by_hand("parity.rhai", &rhai, args), want, "{name} in Rhai");
        }
    }
}

#[test]
fn every_script_in_the_folder_is_a_case() {
    let files = std::fs::read_dir(folder()).expect("a folder");
    let files = files.map(|entry| entry.expect("readable").path());
    let mut found: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|end| end == "lua"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert!(found.iter().eq(CASES.iter().map(|(name, _)| name)), "{found:?}");
}

#[test]
fn scripts_shipped_in_both_languages_say_the_same() {
    let text = |file: &str| SCRIPTS.iter().find(|(f, _)| *f == file).map(|(_, text)| *text);
    let mut pairs = 0;
    for (file, rhai) in SCRIPTS.iter().filter(|(file, _)| file.ends_with(".rhai")) {
        let stem = file.trim_end_matches(".rhai");
        let Some(lua) = text(&format!("{stem}.lua")) else { continue };
        same(stem, lua, rhai, &[]);
        let kinds = [load_text("a.lua", lua), load_text("a.rhai", rhai)];
        let [a, b] = kinds.map(|kind| kind.expect("it ran").manifest().clone());
        assert_eq!((a.doc, a.filter, a.args), (b.doc, b.filter, b.args), "{stem}");
        pairs += 1;
    }
    assert!(pairs >= 4);
    let lua = text("topaddr.lua").expect("shipped");
    let rhai = text("topaddr.rhai").expect("shipped");
    same("topaddr", lua, rhai, &["n=2", "use-src=yes", "mask=24", "interval=1s"]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let lua = "keys = { a = 'ip.src' }\nkey = { a = 'ip.dts' }\nvalue = { n = count() }\n\
               function udpate() end\nfunction check(pkt, state, more)\n return pkt.lenn > 1 end\n\
               interval = 'x'";
    let rhai = "let keys = #{ a: \"ip.src\" };\nlet key = #{ a: \"ip.dts\" };\n\
                let value = #{ n: count() };\nfn udpate() {}\nfn check(pkt, state, more) {\n \
                pkt.lenn > 1 }\nlet interval = \"x\";";
    let mut told = Vec::new();
    for (file, text) in [("a.lua", lua), ("a.rhai", rhai)] {
        let error = load_text(file, text).err().expect("it loads");
        let lines: Vec<u32> = error
            .clone()
            .each()
            .iter()
            .map(|error| match error {
                ModuleError::Script(mistake) => mistake.line,
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(lines, [1, 2, 4, 5, 6, 7], "{error}");
        told.push(error.to_string().replace(file, "a"));
    }
    assert_eq!(told[0], told[1]);
}

#[test]
fn mistakes_in_declarations_are_told_in_the_same_words() {
    let refused = |file: &str, text: &str| match load_text(file, text) {
        Ok(_) => panic!("{text} was taken"),
        Err(error) => error.to_string(),
    };
    for (lua, rhai) in [
        ("filter = 1", "let filter = 1;"),
        ("filtr = 'ip'", "let filtr = \"ip\";"),
        ("\n\nkey = { a = 'ip.dts' }", "\n\nlet key = #{ a: \"ip.dts\" };"),
        ("value = { n = 1 }", "let value = #{ n: 1 };"),
        ("value = { n = sum() }", "let value = #{ n: sum() };"),
        ("value = { n = quantile('len', 7) }", "let value = #{ n: quantile(\"len\", 7) };"),
        ("args = { n = {} }\nkey = 1", "let args = #{ n: #{} };\nlet key = 1;"),
        ("function udpate() end", "fn udpate() {}"),
        ("service = 'x'", "let service = \"x\";"),
        ("function update(pkt, s)\n s.n = pkt.lenn end", "fn update(pkt, s) {\n s.n = pkt.lenn }"),
    ] {
        let (lua, rhai) = (refused("a.lua", lua), refused("a.rhai", rhai));
        assert_eq!(lua.replace("a.lua", "a"), rhai.replace("a.rhai", "a"));
    }
}
