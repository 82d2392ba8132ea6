//! What the scan finds, and what it leaves alone.

use std::collections::HashSet;

use como_core::field::{Demand, Id};

use super::*;

#[track_caller]
fn check(language: Language, source: &str, fields: &[&str], complete: bool) {
    let got = reads(source, language);
    let names: Vec<&str> = got.fields.iter().map(|f| f.name()).collect();
    assert_eq!((names.as_slice(), got.complete), (fields, complete));
}

fn lua(body: &str, fields: &[&str], complete: bool) {
    check(Language::Lua, &format!("function update(pkt, state)\n{body}\nend"), fields, complete);
}

#[test]
fn plain_reads_are_all_found() {
    lua("state.n = state.n + pkt.len * pkt.packets", &["len", "packets"], true);
    lua("t[pkt.ip.dst] = pkt.tcp.flags.syn", &["ip.dst", "tcp.flags.syn"], true);
    lua("if pkt.tcp and pkt.tcp.flags == 2 then n = pkt.ts end", &["ts", "tcp.flags"], true);
    lua("local x = pkt.sport .. ':' .. pkt.dport", &["sport", "dport"], true);
    lua("state.flows[pkt.flow] = pkt.flow", &[], true);
    lua("state.n = pkt.flow.sport", &[], true);
    let misread = reads("function update(pkt, s) s.n = pkt.flow.port end", Language::Lua);
    assert_eq!(misread.unknown, [("flow.port".to_owned(), 1)]);
    lua("local p = pkt.payload.len + #pkt.payload", &["payload.len", "payload"], true);
    check(
        Language::Rhai,
        "fn update(p, s) { s.n += p.len; // p.ts\n if p.ip.ttl < 5 { s.m += 1 } }",
        &["len", "ip.ttl"],
        true,
    );
}

#[test]
fn code_inside_interpolated_texts_is_followed_in_lua() {
    lua("log(`{pkt.len}`)", &["len"], true);
    lua(
        "k = `{pkt.ip.src} \\u{20}pkt.ts{ {pkt.ip.dst} }{pkt.dport}`",
        &["ip.src", "ip.dst", "dport"],
        true,
    );
    lua("k = `a\\`{f(`{pkt.len}}`, '}')}{'`'}` .. pkt.dport -- `{pkt.ts", &["len", "dport"], true);
    lua("log(`one pkt`) log(`{pkt}`)", &[], false);
    check(Language::Rhai, "fn update(pkt, s) { print(`${pkt.len}`) }", &["len"], false);
}

#[test]
fn what_a_name_in_a_map_is_given_is_followed() {
    let source = "fn update(pkt, state) { state.rows.push(#{ a: pkt.ip.src, b: pkt.len }); }";
    check(Language::Rhai, source, &["len", "ip.src"], true);
}

#[test]
fn packets_added_to_tables_are_followed() {
    let lua = "function init() return { t = table{ key = { a = 'ip.src' } } } end
        function update(pkt, state) state.t:add(pkt) end";
    let rhai = "fn init(args) { #{ t: table(#{ key: #{ a: \"ip.src\" } }) } }
        fn update(pkt, state) { if pkt.ip != () { state.t.add(pkt); } }";
    for (text, language) in [(lua, Language::Lua), (rhai, Language::Rhai)] {
        let found = reads(text, language);
        assert!(found.adds() && found.complete, "{found:?}");
    }
    // Without such a table it is something of the script's own.
    assert!(!reads("function update(pkt, s) s.w:add(pkt) end", Language::Lua).complete);
}

#[test]
fn comments_and_texts_are_not_code() {
    lua("-- pkt.ts\n--[[ pkt.sport\n pkt.dport ]] x = 'pkt.len' y = [==[pkt.ts]==]", &[], true);
}

#[test]
fn a_packet_that_wanders_off_is_noticed() {
    lua("count(pkt)", &[], false);
    lua("local p = pkt; n = p.ip.src", &["ip.src"], false);
    lua("local ip = pkt.ip; n = ip.src", &["ip.src"], false);
    lua("local t = pkt.tcp; n = t.dport", &["dport", "tcp.dport"], false);
    lua("n = pkt[name]", &[], false);
    check(
        Language::Lua,
        "local function f(p) return p.sport end\nfunction check(pkt) return f(pkt) == row.len end",
        &["len", "sport"],
        false,
    );
}

#[test]
fn the_places_of_reads_are_located() {
    let source = "update = function(pkt)\n x = pkt.tcp.flags.syn, pkt. len, pkt.ip.dst.is_v6 \
                  if pkt.udp then end end";
    let got = reads(source, Language::Lua);
    let texts: Vec<&str> = got.spots.iter().map(|spot| &source[spot.at.clone()]).collect();
    assert_eq!(texts, ["pkt.tcp.flags.syn", "pkt. len", "pkt.ip.dst", "pkt.udp"]);
    assert!(got.contained);
    let more = format!("{source} function f(pkt) end");
    assert!(!reads(&more, Language::Lua).contained);
    assert!(!reads(&format!("{source} update()"), Language::Lua).contained);
}

#[test]
fn names_no_field_has_are_told_with_their_line() {
    let got = reads("function update(p)\n n = p.tcp.prot\n m = p.lenn end", Language::Lua);
    assert_eq!(got.unknown, [("tcp.prot".to_owned(), 2), ("lenn".to_owned(), 3)]);
}

#[test]
fn a_name_that_means_other_things_too_is_left_alone() {
    let source = "function update(p) for _, p in s do f(p.ip.dst, p.mine) end end";
    let got = reads(source, Language::Lua);
    assert_eq!((got.spots, got.unknown), (Vec::new(), Vec::new()));
    assert!(got.fields.contains(&Field::IpDst) && !got.complete);
}

#[test]
fn an_address_beside_a_quoted_text_is_noticed() {
    let source = "function update(p)\n if p.ip.src == '::1' then end\n if 'x' ~= p.eth.dst then \
        end\n\
                  if p.ip.src == addr('::1') then end end";
    assert_eq!(reads(source, Language::Lua).texts, [2, 3]);
}

#[test]
fn demand_brings_ids_for_addresses() {
    let demand = reads("function update(p) t[p.ip.dst] = 1 end", Language::Lua).demand();
    assert!(demand.wants_id(Id::Dst) && !demand.wants_id(Id::Src));
    assert!(demand.wants(Field::IpDst));
    assert_eq!(
        reads("function update(p) n = p.len end", Language::Lua).demand(),
        Demand::NONE.field(Field::Len)
    );
}

#[test]
fn the_first_comment_describes() {
    let doc = |source, language| first_comment(source, language);
    assert_eq!(doc("\n-- Top talkers.\n-- More.", Language::Lua), "Top talkers.");
    assert_eq!(doc("--- Top talkers.", Language::Lua), "Top talkers.");
    assert_eq!(doc("// Top talkers.", Language::Rhai), "Top talkers.");
    assert_eq!(doc("key = {}", Language::Lua), "");
}

#[test]
fn columns_stand_as_they_were_written() {
    let lua = r#"
        -- value = { no = 1 }
        value = {
            zeta = sum("len", { x = 1 }), ["alpha-x"] = count(), beta = args["k"] == 1 and a or b
        }
    "#;
    assert_eq!(written_order(lua, Language::Lua, "value"), ["zeta", "alpha-x", "beta"]);
    let rhai = r#"let key = #{ b: "ip.src", "a": "ip.dst" }; let other = #{ c: 1 };"#;
    assert_eq!(written_order(rhai, Language::Rhai, "key"), ["b", "a"]);
    assert_eq!(written_order("key = other", Language::Lua, "key"), [""; 0]);
    let long = "value = { x = 1 } long = { timeout = 3, value = { b = max('x'), a = sum('x') } }";
    assert_eq!(written_order(long, Language::Lua, "long.value"), ["b", "a"]);
    assert_eq!(written_order(long, Language::Lua, "value"), ["x"]);
}

#[test]
fn any_text_can_be_cut() {
    for source in [
        "\"",
        "[[",
        "--[==[",
        "/*",
        "`",
        "`{",
        "`}{`}{{}}",
        "`é\\é{é",
        "\\",
        "é.ü(",
        "pkt.",
        "function update(",
        "1..2",
    ] {
        for language in [Language::Lua, Language::Rhai] {
            reads(source, language);
            written_order(source, language, "key");
            first_comment(source, language);
        }
    }
}

#[test]
fn columns_stand_as_the_record_writes_them_wherever_else_their_names_stand() {
    let check = |language, source: &str, want: &str| {
        let names: HashSet<&str> = want.split(' ').collect();
        assert_eq!(Written::of(source, language).order(&names).join(" "), want, "{source}");
    };
    let lua = |source, want| check(Language::Lua, source, want);
    lua("x = { b = 1, ['a b'] = 2 } y.c = 3 -- d = 4", "b");
    lua("x = { b = 1 } function export() x.d = 1 return { c = 1, b = 2 } end", "c b d");
    lua(
        "function export() local n, e = pcall(f) local a = 1 return { a = 1, b = 2, e = e, n = n } \
            end",
        "a b e n",
    );
    lua(
        "function export() local sum = { n = 0, bytes = 0 } for i in t do local r = { key = i, \
         bytes = 1, n = 2 } r.share = 3 end end",
        "key bytes n share",
    );
    lua("return { f = function() local a, z = 1, 2 end, z = 1, a = 2 }", "f z a");
    lua("function init() return { b = 0, a = 0 } end function export(s) return s end", "b a");
    let rhai = |source, want| check(Language::Rhai, source, want);
    rhai("let x = #{ b: 1, \"a\": 2 }; y.c = 3", "b a c");
    rhai(
        "fn export(s) { let sum = #{ n: 0, bytes: 0 }; out.push(#{ key: 1, bytes: sum.bytes, n: 2 \
            }); }",
        "key bytes n",
    );
}

#[test]
fn what_interpolated_texts_read_is_found() {
    let check = |text: &str, want: &[Field]| {
        let source = format!("fn update(pkt, s) {{ s.add(`{text}`, 1); }}");
        let found = reads(&source, Language::Rhai);
        assert_eq!(found.fields, want, "{text}");
        assert_eq!(found.complete, !text.contains("pkt"), "{text}");
    };
    check("${pkt.ip.dst}", &[Field::IpDst]);
    check("it's ${ `${pkt.ip.dst}` } and ${ pkt.len + 1 } of ${pkt.tcp.flags.syn}", &{
        let mut fields = [Field::Len, Field::IpDst, Field::TcpSyn];
        fields.sort();
        fields
    });
    check("${helper(pkt)} pkt.ip.src ${s.pkt.ip.src}", &[]);
    check("${7}", &[]);
}

#[test]
fn a_text_goes_on_behind_an_escaped_end_of_its_line() {
    for escape in ["\\z\n  ", "\\\r\n", "\\\n"] {
        let text = format!("x = \"a {escape}end pkt.len\" y = pkt.ip.ttl");
        let words: Vec<&str> = tokens::tokens(&text, Language::Lua)
            .iter()
            .filter(|token| token.shape == tokens::Shape::Word)
            .map(|token| token.text)
            .collect();
        assert_eq!(words, ["x", "y", "pkt", "ip", "ttl"], "{text:?}");
    }
}
