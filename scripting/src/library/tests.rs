//! What scripts may require, from where, and how it is refused.

use std::fs;
use std::os::unix::fs::symlink;

use como_core::module::Setup;

use super::*;
use crate::running::{Running, some};

/// A module's folder with these files in it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join(FOLDER)).expect("a folder in it");
    for (name, text) in files {
        fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

/// What the module in `file` of `dir` is refused with, without the folder's own path.
fn refusal(dir: &tempfile::TempDir, file: &str) -> String {
    let kind = crate::load(&dir.path().join(file));
    let started = kind.and_then(|kind| kind.start(&Setup::default()).map(|_| ()));
    let error = started.err().unwrap_or_else(|| panic!("{file} was taken")).to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

/// A module of these files is refused in these words, in the language that `file` ends in.
#[track_caller]
fn refused(file: &str, files: &[(&str, &str)], want: &str) {
    assert_eq!(refusal(&folder(files), file), want);
}

/// A script of either language that requires `name` and nothing else.
fn pair(name: &str) -> [(&'static str, String); 2] {
    [
        ("m.lua", format!("local x = require({name:?})\nvalue = {{ n = count() }}")),
        ("m.rhai", format!("const X = require({name:?});\nlet value = #{{ n: count() }};")),
    ]
}

#[test]
fn a_library_of_ones_own_is_found_in_lib_and_may_require_others() {
    let lua = folder(&[
        (
            "lib/hosts.lua",
            "local fmt = require('fmt')\nlocal hosts = { one = require('lib/one') }\nfunction \
                hosts.name(n) return fmt.count(n * 1000) .. hosts.one.mark end\nreturn hosts",
        ),
        ("lib/one.lua", "return { mark = '!' }"),
        (
            "m.lua",
            "local hosts = require 'lib/hosts'\nfunction update() end function export() return { x \
                = hosts.name(2) } end",
        ),
    ]);
    let rhai = folder(&[
        (
            "lib/hosts.rhai",
            "const FMT = require(\"fmt\");\nfn name(n) { require(\"fmt\").count(n * 1000) + \
                require(\"lib/one\").mark }\n#{ name: Fn(\"name\") }",
        ),
        ("lib/one.rhai", "#{ mark: \"!\" }"),
        (
            "m.rhai",
            "const HOSTS = require(\"lib/hosts\");\nfn update(p, s) {} fn export(s) { #{ x: \
                HOSTS.name(2) } }",
        ),
    ]);
    for (dir, file) in [(&lua, "m.lua"), (&rhai, "m.rhai")] {
        let kind = crate::load(&dir.path().join(file)).unwrap_or_else(|error| panic!("{error}"));
        let started = kind.start(&Setup::default()).unwrap_or_else(|error| panic!("{error}"));
        let mut running = Running::of(started);
        running.feed(some());
        assert_eq!(running.rows(), ["x=2 k!"], "{file}");
        running.faultless();
        // Changing any of the files makes another module.
        let before = crate::whole(&dir.path().join(file)).expect("read");
        let one = dir.path().join("lib/one").with_extension(&file[2..]);
        fs::write(&one, fs::read_to_string(&one).expect("read") + "\n").expect("written");
        assert_ne!(before, crate::whole(&dir.path().join(file)).expect("read"));
        fs::remove_file(&one).expect("removed");
        let missing = crate::whole(&dir.path().join(file)).expect("read");
        assert!(missing.contains("there is no"), "{missing}");
    }
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let names = [
        "..",
        "../m",
        "lib/../m",
        "lib/../../x",
        "/etc/passwd",
        "lib//etc/passwd",
        "lib/",
        "lib/.",
        "lib/a/b",
        "lib\\a",
        "./m",
        "@self/m",
        "lib/x.lua",
        "",
        "lib/\u{e9}",
        "window ",
        "file:x",
        "m.lua",
        "lib/a\0b",
    ];
    for name in names {
        for (file, text) in pair(name) {
            let error = refusal(&folder(&[(file, &text), ("x.lua", "return {}")]), file);
            let known = error.contains(" is no library; ") || error.contains("there is no library");
            assert!(known, "{name:?}: {error}");
        }
    }
}

#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let outside = folder(&[("x.lua", "return {}"), ("x.rhai", "#{}")]);
    for (file, text) in pair("lib/x") {
        let end = file.rsplit('.').next().unwrap_or_default();
        let want = format!("cannot read `lib/x.{end}`: it leads out of the module's folder");
        let dir = folder(&[(file, &text)]);
        let link = dir.path().join(format!("lib/x.{end}"));
        symlink(outside.path().join(format!("x.{end}")), &link).expect("a link");
        assert_eq!(refusal(&dir, file), format!("{file}:1: {want}"));
        // The same where the folder itself is the link.
        let dir = folder(&[(file, &text)]);
        fs::remove_dir(dir.path().join(FOLDER)).expect("removed");
        symlink(outside.path(), dir.path().join(FOLDER)).expect("a link");
        assert_eq!(refusal(&dir, file), format!("{file}:1: {want}"));
        // A pipe or a device is never read.
        let dir = folder(&[(file, &text)]);
        symlink("/dev/zero", dir.path().join(format!("lib/x.{end}"))).expect("a link");
        assert_eq!(refusal(&dir, file), format!("{file}:1: {want}"));
    }
}

#[test]
fn circles_depth_number_and_length_are_bounded() {
    let requires = |name: &str| format!("require('lib/{name}') return {{}}");
    let [a, b] = ["b", "a"].map(requires);
    let m = ("m.lua", "require('lib/a') value = { n = count() }");
    refused(
        "m.lua",
        &[m, ("lib/a.lua", &a), ("lib/b.lua", &b)],
        "lib/b.lua:1: `lib/a` requires `lib/b` requires `lib/a`, and so itself",
    );
    let deep: Vec<(String, String)> = (0..9)
        .map(|n| {
            (
                format!("lib/{}.lua", ["a", "b", "c", "d", "e", "f", "g", "h", "i"][n]),
                requires(["b", "c", "d", "e", "f", "g", "h", "i", "a"][n]),
            )
        })
        .collect();
    let mut files: Vec<(&str, &str)> = deep.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    files.push(m);
    refused("m.lua", &files, "lib/h.lua:1: libraries require each other deeper than 8");
    let names: Vec<String> = (0..33).map(|n| format!("lib/x{n}.lua")).collect();
    let all: String = (0..33).map(|n| format!("require('lib/x{n}')\n")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "return {}")).collect();
    files.push(("m.lua", &all));
    refused("m.lua", &files, "m.lua:33: more than 32 libraries are required");
    let long = format!("-- {}\nreturn {{}}", "x".repeat(150 << 10));
    refused(
        "m.lua",
        &[
            ("m.lua", "require('lib/a')\nrequire('lib/b')"),
            ("lib/a.lua", &long),
            ("lib/b.lua", &long),
        ],
        "m.lua:2: what is required is longer than 256 KiB together",
    );
}

#[test]
fn mistakes_in_a_library_are_told_with_its_file_and_line() {
    let m = ("m.lua", "local x = require('lib/x')\nx.go()\nvalue = { n = count() }");
    let lua = |text: &str, want: &str| refused("m.lua", &[m, ("lib/x.lua", text)], want);
    lua("return {\n1 +", "lib/x.lua:2: expected identifier when parsing expression, got <eof>");
    lua(
        "\nlocal t = nil + 1",
        "lib/x.lua:2: attempt to perform arithmetic (add) on nil and number",
    );
    lua("return 7", "lib/x.lua: a library ends by returning a table");
    lua(
        "x = {} return { go = function()\n error('no') end }",
        "lib/x.lua:2: no (called in m.lua:2)",
    );
    lua("return { go = function() error('yours', 2) end }", "m.lua:2: yours");
    lua(
        "return { go = function() assert(false, 'given') end }",
        "lib/x.lua:1: given (called in m.lua:2)",
    );
    lua(
        "return { go = require }",
        "m.lua:2: bad argument #1: error converting Lua nil to string (expected string or number)",
    );
    lua("while true do end", "lib/x.lua:1: stopped after 50 ms of CPU time in one call");
    lua(
        "return { go = function() pkt = 1 end }",
        "lib/x.lua:1: attempt to modify a readonly table (called in m.lua:2); names of the top \
         level, `args` and libraries are fixed once the script has started: keep what changes in \
         `state`, \
         or in `long`",
    );
    let m = ("m.rhai", "const X = require(\"lib/x\");\nX.run();\nlet value = #{ n: count() };");
    let rhai = |text: &str, want: &str| refused("m.rhai", &[m, ("lib/x.rhai", text)], want);
    rhai("#{\n1 +", "lib/x.rhai:2: expecting '}' to end this object map literal");
    rhai(
        "\nlet x = () + 1;",
        "lib/x.rhai:2: `+` does not take `()` and a whole number; `()` is what nothing was put \
         into, or a packet does not have",
    );
    rhai("7", "lib/x.rhai: a library ends in a map, `#{ ... }`");
    rhai("#{ run: ||\n throw \"no\" }", "lib/x.rhai:2: no; in a function, called in line 2");
    rhai("fn update() {} #{}", "lib/x.rhai:1: `update` is a callback of modules: rename it");
    rhai("loop {}", "lib/x.rhai:1: stopped after 50 ms of CPU time in one call");
    rhai(
        "#{ run: || require(\"x\" + 1) }",
        "lib/x.rhai:1: `require` takes the name of a library in quotes, where `x1` stands; in a \
            function, called in line 2",
    );
}

#[test]
fn a_library_beside_the_user_is_named_as_the_user_would() {
    for (path, want) in [
        ("./lib/x.lua", "lib/x.lua"),
        ("m/lib/x.lua", "m/lib/x.lua"),
        ("/m/lib/x.lua", "/m/lib/x.lua"),
        ("../lib/x.lua", "../lib/x.lua"),
    ] {
        assert_eq!(shown(Path::new(path)), want);
    }
}

#[test]
fn what_a_shipped_library_is_given_wrong_is_told_where_it_is_given() {
    let place = |file: &str, text: &str, word: &str| {
        let line = text.lines().position(|line| line.contains(word)).expect("it checks") + 1;
        format!("(in stdlib/{file}:{line})")
    };
    let (_, lua, rhai) = stdlib::LIBRARIES.iter().find(|l| l.0 == "window").expect("shipped");
    let what = "window.new: n must be a whole number from 1 to 10000";
    let text = "local window = require('window')\n\
                local function make() return window.new(0) end\n\
                make() value = { n = count() }";
    let place_in_lua = place("window.lua", lua, "assert(");
    refused(
        "m.lua",
        &[("m.lua", text)],
        &format!("m.lua:2: {what} {place_in_lua}; in `make`, called in line 3"),
    );
    let text = "fn make() {\n require(\"window\").new(0) }\nmake(); let value = #{ n: count() };";
    let place_in_rhai = place("window.rhai", rhai, "throw");
    let want = format!("m.rhai:2: {what} {place_in_rhai}; in `make`, called in line 3");
    refused("m.rhai", &[("m.rhai", text)], &want);
}

#[test]
fn two_functions_of_one_name_are_told() {
    let m = "const A = require(\"lib/a\");\nconst B = require(\"lib/b\");\nlet value = #{ n: \
        count() };";
    let one = "fn help(x) { x }\n#{}";
    refused(
        "m.rhai",
        &[("m.rhai", m), ("lib/a.rhai", one), ("lib/b.rhai", one)],
        "lib/b.rhai:1: `lib/a.rhai` has a function `help` too: rename one",
    );
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    for (file, text) in pair("windwo") {
        refused(
            file,
            &[(file, &text)],
            &format!("{file}:1: there is no library `windwo`; did you mean `window`?"),
        );
    }
    refused(
        "m.lua",
        &[("m.lua", "\nlocal n = 'fmt'\nrequire(n)")],
        "m.lua:3: `require` takes the name of a library in quotes, where `fmt` stands",
    );
    let (file, text) = &pair("lib/none")[0];
    refused(file, &[(file, text)], "m.lua:1: `lib/none` cannot be had: there is no `lib/none.lua`");
    let error = crate::load_text(file, text).err().expect("no folder").to_string();
    assert_eq!(error, "m.lua:1: `lib/none` cannot be had: this script lies in no folder");
}

#[test]
fn a_packet_handed_to_a_library_is_read_as_in_the_module() {
    let lua = folder(&[
        (
            "lib/h.lua",
            "local h = {}\nfunction h.src(p) return p.ip.src end\n\
             function h.syn(p) return p.tcp.flags.syn end\nreturn h",
        ),
        (
            "m.lua",
            "local h = require('lib/h')\nfunction init() return { src = 0, syn = 0 } end\n\
             function update(pkt, s)\nif h.src(pkt) then s.src += 1 end\n\
             if h.syn(pkt) then s.syn += 1 end\nend\nfunction export(s) return s end",
        ),
    ]);
    let rhai = folder(&[
        ("lib/h.rhai", "#{ src: |p| p.ip.src, syn: |p| p.tcp.flags.syn }"),
        (
            "m.rhai",
            "const h = require(\"lib/h\");\nfn init() { #{ src: 0, syn: 0 } }\n\
             fn update(pkt, s) {\nif h.src(pkt) != () { s.src += 1; }\n\
             if h.syn(pkt) == true { s.syn += 1; }\n}\nfn export(s) { s }",
        ),
    ]);
    for (dir, file) in [(lua, "m.lua"), (rhai, "m.rhai")] {
        let kind = crate::load(&dir.path().join(file)).unwrap_or_else(|error| panic!("{error}"));
        let started = kind.start(&Setup::default()).unwrap_or_else(|error| panic!("{error}"));
        let mut running = Running::of(started);
        running.feed(some());
        let mut row: Vec<String> =
            running.rows().iter().flat_map(|row| row.split(' ')).map(str::to_owned).collect();
        row.sort();
        assert_eq!(
            (row, &running.faults),
            (vec!["src=5".into(), "syn=2".into()], &vec![]),
            "{file}"
        );
    }
}

#[test]
fn what_a_library_does_wrong_with_a_packet_is_told_with_its_line() {
    let check = |wrong: &str, want: &str| {
        let library = format!("local h = {{}}\nfunction h.run(p)\n{wrong}\nend\nreturn h");
        let module = "local h = require('lib/h')\nfunction update(pkt, s)\n\nh.run(pkt)\nend\n\
                      function export(s) return s end";
        let dir = folder(&[("lib/h.lua", &library), ("m.lua", module)]);
        let kind = crate::load(&dir.path().join("m.lua")).unwrap_or_else(|error| panic!("{error}"));
        let started = kind.start(&Setup::default()).unwrap_or_else(|error| panic!("{error}"));
        let mut running = Running::of(started);
        running.feed(some());
        let told = running.faults[0].mistake.to_string();
        let told = told.replace(&format!("{}/", dir.path().display()), "");
        assert_eq!(told, format!("lib/h.lua:3: {want}"));
    };
    check("return p.nothing", "a packet has no field `nothing` (called in m.lua:4)");
    check("return (p.eth or p)['x']", "a packet has no field `eth.x` (called in m.lua:4)");
    check(
        "p.len = 3",
        "a packet is read only (called in m.lua:4); keep what you make of it in names and tables \
         of your own",
    );
    check(
        "top(p, 3)",
        "a packet has no list of what it holds: read its fields by their names (called in m.lua:4)",
    );
}

#[test]
fn an_error_thrown_again_in_another_file_is_told_where_it_was_thrown_again() {
    let library = "#{\n    again: |error| {\n        throw error;\n    }\n}";
    let module = "const h = require(\"lib/h\");\nfn init() { #{} }\nfn update(pkt, s) {\n\
                  try {\n    pkt.tcp.seq + 1\n} catch (e) {\n    h.again(e);\n}\n}\n\
                  fn export(s) { s }";
    let dir = folder(&[("lib/h.rhai", library), ("m.rhai", module)]);
    let kind = crate::load(&dir.path().join("m.rhai")).unwrap_or_else(|error| panic!("{error}"));
    let started = kind.start(&Setup::default()).unwrap_or_else(|error| panic!("{error}"));
    let mut running = Running::of(started);
    running.feed(some());
    let told = running.faults[0].mistake.to_string();
    let told = told.replace(&format!("{}/", dir.path().display()), "");
    assert!(told.starts_with("lib/h.rhai:3: `+` does not take `()` and"), "{told}");
    assert!(told.contains("(caught in line 5 and thrown again)"), "{told}");
}
