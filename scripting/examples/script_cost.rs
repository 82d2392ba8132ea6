//! What a script's callbacks cost: nanoseconds of CPU time per packet, callbacks alone.
//!
//! `cargo run --release -p como-scripting --example script_cost [DESTINATIONS]`. Decoding, numbering
//! and filtering are done before the clock starts, because all modules share them.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use como_core::batch::Batch;
use como_core::intern::Interner;
use como_core::module::{Export, Limits, Setup};
use como_core::packet::build::{ACK, Frame, batch_of};
use como_core::selection::{BATCH_PACKETS_MAX, Selection};
use como_core::time::{Interval, Span, Ts};

const ROUNDS: usize = 8;
const BATCHES: usize = 64;

const SCRIPTS: [(&str, &str); 7] = [
    ("count packets and bytes", "
function init() return { packets = 0, bytes = 0 } end
function update(pkt, state) state.packets += pkt.packets; state.bytes += pkt.len end
function export(state) return state end"),
    ("bytes by destination, declared", "
key = { addr = 'ip.dst' }
value = { bytes = sum('len') }
function export(table) return table:top('bytes', 20) end"),
    ("bytes by destination", "
function init() return {} end
function update(pkt, state)
  local dst = pkt.ip.dst
  state[dst] = (state[dst] or 0) + pkt.len
end
function export(state) local n = 0 for _ in state do n += 1 end return { n = n } end"),
    ("bytes and packets by destination, a table each", "
function init() return {} end
function update(pkt, state)
  local row = state[pkt.ip.dst]
  if not row then row = { bytes = 0, packets = 0 } state[pkt.ip.dst] = row end
  row.bytes += pkt.len
  row.packets += pkt.packets
end
function export(state) local n = 0 for _ in state do n += 1 end return { n = n } end"),
    ("bytes by destination, where only TCP counts", "
function init() return {} end
function update(pkt, state)
  if pkt.tcp then
    local dst = pkt.ip.dst
    state[dst] = (state[dst] or 0) + pkt.len
  end
end
function export(state) local n = 0 for _ in state do n += 1 end return { n = n } end"),
    ("bytes by destination, through a helper", "
local function add(p, state) local ip = p.ip if ip then state[ip.dst] = (state[ip.dst] or 0) + p.len end end
function init() return {} end
function update(pkt, state) add(pkt, state) end
function export(state) local n = 0 for _ in state do n += 1 end return { n = n } end"),
    ("check: packets of 100 bytes and more", "
value = { packets = count() }
function check(pkt) return pkt.len >= 100 end"),
];

const RHAI: [(&str, &str); 5] = [
    (
        "count packets and bytes",
        "
fn init(args) { #{ packets: 0, bytes: 0 } }
fn update(pkt, state) { state.packets += pkt.packets; state.bytes += pkt.len; }
fn export(state) { state }",
    ),
    (
        "bytes by destination, declared",
        "
let key = #{ addr: `ip.dst` };
let value = #{ bytes: sum(`len`) };
fn export(table) { table.top(`bytes`, 20) }",
    ),
    (
        "bytes by destination",
        "
fn init(args) { table() }
fn update(pkt, state) { state.add(pkt.ip.dst, pkt.len); }
fn export(state) { #{ n: state.len() } }",
    ),
    (
        "bytes by destination, through a helper",
        "
fn count(p, state) { let ip = p.ip; if ip != () { state.add(ip.dst, p.len); } }
fn init(args) { table() }
fn update(pkt, state) { count(pkt, state); }
fn export(state) { #{ n: state.len() } }",
    ),
    (
        "check: packets of 100 bytes and more",
        "
let value = #{ packets: count() };
fn check(pkt) { pkt.len >= 100 }",
    ),
];

fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Batches whose destinations are spread by a power law, a tenth of them in UDP.
fn batches(
    destinations: u64,
    interner: &mut Interner,
    demand: como_core::field::Demand,
) -> Vec<Batch> {
    let mut seed = 12_345u64;
    let mut draw = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / (1u64 << 31) as f64
    };
    (0..BATCHES)
        .map(|_| {
            let frames = (0..BATCH_PACKETS_MAX).map(|_| {
                let n = (draw().powi(4) * destinations as f64) as u32;
                let [a, b, c, d] = (0x0a00_0000 + n).to_be_bytes();
                let dst = format!("{a}.{b}.{c}.{d}:80");
                let len = 60 + (draw() * 600.0) as usize;
                match draw() < 0.9 {
                    true => Frame::tcp("192.0.2.1:1000", dst.as_str()).flags(ACK).len(len),
                    false => Frame::udp("192.0.2.1:1000", dst.as_str()).len(len),
                }
            });
            let mut batch = batch_of(frames);
            batch.decode(demand);
            interner.fill(&mut batch, demand);
            batch
        })
        .collect()
}

fn main() {
    let destinations = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5_000);
    let lua = SCRIPTS.map(|(name, text)| ("cost.lua", name, text));
    let rhai = RHAI.map(|(name, text)| ("cost.rhai", name, text));
    for (file, name, text) in lua.into_iter().chain(rhai) {
        let kind = como_scripting::load_text(file, text).expect("it loads");
        let limits =
            Limits { call_ms_max: 10_000, memory_bytes_max: 256 << 20, ..Limits::default() };
        let setup = Setup { instance: name.into(), limits, ..Setup::default() };
        let mut started = kind.start(&setup).expect("it starts");
        let batches = batches(destinations, &mut Interner::default(), started.demand);
        let module = &mut started.module;
        let (mut spent, mut exports) = (0, 0);
        for round in 0..=ROUNDS {
            let began = cpu_ns();
            for batch in &batches {
                let mut picked = Selection::all(batch.len());
                module.check(batch, &mut picked);
                module.update(batch, &picked);
            }
            // The first round fills caches and tables.
            spent += if round > 0 { cpu_ns() - began } else { 0 };
            let began = cpu_ns();
            let interval = Interval::holding(Ts::new(1, 0), Span::from_secs(1));
            let mut out = Export::new(interval, started.schema.clone().unwrap_or_default());
            module.export(interval, &mut out);
            exports = cpu_ns() - began;
            assert_eq!(module.fault(), None, "{name}");
        }
        let packets = (ROUNDS * BATCHES * BATCH_PACKETS_MAX) as f64;
        println!(
            "{:6.1} ns  {file}: {name} (export {} us)",
            spent as f64 / packets,
            exports / 1000
        );
    }
}
