//! What both languages must do alike, beside what the library's own tests compare.

use como_core::module::{Fault, Limits};

use crate::running::{Running, some, udp};

/// What a script says of [`some`] packets: its rows, then its faults without their places.
fn said(file: &str, text: &str) -> Vec<String> {
    let mut running = Running::start(file, text, &[], Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    running.feed(some());
    let mut said = running.rows();
    let bare = |message: &str| {
        let place = message.strip_prefix(file)?.strip_prefix(':')?;
        let (_, message) = place.split_once(": ").or_else(|| place.split_once(' '))?;
        Some(message.trim().to_owned())
    };
    let faults = running.faults.iter().map(Fault::to_string);
    said.extend(faults.map(|message| bare(&message).unwrap_or(message)));
    said
}

/// Checks what `export` makes of one expression, in which addresses and their methods are written
/// as in Lua.
#[track_caller]
fn check(expression: &str, want: &str) {
    let rhai = expression.replace("):", ").").replace("nil", "()");
    let lua =
        format!("function update(pkt) end\nfunction export() return {{ n = {expression} }} end");
    let rhai = format!("fn update(pkt) {{}}\nfn export() {{ #{{ n: {rhai} }} }}");
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        assert_eq!(said(file, &text), [want], "{text}");
    }
}

#[test]
fn a_mask_is_as_long_as_the_address_at_most() {
    check(r#"addr("10.1.2.3"):masked(16)"#, "n=10.1.0.0");
    check(r#"addr("2001:db8::1"):masked(128)"#, "n=2001:db8::1");
    let whole = "a whole number from 0 to 32";
    for (bits, what) in [("300", whole), ("-1", whole), ("33", whole), ("nil", "a number")] {
        check(
            &format!(r#"addr("10.1.2.3"):masked({bits})"#),
            &format!("masked: argument 1 is {what}, not {bits}; for instance masked(24)"),
        );
    }
}

#[test]
fn a_network_is_read_alike() {
    for (network, within) in [
        ("10.0.0.0/8", true),
        ("10.0.0.0 / 8", true),
        (" 10.0.0.0/8 ", true),
        ("10.1.2.3", true),
        ("10.1.2.4", false),
        ("::/0", false),
    ] {
        check(&format!(r#"addr("10.1.2.3"):within("{network}")"#), &format!("n={within}"));
        check(&format!(r#"net.contains("{network}", "10.1.2.3")"#), &format!("n={within}"));
    }
    for network in ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/", ""] {
        check(
            &format!(r#"addr("10.1.2.3"):within("{network}")"#),
            &format!(r#"within: argument 1 is a network like 10.0.0.0/8, not "{network}""#),
        );
    }
}

#[test]
fn init_that_returns_nothing_leaves_an_empty_state() {
    let lua = "function init() end
function update(pkt, state) state.n = (state.n or 0) + 1 end
function export(state) return state end";
    let rhai = "fn init() {}
fn update(pkt, state) { state.n = (state.n ?? 0) + 1; }
fn export(state) { state }";
    assert_eq!(said("test.lua", lua), ["n=6"]);
    assert_eq!(said("test.rhai", rhai), ["n=6"]);
}

#[test]
fn flows_and_addresses_tell_what_they_are() {
    let lua = "function init() return { kinds = {} } end
function update(pkt, state) if pkt.ip then
  state.kinds = { flow = typeof(pkt.flow), src = typeof(pkt.ip.src), port = pkt.flow.sport }
end end
function export(state) return state.kinds end";
    let rhai = "fn init() { #{ kinds: () } }
fn update(pkt, state) { if pkt.ip != () {
  state.kinds = #{ flow: type_of(pkt.flow), src: type_of(pkt.ip.src), port: pkt.flow.sport };
} }
fn export(state) { state.kinds }";
    assert_eq!(said("test.lua", lua), ["flow=flow src=addr port=443"]);
    assert_eq!(said("test.rhai", rhai), ["flow=Flow src=Address port=443"]);
}

#[test]
fn bytes_are_numbers_like_any_other() {
    let lua = "function init() return { n = {}, sum = 0, large = 0, ends = \"\" } end
function update(pkt, state)
  local p = pkt.payload
  if not p then return end
  for at = 1, #p do
    local b = string.byte(p, at)
    state.n[b] = (state.n[b] or 0) + 1
    state.sum += b
    if b > 120 then state.large += 1 end
  end
  state.ends = `{string.byte(p, 1)} {string.byte(p, -1)}`
end
function export(state)
  local most = top(state.n, 1)[1]
  return { byte = most.key, times = most.value, sum = state.sum, large = state.large,
    ends = state.ends, mean = state.sum / 5 }
end";
    let rhai = "fn init() { #{ n: table(), sum: 0, large: 0, ends: \"\" } }
fn update(pkt, state) {
  let p = pkt.payload;
  if p == () { return; }
  for (b, at) in p {
    state.n.add(b, 1);
    state.sum += b;
    if b > 120 && b == p[at] && [b] == [p.to_array()[at]] { state.large += 1; }
  }
  state.ends = `${p[0]} ${p[-1]}`;
  for (b, at) in p { let n = state.n; n[b] = n[b] + b - b; }
}
fn export(state) {
  let most = state.n.top(1)[0];
  #{ byte: most.key, times: most.value, sum: state.sum, large: state.large,
    ends: state.ends, mean: state.sum / 5.0 }
}";
    let want = "byte=122 times=3 sum=561 large=3 ends=97 98 mean=112.2";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let mut running = Running::start(file, text, &[], Limits::default())
            .unwrap_or_else(|error| panic!("{error}"));
        running.feed([udp("10.0.0.1", "10.0.0.2", 0).payload(b"azzzb")]);
        assert_eq!((running.rows(), &running.faults), (vec![want.to_owned()], &vec![]), "{file}");
    }
}

#[test]
fn nothing_is_said_before_the_first_packet() {
    let why = "output: the first init runs before any packet: call it in update or export";
    let lua = "outputs = { o = { a = \"uint\" } }
function init() output(\"o\", { a = 1 }) end
function update(pkt) end
function export() end";
    let rhai = "let outputs = #{ o: #{ a: \"uint\" } };
fn init() { output(\"o\", #{ a: 1 }); }
fn update(pkt) {}
fn export() {}";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        let error = Running::start(file, text, &[], Limits::default()).err().expect("it starts");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_table_made_at_the_top_level_counts_for_the_interval_of_the_module() {
    let lua = "args = { interval = \"5s\" }
local all = table{ key = { v = \"ip.version\" }, value = { rate = rate() } }
function update(pkt) all:add(pkt) end
function export() return all end";
    let rhai = "let args = #{ interval: \"5s\" };
const ALL = table(#{ key: #{ v: \"ip.version\" }, value: #{ rate: rate() } });
fn update(pkt) { ALL.add(pkt); }
fn export() { ALL }";
    for (file, text) in [("test.lua", lua), ("test.rhai", rhai)] {
        assert_eq!(said(file, text), ["v=4 rate=0.8", "v=6 rate=0.2"], "{file}");
    }
}
