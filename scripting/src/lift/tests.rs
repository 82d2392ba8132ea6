//! A lifted callback against the same in the virtual machine.

use como_core::intern::Interner;
use como_core::module::Limits;
use como_core::packet::build::{ACK, Frame, SYN, batch_of};
use como_core::selection::Selection;

use super::{Lifted, Sum, parse};
use crate::running::{Running, some};

/// Where this stands in a script, it is made one that cannot be lifted.
const MARK: &str = "--[[vm]]";

/// Packets of several kinds and hosts; some stand for more than themselves.
fn frames(seed: u64, sampled: bool) -> Vec<Frame> {
    let mut state = seed;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % n
    };
    let mut frames = some();
    frames.extend((0..300).map(|_| {
        let (a, b) = (format!("10.0.0.{}", below(9)), format!("10.0.1.{}", below(40)));
        let (a, b) = (format!("{a}:{}", below(5)), format!("{b}:{}", 80 + below(3)));
        let len = 60 + below(900) as usize;
        let (from, to) = (format!("10.0.0.{}", below(9)), format!("10.0.1.{}", below(9)));
        let frame = match below(6) {
            4 => Frame::icmp(from.as_str(), to.as_str(), 8, 0),
            5 => Frame::ip(from.as_str(), to.as_str(), 47),
            0 => Frame::udp(a.as_str(), b.as_str()),
            1 => Frame::tcp(a.as_str(), b.as_str()).flags(SYN),
            2 => Frame::tcp(a.as_str(), b.as_str()).flags(SYN | ACK),
            _ => Frame::tcp(a.as_str(), b.as_str()).flags(ACK),
        };
        match sampled && below(3) == 0 {
            true => frame.len(len).weight(10, 10 * len as u64),
            false => frame.len(len),
        }
    }));
    frames
}

fn outcome(text: &str) -> (Vec<String>, Vec<String>) {
    let mut running = Running::start("test.lua", text, &[], Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut rows = Vec::new();
    for round in 0..6 {
        running.feed(frames(round, round % 2 == 1));
        running.feed(frames(round + 50, false));
        let mut made = running.rows();
        made.sort();
        rows.extend(made);
    }
    (rows, running.faults.iter().map(|fault| fault.to_string()).collect())
}

const EXPORT: &str = r#"
function export(state)
  local rows = {}
  local function walk(path, value)
    if type(value) == "table" then
      for k, v in value do walk(path .. "/" .. tostring(k), v) end
    elseif type(value) == "userdata" and tostring(value):sub(1, 5) == "table" then
      local at = 0
      for row in value do
        at += 1
        walk(path .. "/" .. at, row)
      end
    else
      table.insert(rows, { path = path, value = tostring(value) })
    end
  end
  walk("", state)
  return rows
end
"#;

/// Lifts, and says the same as when it is not lifted.
#[track_caller]
fn check(callbacks: &str) {
    let text = format!("{callbacks}{EXPORT}");
    assert!(parse::update(&text).is_some(), "it is not lifted");
    let (rows, faults) = outcome(&text);
    let plain = text.replace(MARK, "local _ = nil");
    assert!(parse::update(&plain).is_none(), "it is lifted all the same");
    assert_eq!((&rows, &faults), (&outcome(&plain).0, &outcome(&plain).1));
    assert!(rows.len() >= 6, "nothing was counted");
}

#[test]
fn counters() {
    check(
        "function init() return { packets = 0, n = { bytes = 0, twos = 0, len = 5 } } end
function update(pkt, state) --[[vm]]
  state.packets += pkt.packets
  state.n.bytes = state.n.bytes + pkt.bytes
  state.n.twos += 2
  state.n.len += pkt.len
end",
    );
}

#[test]
fn counters_by_key() {
    check(
        "function init() return { bytes = {}, packets = {}, ports = {} } end
function update(pkt, state) --[[vm]]
  local dst = pkt.ip.dst
  if dst then
    state.bytes[dst] = (state.bytes[dst] or 0) + pkt.bytes
    state.packets[dst] = (state.packets[dst] or 0) + pkt.packets
  end
  local ports = state.ports
  if pkt.tcp and pkt.tcp.dport ~= 81 then
    ports[pkt.tcp.dport] = (ports[pkt.tcp.dport] or 0) + 1
  end
end",
    );
}

#[test]
fn rows_by_key() {
    check(
        "function init() return {} end
function update(pkt, state) --[[vm]]
  if not pkt.ip then return end
  local row = state[pkt.ip.src]
  if not row then
    row = { packets = 0, bytes = 0, big = 0 }
    state[pkt.ip.src] = row
  end
  row.packets += pkt.packets
  row.bytes += pkt.len
  if pkt.len > 500 then row.big += 1 end
end",
    );
}

#[test]
fn tables_inside_each_other() {
    check(
        "function init() return {} end
function update(pkt, state) --[[vm]]
  if not pkt.sport then return end
  local by_src = state[pkt.ip.src]
  if not by_src then
    by_src = {}
    state[pkt.ip.src] = by_src
  end
  local by_dst = by_src[pkt.ip.dst]
  if not by_dst then
    by_dst = {}
    by_src[pkt.ip.dst] = by_dst
  end
  local ports = (pkt.ip.proto * 65536 + pkt.sport) * 65536 + pkt.dport
  local row = by_dst[ports]
  if not row then
    row = { packets = 0, bytes = 0 }
    by_dst[ports] = row
  end
  row.packets += pkt.packets
  row.bytes += pkt.bytes
end",
    );
    check(
        "function init() return { n = {} } end
function update(pkt, state) --[[vm]]
  if pkt.ip then
    local hosts = state.n[pkt.ip.dst]
    if hosts == nil then hosts = {} state.n[pkt.ip.dst] = hosts end
    hosts[pkt.ip.src] = (hosts[pkt.ip.src] or 0) + pkt.bytes
  end
end",
    );
}

#[test]
fn tables_by_flow() {
    check(
        "function init() return { flows = {} } end
function update(pkt, state) --[[vm]]
  local flow = pkt.flow
  if not flow then return end
  local row = state.flows[flow]
  if not row then
    row = { packets = 0, bytes = 0, dst = pkt.ip.dst, kind = 'flow', first = pkt.ts, last = 0 }
    state.flows[flow] = row
  end
  row.packets += pkt.packets
  row.bytes += pkt.bytes
  row.last = pkt.ts
end",
    );
    check(
        "function init() return {} end
function update(pkt, state) --[[vm]]
  if pkt.flow then state[pkt.flow] = (state[pkt.flow] or 0) + pkt.packets end
end",
    );
}

#[test]
fn tables_by_texts() {
    check(
        "function init() return {} end
function update(pkt, state) --[[vm]]
  if not pkt.udp then return end
  local ends = tostring(pkt.ip.src) .. ':' .. pkt.sport
  local key = ends .. ' > ' .. tostring(pkt.ip.dst) .. ':' .. tostring(pkt.dport)
  state[key] = (state[key] or 0) + pkt.bytes
end",
    );
}

#[test]
fn both_ends_into_one_table() {
    check(
        "function init() return { n = {}, hosts = {} } end
function update(pkt, state) --[[vm]]
  if not pkt.ip then return end
  state.n[pkt.ip.src] = (state.n[pkt.ip.src] or 0) + pkt.bytes
  state.n[pkt.ip.dst] = (state.n[pkt.ip.dst] or 0) + pkt.bytes
  local a = state.hosts[pkt.ip.src]
  if not a then a = { sent = 0, got = 0 } state.hosts[pkt.ip.src] = a end
  a.sent += pkt.packets
  local b = state.hosts[pkt.ip.dst]
  if not b then b = { sent = 0, got = 0 } state.hosts[pkt.ip.dst] = b end
  b.got += pkt.packets
end",
    );
}

#[test]
fn core_tables() {
    check(
        "function init()
  local flows = table{
    key = { src = 'ip.src', dst = 'ip.dst' }, value = { bytes = sum('bytes'), packets = count() },
  }
  return { flows = flows, ports = table{ key = { port = 'dport' }, value = { n = count() } }, n = \
  0 }
end
function update(pkt, state) --[[vm]]
  state.flows:add(pkt)
  state.n += pkt.packets
  if pkt.tcp.flags.syn then state.ports:add(pkt) else return end
  state.ports:add(pkt)
end
",
    );
}

#[test]
fn what_fails_in_the_script_fails_as_it_does_there() {
    // Some packets are not IP.
    check(
        "function init() return {} end
function update(pkt, state) --[[vm]]
  state[pkt.ip.dst] = (state[pkt.ip.dst] or 0) + pkt.bytes
end",
    );
    check(
        "function init() return { n = 0 } end
function update(pkt, state) --[[vm]]
  if pkt.ip.ttl < 65 or pkt.udp then state.n += 1 end
end",
    );
}

#[test]
fn a_state_that_is_not_fresh_is_left_to_the_script() {
    check(
        "function init(args, last) return last or {} end
function update(pkt, state) --[[vm]]
  if pkt.ip then state[pkt.ip.dst] = (state[pkt.ip.dst] or 0) + pkt.bytes end
end",
    );
    check(
        "function init() return { n = setmetatable({}, { __index = function() return 7 end }) } end
function update(pkt, state) --[[vm]]
  if pkt.udp then state.n[pkt.udp.dport] = (state.n[pkt.udp.dport] or 0) + pkt.bytes end
end",
    );
}

#[test]
fn checks_narrow_alike() {
    for cond in [
        "pkt.tcp.flags.syn and not pkt.tcp.flags.ack",
        "not (pkt.udp or pkt.tcp.dport == 80) and pkt.ip",
        "pkt.len >= 100",
        "pkt.udp ~= nil and pkt.udp.dport <= 81 or pkt.len < 61",
        "pkt.ip.ttl > 3",
    ] {
        let text = format!(
            "function init() return {{ n = 0 }} end
function check(pkt) {MARK} return {cond} end
function update(pkt, state) {MARK} state.n += pkt.packets end{EXPORT}"
        );
        assert!(parse::check(&text).is_some(), "{cond}");
        assert_eq!(outcome(&text), outcome(&text.replace(MARK, "local _ = nil")), "{cond}");
    }
}

#[test]
fn whatever_is_not_surely_understood_is_not_lifted() {
    for body in [
        "state.n = state.n + pkt.bytes * 2",
        "state.n = state.m + pkt.bytes",
        "state.n += pkt.ip.ttl",
        "local n = state.n n += pkt.bytes",
        "state += pkt.bytes",
        "state.a[pkt.ip.dst] += pkt.bytes",
        "state.a[pkt.ip.dst].b += pkt.bytes",
        "local row = state[pkt.ip.dst] row.bytes += pkt.bytes",
        "local r = state[pkt.ip.dst] if pkt.tcp then if not r then r = { n = 0 } state[pkt.ip.dst] \
            = r end end r.n += 1",
        "state.n += pkt.bytes print(pkt.len)",
        "state.n += pkt.bytes -- and more\n * 3",
        "if pkt.len > 3 + 4 then state.n += 1 end",
        "if not pkt.len == 3 then state.n += 1 end",
        "if pkt.tcp.flags.syn == nil then state.n += 1 end",
        "if pkt.ip.dst == other then state.n += 1 end",
        "local k = pkt.ip.src .. pkt.ip.dst state[k] = (state[k] or 0) + 1",
        "local k = pkt.sport * 2 .. '' state[k] = (state[k] or 0) + 1",
        "local k = pkt.ip.src + 1 state[k] = (state[k] or 0) + 1",
        "local k = f(pkt.sport) state[k] = (state[k] or 0) + 1",
        "local k = pkt.sport - 1 state[k] = (state[k] or 0) + 1",
        "state[pkt.sport] = (state[pkt.sport] or 0) + pkt.ts",
        "local a = state[pkt.ip.src] if not a then a = { last = 0 } state[pkt.ip.src] = a end \
         a.last = pkt.ts \
         local b = state[pkt.ip.dst] if not b then b = { last = 0 } state[pkt.ip.dst] = b end \
         b.last = pkt.ts",
        "local a = state[pkt.ip.src] if not a then a = { sent = 0 } state[pkt.ip.src] = a end \
         a.sent += 1 \
         local b = state[pkt.ip.dst] if not b then b = { got = 0 } state[pkt.ip.dst] = b end \
         b.got += 1",
        "local r = state[pkt.ip.dst] \
         if not r then r = { src = pkt.ip.src, n = 0, last = 0 } state[pkt.ip.dst] = r end \
         r.n += pkt.packets r.last = pkt.ts",
        "local r = state[pkt.ip.dst] \
         if not r then r = { src = pkt.ip.src, n = 0 } state[pkt.ip.dst] = r end r.n += 1",
        "local r = state[5] if not r then r = { last = 0 } state[5] = r end r.last = pkt.ts",
        "local r = state[pkt.sport] if not r then r = { n = 0 } state[pkt.sport] = r end r.n += 1 \
         state[pkt.sport] = (state[pkt.sport] or 0) + 1",
        "state.last = pkt.ts state.n += 1",
        "local k = tostring(pkt.sport) state[k] = (state[k] or 0) + 1 state.n += 1",
        "local r = state[pkt.sport] if not r then r = { at = pkt.ts } state[pkt.sport] = r end \
            r.at += 1",
        "local r = state[pkt.sport] if not r then r = { a = 0 } state[pkt.sport] = r end r.b += 1",
        "local r = state[pkt.sport] if not r then r = { a = 0 } state[pkt.sport] = r end r.a.b += \
            1",
        "local r = state[pkt.sport] if not r then r = { n = 0 } state[pkt.sport] = r end \
         local q = state[pkt.sport] if not q then q = { n = 5 } state[pkt.sport] = q end q.n += 1",
        "local r = state[pkt.sport] if not r then r = { a = 0, t = pkt.ts } state[pkt.sport] = r \
         end if pkt.tcp then r.t = pkt.ts else r.t = pkt.ts end",
        "for i = 1, 2 do state.n += 1 end",
        "state.n += 0x10",
        "",
    ] {
        let text = format!("function update(pkt, state)\n{body}\nend");
        assert_eq!(parse::update(&text), None, "{body}");
    }
    for text in [
        "local function update(pkt, state) state.n += 1 end",
        "function update(pkt, state) state.n += 1 end\nupdate = other",
        "if a then\n function update(pkt, state) state.n += 1 end end",
        "function update(pkt) state.n += 1 end",
        "function update(pkt, pkt) pkt.n += 1 end",
        "function update(pkt: any, state) state.n += 1 end",
        "function update(pkt, state) state.n += 1",
    ] {
        assert_eq!(parse::update(text), None, "{text}");
    }
    let deep = format!(
        "function update(pkt, state) {}state.n += 1 {}end",
        "if pkt.ip then ".repeat(500),
        "end ".repeat(500)
    );
    assert_eq!(parse::update(&deep), None);
    let deep =
        format!("function check(pkt) return {}pkt.ip{} end", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(parse::check(&deep), None);
    let many = format!("function update(p, s) {} end", "s.n += 1 ".repeat(33));
    assert_eq!(parse::update(&many), None);
    let inside = "do local n = 1\nfunction update(pkt, state) state.n += 1 end end";
    assert_eq!(parse::update(inside), None);
    let behind = "local a = if b then 1 else 2\nif a then b() end\n\
                  function update(pkt, state) state.n += 1 end";
    assert!(parse::update(behind).is_some());
    let sums = format!("function update(p, s) s[p.sport{}] += 1 end", " + 1".repeat(60_000));
    assert_eq!(parse::update(&sums), None);
    let texts = format!("function update(p, s) s[p.sport{}] += 1 end", " .. 'a'".repeat(60_000));
    assert_eq!(parse::update(&texts), None);
    let nots = format!("function check(pkt) return {}pkt.ip end", "not ".repeat(5000));
    assert_eq!(parse::check(&nots), None);
}

/// Packets to so many hosts that no other `round` has met, each in a flow of its own.
fn fresh(round: u32, hosts: u32) -> Vec<Frame> {
    let to = |n: u32| format!("10.{}.{}.{}:80", round, n / 256, n % 256);
    (0..hosts).map(|n| Frame::udp("10.255.0.1:53", to(n).as_str()).len(100)).collect()
}

#[test]
fn addresses_of_intervals_gone_by_make_room_for_others() {
    let text = "function init() return {} end
function update(pkt, state)
  state[pkt.ip.dst] = (state[pkt.ip.dst] or 0) + pkt.bytes
end
function export(state)
  local n = 0
  for _ in state do n += 1 end
  return { n = n }
end";
    assert!(parse::update(text).is_some(), "it is not lifted");
    // There is room for 6,500 addresses.
    let limits = Limits { memory_bytes_max: 4 << 20, ..Limits::default() };
    let mut running = Running::start("test.lua", text, &[], limits).expect("starts");
    for round in 0..6 {
        for part in fresh(round, 3000).chunks(1000) {
            running.feed(part.to_vec());
        }
        assert_eq!(running.rows(), ["n=3000"], "interval {round}");
        running.faultless();
    }
}

#[test]
fn what_is_added_up_natively_stays_within_the_memory_of_the_script() {
    let text = "function init() return { src = {}, dst = {}, both = {} } end
function update(pkt, state)
  state.dst[pkt.ip.dst] = (state.dst[pkt.ip.dst] or 0) + pkt.bytes
  state.src[pkt.ip.src] = (state.src[pkt.ip.src] or 0) + pkt.bytes
  local key = tostring(pkt.ip.src) .. ' > ' .. tostring(pkt.ip.dst)
  state.both[key] = (state.both[key] or 0) + pkt.bytes
end";
    let program = parse::update(text).expect("it is lifted");
    let limits = Limits { memory_bytes_max: 2 << 20, ..Limits::default() };
    let mut lifted = Lifted::new(program, &limits).expect("it runs");
    let (mut interner, mut packets, mut emptied) = (Interner::default(), 0, 0);
    let mut settle = |lifted: &mut Lifted| {
        let count = |_, sum: Sum<'_>| {
            if let Sum::Keyed(table) = sum {
                let column = table.column("packets").expect("a column");
                let rows = 0..table.rows();
                packets += rows.filter_map(|row| table.value(row, column).as_uint()).sum::<u64>();
            }
            Ok::<(), ()>(())
        };
        assert_eq!(lifted.settle(count), Ok(()));
        emptied += 1;
    };
    for round in 0..20 {
        let mut batch = batch_of(fresh(round, 2000));
        batch.decode(lifted.demand());
        interner.fill(&mut batch, lifted.demand());
        assert!(lifted.update(&batch, &Selection::all(batch.len()), &[]));
        assert!(lifted.state_bytes() <= limits.memory_bytes_max, "{}", lifted.state_bytes());
        if lifted.is_full() {
            settle(&mut lifted);
        }
    }
    settle(&mut lifted);
    assert_eq!(packets, 3 * 40_000);
    assert!(emptied > 2, "it never was full");
}
