//! What is nowhere is told before a script starts, and nothing else is.

use como_core::module::Setup;

use crate::library::FOLDER;

/// What a script is refused for.
fn wrong(text: &str) -> Vec<String> {
    match crate::load_text("t.rhai", text) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[track_caller]
fn refused(text: &str, want: &[&str]) {
    let found = wrong(&format!("let value = #{{ n: count() }};\n{text}"));
    let fits = found.iter().zip(want).all(|(found, want)| found.contains(want));
    assert!(fits && found.len() == want.len(), "{found:#?}");
}

#[track_caller]
fn taken(text: &str) {
    assert_eq!(wrong(&format!("let value = #{{ n: count() }};\n{text}")), [""; 0], "{text}");
}

#[test]
fn what_is_called_of_a_name_that_is_nowhere_is_told_once() {
    refused(
        "fn export(t) { net.contain(1); t }\n\
         fn helper(a) { foo.bar(3).x + foo.first(3)[1] }\n\
         fn other(a) { hash.nothing_like_it(a).x + 1 }",
        &[
            "t.rhai:2: `net` has no `contain`; did you mean `net.contains`?",
            "t.rhai:3: there is no name `foo`",
            "t.rhai:3: there is no name `foo`",
            "t.rhai:4: `hash` has no `nothing_like_it`",
        ],
    );
}

#[test]
fn functions_and_variables_that_are_nowhere_are_told_all_at_once() {
    refused(
        "fn export(t) { let n = cuont(); t.topp(\"n\", 3); sqrt(1, 2); t.all() }\n\
         fn helper(a) { a + b }\n\
         fn other(list) { let b = 1; list.map(|x| x + b); list.push(1, 2, 3, 4) }\n\
         fn third() { if false { nothing_here(1) } else { helper(1, 2) } }",
        &[
            "t.rhai:2: there is no function `cuont`; did you mean `count`?",
            "t.rhai:2: there is no function `topp`; did you mean `top`?",
            "t.rhai:2: `sqrt` does not take 2 arguments",
            "t.rhai:3: there is no `b` in this function; a function, named or not, sees its \
                parameters",
            "t.rhai:4: there is no `b` in this function",
            "t.rhai:4: `push` does not take 4 arguments",
            "t.rhai:5: there is no function `nothing_here`",
            "t.rhai:5: `helper` does not take 2 arguments",
        ],
    );
    refused("fn export(t) { agrs.n }", &["there is no name `agrs`; did you mean `args`?"]);
    refused("fn export(t) { net.contains(1, 2, 3, 4) }", &["`net.contains` does not take 4 arg"]);
}

#[test]
fn what_is_wrong_at_the_top_level_hides_nothing_in_functions() {
    let found =
        wrong("const LIMIT = limt();\nlet value = #{ n: count() };\nfn export(t) { LIMIT + x }");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].contains("t.rhai:3: there is no name `x`"), "{found:#?}");
}

#[test]
fn what_editors_are_told_of_is_there_with_as_many_arguments() {
    let text = crate::api::definitions::definitions();
    let mut told = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("fn ")) {
        let (name, rest) = line.split_once('(').expect("parameters");
        let (params, _) = rest.split_once(')').expect("and their end");
        let n = params.split(", ").filter(|param| !param.is_empty()).count();
        let is_there = match name.strip_prefix("get ") {
            // Names of layers are looked up by an index.
            Some(_) => n == 1,
            None if name == "require" => true,
            // Its own name is a word of the language.
            None if name == "print" => super::NATIVE.contains_key("print_"),
            None => super::NATIVE.get(name).is_some_and(|of| of.contains(&n)),
        };
        assert!(is_there && line.ends_with(';'), "{line}");
        told += 1;
    }
    assert!(told > 150, "{told}");
    for entry in crate::api::entries() {
        let name = entry.path().replace('.', "_");
        assert!(text.contains(&format!("\nfn {name}(")), "{name}");
    }
    assert!(text.contains("fn get syn(of: PacketTcpFlags) -> bool | ();"), "{text}");
}

#[test]
fn whatever_may_be_there_is_left_alone() {
    for text in [
        "fn export(t) { let f = |x| x + 1; f.call(2); Fn(\"export\"); is_def_fn(\"x\", 1); t }",
        "const F = |x| x; fn export(t) { F.call(1); let g = F; g.call(2); t }",
        "fn init() { #{ each: |x| x } } fn export(t) { let m = init(); m.each(1); t }",
        "fn export(t) { let m = #{}; m.each = |x| x; m.each(1); t }",
        "fn export(t) { let m = #{}; m[\"each\"] = |x| x; m.each(1); t }",
        "const w = require(\"window\"); fn export(t) { let x = w.new(3); x.push(1); x.sum(); t }",
        "fn add(a, b) { this + a + b } fn export(t) { let n = 1; n.add(2, 3); add(1, 2); t }",
        "fn export(t) { for (row, at) in t { print(`${row.n} ${at}`); } log(1); debug(2); t }",
        "fn export(t) { let n = 5; { let m = n; n = m; } try { throw 1 } catch (e) { e } t }",
        "fn export(t) { switch 1 { 1 => t, _ => [t.len()] } }",
        "fn export(t) { type_of(t); [3, 1].sort(); [1].reduce(|a, b| a + b, 0); 1..3; t }",
        "fn export(t) { let p = addr(\"10.0.0.1\"); p.masked(8).is_v6; net.mask(p, 8); t }",
        "fn export(t) { let b = blob(3); b[0]; b.len; b.as_string(); \"x\".len(); t }",
        "const T = table(); fn export(t) { T.add(1, 1); T[2] = 3; T.top(1); T.rows(); t }",
        "let args = #{ n: 1 }; fn export(t) { args.n; t }",
        "fn export(t) { alert(\"info\", \"x\"); alert(#{ severity: \"info\", text: \"x\" }); t }",
        "fn check(pkt, state) { state.n = pkt.len; pkt.tcp.flags.syn == true }",
        "fn export(t) { let x = if t.len() > 1 { let y = 1; y } else { 2 }; x; t }",
        "fn export(t) { let list = [1]; list.filter(|v, at| v > at); list.some(|v| v == 1); t }",
    ] {
        taken(text);
    }
}

#[test]
fn libraries_of_ones_own_are_looked_at_too() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join(FOLDER)).expect("a folder in it");
    let lib = "fn twice(x) { 2 * x }\n#{ a: |x| twice(x), b: |x| thrice(x), c: |x| own(x) }";
    std::fs::write(dir.path().join("lib/h.rhai"), lib).expect("written");
    let text = "const h = require(\"lib/h\");\nlet value = #{ n: count() };\n\
                fn own(x) { x }\nfn export(t) { h.a(1); h.b(1); twice(3); t }";
    let file = dir.path().join("m.rhai");
    std::fs::write(&file, text).expect("written");
    let kind = crate::load(&file);
    let error = kind.and_then(|kind| kind.start(&Setup::default()).map(drop)).err();
    let error = error.expect("a mistake").to_string();
    assert!(
        error.contains("lib/h.rhai:2: there is no function `thrice`; did you mean `twice`?"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}
