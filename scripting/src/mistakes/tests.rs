//! Which words of a script a message underlines.

use como_core::filter::parse;

use super::*;
use crate::scan::Language;

const TEXT: &str = "-- Doc.\nkey = {\n  host = \"ip.scr\",\n  port = \"dport or 1\",\n}\n\
                    rows = many\nfunction update(pkt)\n  n = pkt.tcp.prot\nend\n";

#[track_caller]
fn check(line: u32, message: &str, want_line: u32, want: &str) {
    let script = Script { file: "a.lua", name: "a", language: Language::Lua, text: TEXT };
    let found = script.mistake(line, message);
    let shown = found.quote.as_ref().expect("a line").to_string();
    let (source, carets) = shown.split_once('\n').expect("two lines");
    let from = carets.find('^').expect("carets");
    assert_eq!((found.line, &source[from..carets.len()]), (want_line, want), "{shown}");
}

#[test]
fn what_a_message_quotes_is_underlined_where_it_stands() {
    check(2, "`host`: there is no field `ip.scr`; did you mean `ip.src`?", 3, "ip.scr");
    check(2, "`key.port`: `or 1`", 4, "port");
    check(2, "`key` is empty", 2, "key");
    check(8, "a packet has no field `tcp.prot`", 8, "tcp.prot");
    check(8, "expected 'end', got '='", 8, "=");
    check(6, "nothing fits", 6, "rows = many");
}

#[test]
fn what_stands_behind_a_semicolon_is_a_hint() {
    let script = Script { file: "a.lua", name: "a", language: Language::Lua, text: TEXT };
    let found = script.mistake(6, "`rows` is wrong; write 5");
    assert_eq!((&*found.message, found.hint.as_deref()), ("`rows` is wrong", Some("write 5")));
    let nowhere = script.mistake(99, "wrong");
    assert_eq!((nowhere.line, nowhere.quote), (99, None));
}

#[test]
fn a_filter_is_underlined_in_the_script_or_told_whole() {
    let text = "filter = \"tcp and prot 80\"\n";
    let script = Script { file: "a.lua", name: "a", language: Language::Lua, text };
    let error = parse("tcp and prot 80").expect_err("no filter");
    let found = script.misfiltered(1, "tcp and prot 80", &error);
    let want = "  filter = \"tcp and prot 80\"\n                    ^^^^";
    assert_eq!(found.quote.map(|quote| quote.to_string()).as_deref(), Some(want));
    let error = parse("prot").expect_err("no filter");
    assert!(script.misfiltered(1, "prot", &error).message.starts_with("in the filter \"prot\": "));
}

/// What a script is refused for, each with its line.
fn wrong(file: &str, text: &str) -> Vec<String> {
    let error = crate::load_text(file, text).err().expect("a mistake").to_string();
    error.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect()
}

#[test]
fn behind_what_is_no_lua_reading_goes_on_at_the_next_function() {
    let text = "value = { n = count() }
function update(pkt, state)
  if pkt.lenn > then state.n = 1 end
end
local function help(x)
  return x + * 2
end
function export(state)
  return { n = state.n, }
end
function check(pkt)
  return pkt.lem > 1
end";
    let found = wrong("t.lua", text);
    let lines: Vec<&str> = found.iter().filter_map(|f| f.split(':').nth(1)).collect();
    assert_eq!(lines, ["3", "6", "12"], "{found:#?}");
    // An end that lacks is told where it lacks, and nothing of what stands behind is taken for
    // wrong.
    let text = "function update(pkt, state)
  if pkt.len then state.n = 1
end
function export(state)
  return state
end";
    let found = wrong("t.lua", text);
    assert_eq!(found.len(), 1, "{found:#?}");
    let found = wrong("t.lua", "function a()\n  x = )\n  end end\nend\nfunction b()\n end");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn behind_what_is_no_rhai_reading_goes_on_at_the_next_function() {
    let text = "let value = #{ n: count() };
fn update(pkt, state) {
  if pkt.lenn > { state.n = 1; }
}
fn help(x) {
  x + ) 2
}
fn export(state) {
  #{ n: state.n }
}
fn check(pkt) {
  pkt.lem > 1
}";
    let found = wrong("t.rhai", text);
    let lines: Vec<&str> = found.iter().filter_map(|f| f.split(':').nth(1)).collect();
    assert_eq!(lines, ["3", "4", "6", "12"], "{found:#?}");
    let text = "fn update(pkt, state) {
  if pkt.len > 1 { state.n = 1;
}
fn export(state) {
  state
}";
    let found = wrong("t.rhai", text);
    assert_eq!(found.len(), 1, "{found:#?}");
}
