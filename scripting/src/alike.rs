//! A packet says the same in whatever way a script reads it: of frames of many kinds, cut anywhere,
//! every field of the table is read in all ways, and the answers are compared.

use std::collections::BTreeMap;

use como_core::addr::Addr;
use como_core::field::Field;
use como_core::module::Limits;
use como_core::packet::LinkType;
use como_core::packet::build::{ACK, FIN, Frame, PSH, SYN};
use como_core::source::Origin;

use crate::flow;
use crate::running::Running;
use crate::scan::{LAYERS, Language};

/// Reads that are compared in one script: as many as functions are given as parameters.
const READS: usize = 20;

/// The same numbers in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        (self.0 >> 33) as usize % n
    }
}

/// Frames of every kind of header there is.
fn kinds() -> Vec<Frame> {
    let udp = udp();
    let origin = Origin { exporter: Addr::v4([10, 9, 9, 9]), input: Some(3), output: Some(4) };
    let six = Frame::tcp("[2001:db8::1]:2000", "[2001:db8::2]:443").flags(SYN | ACK);
    let mut all = vec![
        udp.clone(),
        tcp(),
        six.clone(),
        Frame::udp("[2001:db8::1]:1", "[2001:db8::2]:2").hop_by_hop().payload(*b"x"),
        udp.clone().vlan(0x6005).vlan(7),
        six.clone().mpls(17).mpls(3),
        tcp().pppoe(9),
        tcp().fragment(0, true),
        udp.clone().fragment(1480, false),
        udp.clone().dont_fragment().tos(4).ttl(1).weight(10, 900),
        udp.reported(origin, 10, 900),
        Frame::icmp("10.0.0.1", "10.0.0.2", 8, 0),
        Frame::icmp("2001:db8::1", "2001:db8::2", 128, 0),
        Frame::ip("10.0.0.1", "10.0.0.2", 132).payload([0, 80, 0, 81, 0, 0, 0, 0, 0, 0, 0, 0]),
        Frame::arp("10.0.0.1", "10.0.0.2", true),
        Frame::ethernet(0x88cc, *b"neighbour"),
        Frame::raw(LinkType::RAW, &six.bytes()[14..]),
    ];
    all.extend(tunnels());
    all.extend(other_links());
    all
}

fn udp() -> Frame {
    Frame::udp("10.0.0.1:1000", "10.0.0.2:53").payload(*b"hello")
}

fn tcp() -> Frame {
    Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(FIN | PSH).payload(*b"GET /")
}

/// Packets in packets.
fn tunnels() -> [Frame; 2] {
    let inner = tcp().bytes();
    let vxlan = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &inner].concat();
    let gre = [&[0x20, 0, 8, 0, 0, 0, 0, 9][..], &inner[14..]].concat();
    [
        Frame::ip("10.0.0.1", "10.0.0.2", 47).payload(gre),
        Frame::udp("10.0.0.1:999", "10.0.0.2:4789").payload(vxlan),
    ]
}

/// Frames of links that are no Ethernet.
fn other_links() -> [Frame; 6] {
    let ip = tcp().bytes()[14..].to_vec();
    let arp = Frame::arp("1.1.1.1", "2.2.2.2", false).bytes()[14..].to_vec();
    let cooked = |kind: [u8; 2], rest: &[u8]| {
        [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..], &kind, rest].concat()
    };
    let radio = [0, 0, 16, 0, 0x6c, 0, 0, 0, 2, 0, 0x6c, 9, 0xa0, 0, 0xc4, 0xa1];
    let addresses = [[0xff; 6], [2; 6], [2; 6]].concat();
    let beacon = [&[0x80, 0, 0, 0][..], &addresses, &[0x10, 0], &[0; 12]].concat();
    let named = [&[0, 6][..], b"guests", &[3, 1, 11]].concat();
    [
        Frame::raw(LinkType::RAW, ip.clone()),
        Frame::raw(LinkType::LINUX_SLL, cooked([8, 0], &ip)),
        Frame::raw(LinkType::LINUX_SLL, cooked([8, 6], &arp)),
        Frame::raw(LinkType::NULL, [&[2, 0, 0, 0], &ip[..]].concat()),
        Frame::raw(LinkType::RADIOTAP, [&radio[..], &beacon, &named].concat()),
        Frame::raw(LinkType(250), *b"whatever"),
    ]
}

/// All of them, whole and cut.
fn frames() -> Vec<Frame> {
    let mut seeded = Seeded(7);
    let kinds = kinds();
    let cut = |frame: &Frame, at: usize| frame.clone().cap(at as u32);
    let mut all = kinds.clone();
    for frame in &kinds {
        let len = frame.bytes().len();
        all.extend((0..6).map(|_| cut(frame, seeded.below(len))));
    }
    // Transport headers, cut between their fields.
    all.extend([36, 47, 48, 53].map(|at| cut(&kinds[1], at)));
    all
}

/// A way to read fields: what stands before all reads, one read of a field, and what stands behind.
type Way<'a> = (&'a str, &'a dyn Fn(&str) -> String, &'a str);

/// What a script says of `reads`, read in one way, by their names.
fn said(language: Language, way: &Way, reads: &[String]) -> BTreeMap<String, String> {
    let (before, read, behind) = way;
    let lines = reads.iter().enumerate().map(|(n, name)| match language {
        Language::Lua => format!("say(state, 'r{n}', {})\n", read(name)),
        Language::Rhai => format!("state.r{n} += say({});\n", read(name)),
    });
    let lines: String = lines.collect();
    let (file, text) = match language {
        Language::Lua => (
            "test.lua",
            format!(
                "local function say(state, n, v) state[n] = (state[n] or '') .. tostring(v) .. ';' \
                 end\n{before}\n{lines}\n{behind}\nfunction export(state) return state end"
            ),
        ),
        Language::Rhai => {
            let names: Vec<String> = (0..reads.len()).map(|n| format!("r{n}: \"\"")).collect();
            let init = format!("fn init() {{ #{{ {} }} }}", names.join(", "));
            let export = "fn export(state, long, args) { state }";
            let say = "fn say(value) { `${value};` }";
            ("test.rhai", format!("{init}\n{say}\n{before}\n{lines}\n{behind}\n{export}"))
        }
    };
    // Not a matter of speed: a build without optimisation takes its time.
    let limits = Limits { call_ms_max: 5_000, ..Limits::default() };
    let mut running = match Running::start(file, &text, &[], limits) {
        Ok(running) => running,
        Err(error) => panic!("{error}\n{text}"),
    };
    running.feed(frames());
    let records = running.close(true);
    assert_eq!(running.faults, [], "{text}");
    let schema = records[0].schema.clone();
    let named = |(at, column): (usize, &como_core::record::Column)| {
        let n: usize = column.name[1..].parse().expect("a number");
        let value = match records[0].value(0, at) {
            como_core::record::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            value => value.to_string(),
        };
        (reads[n].clone(), value)
    };
    schema.columns.iter().enumerate().map(named).collect()
}

/// Checks that all ways say what the first does.
#[track_caller]
fn check(language: Language, ways: &[Way], reads: &[String]) {
    for reads in reads.chunks(READS) {
        let want = said(language, &ways[0], reads);
        assert_eq!(want.len(), reads.len());
        for (name, said) in &want {
            let nothing = |one: &str| matches!(one, "" | "nil" | "()");
            let looked_up = name.starts_with("src.") || name.starts_with("dst.");
            assert!(looked_up || !said.split(';').all(nothing), "no frame has {name}");
        }
        for way in &ways[1..] {
            let got = said(language, way, reads);
            for (name, want) in &want {
                assert_eq!(got.get(name), Some(want), "{name} in {}", way.0);
            }
        }
    }
}

/// The names of all fields, and what else may be read.
fn all() -> Vec<String> {
    let fields = Field::ALL.iter().map(|field| field.name());
    fields.chain([flow::NAME]).map(str::to_owned).collect()
}

/// The fields that lie in a layer.
fn layered() -> Vec<String> {
    let in_layer = |name: &String| {
        let layer = name.split('.').next();
        name.contains('.') && LAYERS.iter().any(|(known, _)| Some(*known) == layer)
    };
    all().into_iter().filter(in_layer).collect()
}

/// The layer that a field lies in, and its name there.
fn parts(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

const HELPER: &str = "local function read(p, state)";
const ASIDE: &str = "end\nfunction update(pkt, state) assert(pcall(read, pkt, state)) end";
const UPDATE: &str = "function update(pkt, state)";

#[test]
fn a_field_is_the_same_in_whatever_way_lua_reads_it() {
    let ways: [Way; 9] = [
        (UPDATE, &|name| format!("pkt.{name}"), "end"),
        ("function update(pkt, state) local q = pkt", &|name| format!("q.{name}"), "end"),
        (HELPER, &|name| format!("p.{name}"), "end function update(pkt, s) read(pkt, s) end"),
        (HELPER, &|name| format!("p.{name}"), ASIDE),
        ("function update(pkt, state) local t = { pkt }", &|name| format!("t[1].{name}"), "end"),
        (UPDATE, &|name| format!("(pkt).{name}"), "end"),
        (
            "local function id(p) return p end function update(pkt, state)",
            &|name| format!("id(pkt).{name}"),
            "end",
        ),
        (UPDATE, &|name| format!("pkt['{name}']"), "end"),
        (
            "local function id(...) return ... end function update(pkt, state) local x, y",
            &|name| format!("`{{id(pkt).{name}}}`"),
            "end",
        ),
    ];
    check(Language::Lua, &ways, &all());
}

#[test]
fn a_layer_is_the_same_in_whatever_way_lua_reads_it() {
    let of = |before: &str, name: &str| {
        let (layer, rest) = parts(name);
        format!("(function() local l = {before}.{layer} return l and l.{rest} end)()")
    };
    let ways: [Way; 5] = [
        (UPDATE, &|name| format!("pkt.{} and pkt.{name}", parts(name).0), "end"),
        (UPDATE, &|name| of("pkt", name), "end"),
        (HELPER, &|name| of("p", name), ASIDE),
        (
            HELPER,
            &|name| {
                let (layer, rest) = parts(name);
                format!("p['{layer}'] and p['{layer}'].{rest}")
            },
            ASIDE,
        ),
        (
            HELPER,
            &|name| {
                let (layer, rest) = parts(name);
                format!("(if p.{layer} then p.{layer}['{rest}'] else nil)")
            },
            ASIDE,
        ),
    ];
    check(Language::Lua, &ways, &layered());
    let asked: Vec<String> = LAYERS.iter().map(|(layer, _)| (*layer).to_owned()).collect();
    let ways: [Way; 4] = [
        (UPDATE, &|name| format!("pkt.{name} ~= nil"), "end"),
        (UPDATE, &|name| format!("if pkt.{name} then true else false"), "end"),
        (HELPER, &|name| format!("p.{name} ~= nil"), ASIDE),
        (HELPER, &|name| format!("p['{name}'] ~= nil"), ASIDE),
    ];
    check(Language::Lua, &ways, &asked);
}

#[test]
fn a_field_is_the_same_in_whatever_way_rhai_reads_it() {
    // What is held is what is read of the packet itself somewhere.
    let and = |name: &str, other: &str| {
        format!("if type_of(pkt.{name}) == \"\" {{ 0 }} else {{ {other} }}")
    };
    let update = "fn update(pkt, state) {";
    let ways: [Way; 4] = [
        (update, &|name| format!("pkt.{name}"), "}"),
        (
            "fn id(p) { p } fn update(pkt, state) {",
            &|name| and(name, &format!("id(pkt).{name}")),
            "}",
        ),
        ("fn update(pkt, state) { let t = [pkt];", &|name| and(name, &format!("t[0].{name}")), "}"),
        (
            "fn update(pkt, state) { let t = #{ p: pkt };",
            &|name| and(name, &format!("t.p.{name}")),
            "}",
        ),
    ];
    // Where both are read, these are read of what the shorter name says; see the manual.
    let is_apart = |name: &String| name == "payload.len" || name == "flow.community_id";
    let (apart, plain): (Vec<String>, Vec<String>) = all().into_iter().partition(is_apart);
    check(Language::Rhai, &ways, &plain);
    check(Language::Rhai, &ways, &apart);
}

mod writes;
