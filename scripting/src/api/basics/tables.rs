//! Core tables, rows of them, and the tables of Rhai scripts.

use super::Basic;
use super::Form::{self, Call, Index, Len};

pub(super) const BASICS: &[Basic] = &[
    Basic {
        of: "",
        name: "table",
        form: Call(&[("declared", "map")]),
        returns: "table",
        doc: "A core table of the script's own, declared by `key` and `value` as a module's is, \
              also with `rows` and `full`: at the top level or in `init`.",
        units: "",
        lua: "local syns = table{ key = { src = \"ip.src\" }, value = { n = count() } }\n\
              function update(pkt)\n  \
                if pkt.tcp.flags.syn then syns:add(pkt) end\n\
              end\n\
              function export() return syns end",
        rhai: "const SYNS = table(#{ key: #{ src: \"ip.src\" }, value: #{ n: count() } });\n\
               fn update(pkt) {\n    \
                 if pkt.tcp.flags.syn == true { SYNS.add(pkt); }\n\
               }\n\
               fn export() { SYNS }",
        gives: "src=10.0.0.1 n=1; src=10.0.0.3 n=1",
        since: "0.1",
    },
    Basic {
        of: "",
        name: "table()",
        form: Call(&[]),
        returns: "t",
        doc: "An empty table that takes any key, for Rhai: `t[key]`, `t.add(key, n)`. A copy of it \
              is the same table.",
        units: "",
        lua: "",
        rhai: "table()",
        gives: "table of 0 rows",
        since: "0.1",
    },
    core(
        "top",
        Call(&[("column", "text"), ("n", "number?")]),
        "rows",
        "The rows that are largest in a column, ten unless told.",
        ["table:top(\"bytes\", 1)", "table.top(\"bytes\", 1)"],
        "addr=10.0.0.9 bytes=300",
    ),
    core(
        "all",
        Call(&[]),
        "rows",
        "All rows, in the order of their keys.",
        ["table:all()", "table.all()"],
        "addr=10.0.0.1 bytes=60; addr=10.0.0.3 bytes=60; addr=10.0.0.9 bytes=300; \
         addr=2001:db8::1 bytes=150",
    ),
    core(
        "each",
        Call(&[]),
        "rows",
        "The same, to be walked: `for row in table` does so as well.",
        [
            "key   = { addr = \"ip.dst\" }\n\
             value = { bytes = sum(\"len\") }\n\
             function export(table)\n  \
               local total = 0\n  \
               for row in table:each() do total += row.bytes end\n  \
               return { total = total }\n\
             end",
            "let key   = #{ addr: \"ip.dst\" };\n\
             let value = #{ bytes: sum(\"len\") };\n\
             fn export(table) {\n    \
               let total = 0;\n    \
               for row in table.each() { total += row.bytes; }\n    \
               #{ total: total }\n\
             }",
        ],
        "total=570",
    ),
    core(
        "find",
        Call(&[("key...", "any?")]),
        "row?",
        "The row with that key, or nil; a key of several columns is several arguments in Lua, and \
         a list in Rhai.",
        ["table:find(addr(\"10.0.0.9\"))", "table.find(addr(\"10.0.0.9\"))"],
        "bytes=300 addr=10.0.0.9",
    ),
    core("len", Len, "number", "How many rows it has.", ["#table", "table.len()"], "4"),
    core(
        "fold",
        Call(&[("table", "table")]),
        "",
        "Adds the interval's rows to the long-term table, of which it is asked.",
        [
            "key   = { port = \"dport\" }\n\
             value = { bytes = sum(\"len\") }\n\
             long  = { timeout = \"1h\" }\n\
             function export(table, long)\n  \
               long:fold(table)\n  \
               return { ports = #long }\n\
             end\n\
             function action() return \"keep\" end",
            "let key   = #{ port: \"dport\" };\n\
             let value = #{ bytes: sum(\"len\") };\n\
             let long  = #{ timeout: \"1h\" };\n\
             fn export(table, long) {\n    \
               long.fold(table);\n    \
               #{ ports: long.len() }\n\
             }\n\
             fn action() { \"keep\" }",
        ],
        "ports=3",
    ),
    core(
        "add",
        Call(&[("pkt", "packet")]),
        "",
        "Counts the packet at hand in a table of the script's own, once however often it is added.",
        [
            "local all = table{ key = { port = \"dport\" }, value = { n = count() } }\n\
             function update(pkt) all:add(pkt) end\n\
             function export() return all:top(\"n\", 1) end",
            "const ALL = table(#{ key: #{ port: \"dport\" }, value: #{ n: count() } });\n\
             fn update(pkt) { ALL.add(pkt); }\n\
             fn export() { ALL.top(\"n\", 1) }",
        ],
        "port=53 n=3",
    ),
    core(
        "clear",
        Call(&[]),
        "",
        "Removes all rows of a table of the script's own.",
        [
            "local all = table{ key = { port = \"dport\" }, value = { n = count() } }\n\
             function update(pkt) all:add(pkt) end\n\
             function export()\n  \
               all:clear()\n  \
               return { left = #all }\n\
             end",
            "const ALL = table(#{ key: #{ port: \"dport\" }, value: #{ n: count() } });\n\
             fn update(pkt) { ALL.add(pkt); }\n\
             fn export() {\n    \
               ALL.clear();\n    \
               #{ left: ALL.len() }\n\
             }",
        ],
        "left=0",
    ),
    Basic {
        of: "rows",
        name: "len",
        form: Len,
        returns: "number",
        doc: "How many there are.",
        units: "",
        lua: "#table:top(\"bytes\", 2)",
        rhai: "table.top(\"bytes\", 2).len()",
        gives: "2",
        since: "0.1",
    },
    Basic {
        of: "rows",
        name: "[]",
        form: Index("number"),
        returns: "row?",
        doc: "One of them, counted from 1 in Lua and from 0 in Rhai; `for row in rows` walks all.",
        units: "",
        lua: "table:top(\"bytes\", 2)[1]",
        rhai: "table.top(\"bytes\", 2)[0]",
        gives: "bytes=300 addr=10.0.0.9",
        since: "0.1",
    },
    Basic {
        of: "rows",
        name: "list",
        form: Call(&[]),
        returns: "list",
        doc: "The rows as a list, as many as fit one: 65,536 values, each row one more.",
        units: "",
        lua: "",
        rhai: "table.top(\"bytes\", 1).list()",
        gives: "bytes=300 addr=10.0.0.9",
        since: "0.1",
    },
    own(
        "[]",
        Index("any"),
        "any?",
        "What a key holds; set to `()`, its row is removed.",
        ["let t = table(); t[80] = 2; t[80]", "2"],
    ),
    own(
        "add",
        Call(&[("key", "any"), ("n", "number")]),
        "",
        "Adds to a row, which counts as 0 until it is there.",
        ["let t = table(); t.add(80, 2); t[80]", "2"],
    ),
    own(
        "remove",
        Call(&[("key", "any")]),
        "any?",
        "Removes a row, and gives what it held.",
        ["let t = table(); t[80] = 2; t.remove(80)", "2"],
    ),
    own(
        "contains",
        Call(&[("key", "any")]),
        "bool",
        "Whether there is a row of that key.",
        ["let t = table(); t[80] = 2; t.contains(443)", "false"],
    ),
    own("len", Len, "number", "How many rows.", ["let t = table(); t[80] = 2; t.len()", "1"]),
    own(
        "clear",
        Call(&[]),
        "",
        "Removes all rows.",
        ["let t = table(); t[80] = 2; t.clear(); t.len()", "0"],
    ),
    own(
        "top",
        Call(&[("n", "number?")]),
        "list",
        "The `n` rows of the largest numbers, each with `key` and `value`; ten unless told.",
        ["let t = table(); t[80] = 2; t[443] = 3; t.top(1)", "key=443 value=3"],
    ),
    own(
        "rows",
        Call(&[]),
        "list",
        "All rows as a list, in the order of their keys, each with `key` and `value`: 21,845 at \
         most.",
        ["let t = table(); t[80] = 2; t.rows()", "key=80 value=2"],
    ),
    own(
        "each",
        Call(&[]),
        "t",
        "All rows, however many, to be walked: `for row in t.each()`, or `for row in t`.",
        ["let t = table(); t[80] = 2; let n = 0; for row in t.each() { n += row.value; } n", "2"],
    ),
];

const fn core(
    name: &'static str,
    form: Form,
    returns: &'static str,
    doc: &'static str,
    [lua, rhai]: [&'static str; 2],
    gives: &'static str,
) -> Basic {
    Basic { of: "table", name, form, returns, doc, units: "", lua, rhai, gives, since: "0.1" }
}

const fn own(
    name: &'static str,
    form: Form,
    returns: &'static str,
    doc: &'static str,
    [rhai, gives]: [&'static str; 2],
) -> Basic {
    Basic { of: "t", name, form, returns, doc, units: "", lua: "", rhai, gives, since: "0.1" }
}
