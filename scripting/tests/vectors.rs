//! The same module in Lua and in Rhai, over the same packets: the same records.
//!
//! Each vector is two scripts and arguments. Shipped scripts that exist in both
//! languages are held against each other as well.

use como_core::addr::Addr;
use como_core::intern::Interner;
use como_core::module::{Args, Export, Setup};
use como_core::packet::build::{ACK, FIN, Frame, SYN, batch_of};
use como_core::record::{Records, Value};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};
use como_scripting::load_text;
use como_scripting::shipped::SCRIPTS;

/// Intervals each vector runs over; one batch each.
const INTERVALS: u64 = 4;

/// One module in both languages.
struct Vector {
    name: &'static str,
    lua: &'static str,
    rhai: &'static str,
    args: &'static [&'static str],
}

const VECTORS: &[Vector] = &[
    Vector {
        name: "counters in update",
        args: &[],
        lua: "
            function init(args) return { packets = 0, bytes = 0 } end
            function update(pkt, state)
              state.packets += pkt.packets
              state.bytes += pkt.bytes
            end
            function export(state) return { packets = state.packets, bytes = state.bytes } end",
        rhai: "
            fn init(args) { #{ packets: 0, bytes: 0 } }
            fn update(pkt, state) {
              state.packets += pkt.packets;
              state.bytes += pkt.bytes;
            }
            fn export(state) { #{ packets: state.packets, bytes: state.bytes } }",
    },
    Vector {
        name: "every kind of field, and what is absent",
        args: &[],
        lua: "
            function init(args)
              return { syn = 0, ports = 0, arp = 0, six = 0, ttl = 0, early = 0, payload = 0, eth = 0 }
            end
            function update(pkt, state)
              if pkt.tcp.flags.syn then state.syn += 1 end
              state.ports += (pkt.sport or 0) + (pkt.dport or 0)
              if pkt.ip.src == nil then state.arp += pkt.arp.op end
              if pkt.ip.src and pkt.ip.src.is_v6 then state.six += 1 end
              state.ttl += pkt.ip.ttl or 0
              if pkt.ts < 1001.5 then state.early += 1 end
              state.payload += pkt.payload.len or 0
              if tostring(pkt.eth.src) == '02:00:00:00:00:01' then state.eth += 1 end
            end
            function export(state) return state end",
        rhai: "
            fn init(args) {
              #{ syn: 0, ports: 0, arp: 0, six: 0, ttl: 0, early: 0, payload: 0, eth: 0 }
            }
            fn update(pkt, state) {
              if pkt.tcp.flags.syn ?? false { state.syn += 1; }
              state.ports += (pkt.sport ?? 0) + (pkt.dport ?? 0);
              if pkt.ip.src == () { state.arp += pkt.arp.op; }
              if pkt.ip.src != () && pkt.ip.src.is_v6 { state.six += 1; }
              state.ttl += pkt.ip.ttl ?? 0;
              if pkt.ts < 1001.5 { state.early += 1; }
              state.payload += pkt.payload.len ?? 0;
              if pkt.eth.src.to_string() == \"02:00:00:00:00:01\" { state.eth += 1; }
            }
            fn export(state) { state }",
    },
    Vector {
        name: "state by address, the largest first",
        args: &["n=3"],
        lua: "
            args = { n = 20 }
            function init(args) return {} end
            function update(pkt, state)
              local dst = pkt.ip.dst
              if dst then state[dst] = (state[dst] or 0) + pkt.len end
            end
            function export(state)
              local rows = {}
              for addr, bytes in state do table.insert(rows, { addr = addr, bytes = bytes }) end
              table.sort(rows, function(a, b)
                return a.bytes > b.bytes or a.bytes == b.bytes and a.addr < b.addr
              end)
              return table.move(rows, 1, args.n, 1, {})
            end",
        rhai: "
            let args = #{ n: 20 };
            fn init(args) { table() }
            fn update(pkt, state) {
              let dst = pkt.ip.dst;
              if dst != () { state[dst] = (state[dst] ?? 0) + pkt.len; }
            }
            fn export(state) {
              state.top(args.n).map(|row| #{ addr: row.key, bytes: row.value })
            }",
    },
    Vector {
        name: "a helper that is handed the packet",
        args: &[],
        lua: "
            local LARGE = 100
            local function class(p)
              if p.tcp then return p.len > LARGE and 'long tcp' or 'tcp' end
              return p.udp and 'udp' or 'other'
            end
            function update(pkt, state)
              local name = class(pkt)
              state[name] = (state[name] or 0) + 1
            end
            function export(state)
              local rows = {}
              for _, class in { 'long tcp', 'other', 'tcp', 'udp' } do
                table.insert(rows, { class = class, packets = state[class] })
              end
              return rows
            end",
        rhai: "
            const LARGE = 100;
            fn class(p) {
              if p.tcp != () { return if p.len > LARGE { \"long tcp\" } else { \"tcp\" }; }
              if p.udp != () { \"udp\" } else { \"other\" }
            }
            fn update(pkt, state) {
              let name = class(pkt);
              state[name] = (state[name] ?? 0) + 1;
            }
            fn export(state) {
              let rows = [];
              for class in [\"long tcp\", \"other\", \"tcp\", \"udp\"] {
                rows.push(#{ class: class, packets: state[class] });
              }
              rows
            }",
    },
    Vector {
        name: "memory across intervals",
        args: &["half_life=2"],
        lua: "
            args = { half_life = 4 }
            function init(args, last) return { n = 0, mean = last and last.mean or 0 } end
            function update(pkt, state) state.n += 1 end
            function export(state, long, args)
              state.mean = state.mean + (state.n - state.mean) / args.half_life
              long.intervals = (long.intervals or 0) + 1
              return { n = state.n, mean = state.mean, intervals = long.intervals }
            end",
        rhai: "
            let args = #{ half_life: 4 };
            fn init(args, last) { #{ n: 0, mean: last?.mean ?? 0.0 } }
            fn update(pkt, state) { state.n += 1; }
            fn export(state, long, args) {
              state.mean = state.mean + (state.n - state.mean) / args.half_life;
              long.intervals = (long.intervals ?? 0) + 1;
              #{ n: state.n, mean: state.mean, intervals: long.intervals }
            }",
    },
    Vector {
        name: "a check before a declared table",
        args: &[],
        lua: "
            key = { proto = 'ip.proto' }
            value = { packets = count(), largest = max('len'), ports = distinct('dport') }
            function check(pkt, state)
              state.turn = not state.turn
              return state.turn and pkt.len < 1000
            end",
        rhai: "
            let key = #{ proto: \"ip.proto\" };
            let value = #{ packets: count(), largest: max(\"len\"), ports: distinct(\"dport\") };
            fn check(pkt, state) {
              state.turn = !(state.turn ?? false);
              state.turn && pkt.len < 1000
            }",
    },
    Vector {
        name: "rows of a table read, found, and made anew",
        args: &[],
        lua: "
            key = { src = 'ip.src/24' }
            value = { bytes = sum('len'), mean = mean('len'), first = first('ts') }
            schema = { net = 'addr', share = 'float', first = 'float', same = 'bool' }
            function export(table)
              local total, rows = 0, {}
              for row in table:all() do total += row.bytes end
              for row in table:top('bytes', 2) do
                rows[#rows + 1] = {
                  net = row.src, share = row.bytes / total, first = row.first,
                  same = table:find(row.src).bytes == row.bytes,
                }
              end
              return rows
            end",
        rhai: "
            let key = #{ src: \"ip.src/24\" };
            let value = #{ bytes: sum(\"len\"), mean: mean(\"len\"), first: first(\"ts\") };
            let schema = #{ net: \"addr\", share: \"float\", first: \"float\", same: \"bool\" };
            fn export(table) {
              let total = 0.0;
              let rows = [];
              for row in table.all() { total += row.bytes; }
              for row in table.top(\"bytes\", 2) {
                rows.push(#{
                  net: row.src, share: row.bytes / total, first: row.first,
                  same: table.find(row.src).bytes == row.bytes,
                });
              }
              rows
            }",
    },
    Vector {
        name: "long rows, folded by the script and ended by action",
        args: &["timeout=1s"],
        lua: "
            args = { timeout = '2s' }
            key = { src = 'ip.src', dst = 'ip.dst' }
            value = { packets = count(), last = last('ts') }
            long = { timeout = args.timeout, value = { packets = sum('packets'), most = max('packets') } }
            function export(table, long)
              long:fold(table)
              return table:top('packets', 1)
            end
            function action(row, now)
              if row.packets > 12 then return 'store' end
              if row.dst == addr('10.0.0.2') then return 'discard' end
            end",
        rhai: "
            let args = #{ timeout: \"2s\" };
            let key = #{ src: \"ip.src\", dst: \"ip.dst\" };
            let value = #{ packets: count(), last: last(\"ts\") };
            let long = #{ timeout: args.timeout, value: #{ packets: sum(\"packets\"), most: max(\"packets\") } };
            fn export(table, long) {
              long.fold(table);
              table.top(\"packets\", 1)
            }
            fn action(row, now) {
              if row.packets > 12 { return \"store\"; }
              if row.dst == \"10.0.0.2\" { return \"discard\"; }
            }",
    },
    Vector {
        name: "networks, masks and the order of addresses",
        args: &[],
        lua: "
            function init(args) return { inside = 0, up = 0, nets = {} } end
            function update(pkt, state)
              local src, dst = pkt.ip.src, pkt.ip.dst
              if not src then return end
              if src:within('10.0.0.0/30') then state.inside += 1 end
              if src < dst then state.up += 1 end
              local net = tostring(src:masked(30))
              state.nets[net] = (state.nets[net] or 0) + 1
            end
            function export(state)
              return { inside = state.inside, up = state.up, zero = state.nets['10.0.0.0'] }
            end",
        rhai: "
            fn init(args) { #{ inside: 0, up: 0, nets: #{} } }
            fn update(pkt, state) {
              let src = pkt.ip.src;
              let dst = pkt.ip.dst;
              if src == () { return; }
              if src.within(\"10.0.0.0/30\") { state.inside += 1; }
              if src < dst { state.up += 1; }
              let net = src.masked(30).to_string();
              state.nets[net] = (state.nets[net] ?? 0) + 1;
            }
            fn export(state) {
              #{ inside: state.inside, up: state.up, zero: state.nets[\"10.0.0.0\"] }
            }",
    },
    Vector {
        name: "records of the script's own making",
        args: &[],
        lua: "
            function update(pkt, state) state.n = (state.n or 0) + 1 end
            function export(state) return { n = state.n, text = 'x' } end
            function store(record) return record.text .. record.n end
            function load(bytes) return { n = bytes } end",
        rhai: "
            fn update(pkt, state) { state.n = (state.n ?? 0) + 1; }
            fn export(state) { #{ n: state.n, text: \"x\" } }
            fn store(record) { record.text + record.n }
            fn load(bytes) { #{ n: bytes } }",
    },
    Vector {
        name: "classes from an argument",
        args: &["classes=web=80,443 dns=53"],
        lua: "
            args = { classes = 'web=80' }
            local class = {}
            for name, ports in args.classes:gmatch('(%S+)=(%S+)') do
              for port in ports:gmatch('%d+') do class[tonumber(port)] = name end
            end
            function update(pkt, state)
              local name = pkt.dport and class[pkt.dport] or 'other'
              state[name] = (state[name] or 0) + pkt.bytes
            end
            function export(state)
              return { web = state.web or 0, dns = state.dns or 0, other = state.other or 0 }
            end",
        rhai: "
            let args = #{ classes: \"web=80\" };
            const CLASS = classes(args.classes);
            fn classes(text) {
              let class = #{};
              for part in text.split(' ') {
                let sides = part.split('=');
                for port in sides[1].split(',') { class[port] = sides[0]; }
              }
              class
            }
            fn update(pkt, state) {
              let name = if pkt.dport == () { () } else { CLASS[pkt.dport.to_string()] } ?? \"other\";
              state[name] = (state[name] ?? 0) + pkt.bytes;
            }
            fn export(state) {
              #{ web: state.web ?? 0, dns: state.dns ?? 0, other: state.other ?? 0 }
            }",
    },
];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % n
    }
}

/// Packets of both families in second `second`, with and without ports, sampled and not.
fn traffic(numbers: &mut Numbers, second: u64) -> Vec<Frame> {
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

/// Every record the script makes of the traffic, as columns and texts; and its faults.
fn run(file: &str, text: &str, args: &[&str]) -> (Vec<String>, Vec<String>) {
    let kind = load_text(file, text).unwrap_or_else(|error| panic!("{error}"));
    let args = Args::parse(args).expect("name=value");
    let setup = Setup { instance: "parity".into(), args, ..Setup::default() };
    let mut started = kind.start(&setup).unwrap_or_else(|error| panic!("{error}"));
    let (mut interner, mut numbers) = (Interner::default(), Numbers(11));
    let (mut records, mut faults) = (Vec::new(), Vec::new());
    for at in 0..INTERVALS {
        let interval = Interval::holding(Ts::new(1000 + 5 * at, 0), started.interval);
        let mut batch = batch_of(traffic(&mut numbers, 1000 + 5 * at));
        batch.decode(started.demand);
        interner.fill(&mut batch, started.demand);
        let mut picked = Selection::all(batch.len());
        let module = &mut started.module;
        if module.checks() {
            module.check(&batch, &mut picked);
            faults.extend(module.fault());
        }
        module.update(&batch, &picked);
        faults.extend(module.fault());
        let out = Export::new(interval, started.schema.clone().unwrap_or_default());
        let mut out = if at + 1 == INTERVALS { out.closing() } else { out };
        module.export(interval, &mut out);
        faults.extend(module.fault());
        records.extend(out.into_records().iter().flat_map(lines));
    }
    (records, faults.into_iter().map(|fault| fault.message).collect())
}

/// A line for the columns and whether rows are missing, then one for each row.
fn lines(records: &Records) -> Vec<String> {
    let columns = records.schema.columns.iter();
    let names: Vec<String> = columns.map(|c| format!("{}:{}", c.name, c.ty.name())).collect();
    let mut lines = vec![format!("{} cut={}", names.join(" "), records.cut)];
    for row in 0..records.rows() {
        let value = |column| match records.value(row, column) {
            Value::Float(x) => format!("{x:.9}"),
            value => format!("{value:?}"),
        };
        let values: Vec<String> = (0..records.cells.len()).map(value).collect();
        lines.push(format!("{} {}", records.starts[row], values.join(" ")));
    }
    lines
}

#[track_caller]
fn check(name: &str, lua: &str, rhai: &str, args: &[&str]) {
    let (lua, lua_faults) = run("parity.lua", lua, args);
    let (rhai, rhai_faults) = run("parity.rhai", rhai, args);
    assert_eq!((lua_faults, rhai_faults), (Vec::new(), Vec::new()), "{name}");
    assert!(lua.len() > INTERVALS as usize, "{name}: nothing to compare");
    assert_eq!(lua, rhai, "{name}");
}

#[test]
fn both_languages_give_the_same_records() {
    for vector in VECTORS {
        check(vector.name, vector.lua, vector.rhai, vector.args);
    }
}

#[test]
fn scripts_shipped_in_both_languages_say_the_same() {
    let text = |file: &str| SCRIPTS.iter().find(|(f, _)| *f == file).map(|(_, text)| *text);
    let mut pairs = 0;
    for (file, rhai) in SCRIPTS.iter().filter(|(file, _)| file.ends_with(".rhai")) {
        let stem = file.trim_end_matches(".rhai");
        let Some(lua) = text(&format!("{stem}.lua")) else { continue };
        check(stem, lua, rhai, &[]);
        let kinds = [load_text("a.lua", lua), load_text("a.rhai", rhai)];
        let [a, b] = kinds.map(|kind| kind.expect("it ran").manifest().clone());
        assert_eq!((a.doc, a.filter, a.args), (b.doc, b.filter, b.args), "{stem}");
        pairs += 1;
    }
    assert!(pairs >= 4);
    let lua = text("topaddr.lua").expect("shipped");
    let rhai = text("topaddr.rhai").expect("shipped");
    check("topaddr", lua, rhai, &["n=2", "use-src=yes", "mask=24", "interval=1s"]);
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
