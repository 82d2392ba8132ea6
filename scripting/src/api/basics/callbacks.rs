//! The functions that a module defines.

use super::{Basic, Form};

pub(super) const BASICS: &[Basic] = &[
    Basic {
        returns: "state?",
        doc: "Makes the state of an interval that begins; `last` is that of the one before.",
        ..callback(
            "init",
            &[("args", "map"), ("last", "state?")],
            [
                "function init(args, last) return { n = 10 } end\n\
                 function update(pkt, state) state.n += 1 end\n\
                 function export(state) return state end",
                "fn init(args, last) { #{ n: 10 } }\n\
                 fn update(pkt, state) { state.n += 1; }\n\
                 fn export(state) { state }",
                "n=16",
            ],
        )
    },
    Basic {
        returns: "bool",
        doc: "Says of each packet that the filter picked whether it counts.",
        ..callback(
            "check",
            &[("pkt", "packet"), ("state", "state")],
            [
                "value = { n = count() }\n\
                 function check(pkt) return pkt.len > 100 end",
                "let value = #{ n: count() };\n\
                 fn check(pkt) { pkt.len > 100 }",
                "n=2",
            ],
        )
    },
    Basic {
        doc: "Is called for each packet that counts.",
        ..callback(
            "update",
            &[("pkt", "packet"), ("state", "state")],
            [
                "function init() return { bytes = 0 } end\n\
                 function update(pkt, state) state.bytes += pkt.bytes end\n\
                 function export(state) return state end",
                "fn init() { #{ bytes: 0 } }\n\
                 fn update(pkt, state) { state.bytes += pkt.bytes; }\n\
                 fn export(state) { state }",
                "bytes=630",
            ],
        )
    },
    Basic {
        returns: "records?",
        doc: "Makes the records of an interval that has closed: rows of the table, a list of \
              records, or one. `table` is the state where neither `key` nor `value` is declared.",
        ..callback(
            "export",
            &[("table", "table"), ("long", "table"), ("args", "map")],
            [
                "args  = { n = 1 }\n\
                 key   = { addr = \"ip.dst\" }\n\
                 value = { bytes = sum(\"len\") }\n\
                 function export(table, long, args) return table:top(\"bytes\", args.n) end",
                "let args  = #{ n: 1 };\n\
                 let key   = #{ addr: \"ip.dst\" };\n\
                 let value = #{ bytes: sum(\"len\") };\n\
                 fn export(table, long, args) { table.top(\"bytes\", args.n) }",
                "addr=10.0.0.9 bytes=300",
            ],
        )
    },
    Basic {
        returns: "text?",
        doc: "Says what becomes of a long-term row when an interval has closed: \"store\", \
              \"keep\" or \"discard\"; nil leaves it to the timeout. `now` is packet time.",
        units: "seconds since 1970",
        ..callback(
            "action",
            &[("row", "row"), ("now", "number")],
            [
                "key   = { addr = \"ip.dst\" }\n\
                 value = { bytes = sum(\"len\") }\n\
                 long  = { timeout = \"60s\" }\n\
                 function action(row, now)\n  \
                   if row.bytes > 200 then return \"store\" end\n\
                 end",
                "let key   = #{ addr: \"ip.dst\" };\n\
                 let value = #{ bytes: sum(\"len\") };\n\
                 let long  = #{ timeout: \"60s\" };\n\
                 fn action(row, now) { if row.bytes > 200 { \"store\" } }",
                "addr=10.0.0.9 bytes=300",
            ],
        )
    },
    Basic {
        returns: "bytes",
        doc: "Makes bytes of a record, to be stored instead of its columns.",
        ..callback("store", &[("record", "record")], KEPT)
    },
    Basic {
        returns: "record",
        doc: "Makes the record of its bytes again.",
        ..callback("load", &[("bytes", "bytes")], KEPT)
    },
    Basic {
        returns: "text?",
        doc: "Shows a record in a format: `ndjson`, `json`, `csv`, `plain`, or `html`.",
        ..callback(
            "print",
            &[("record", "record"), ("format", "text")],
            [
                "value = { n = count() }\n\
                 function print(record, format) return `{record.n} packets, {format}` end",
                "let value = #{ n: count() };\n\
                 fn print(record, format) { `${record.n} packets, ${format}` }",
                "6 packets, plain",
            ],
        )
    },
    Basic {
        returns: "packets?",
        doc: "Makes packets of a record again: one, or a list of at most 65,536, each with some of \
              `ts`, `src`, `dst`, `proto`, `sport`, `dport`, `version`, `tos`, `flags`, \
              `icmp_type`, `icmp_code`, `ether_type`, `packets`, `bytes`.",
        ..callback(
            "replay",
            &[("record", "record")],
            [
                "value = { n = count() }\n\
                 function replay(record)\n  \
                   return { ts = record.ts, proto = 17, packets = record.n, bytes = 630 }\n\
                 end",
                "let value = #{ n: count() };\n\
                 fn replay(record) {\n    \
                   #{ ts: record.ts, proto: 17, packets: record.n, bytes: 630 }\n\
                 }",
                "6 packets, 630 bytes",
            ],
        )
    },
    Basic {
        returns: "record",
        doc: "Makes one record of two of the same `key`, `a` the earlier, for a longer interval.",
        ..callback(
            "merge",
            &[("a", "record"), ("b", "record")],
            [
                "value = { n = count() }\n\
                 function merge(a, b) return { n = a.n + b.n } end",
                "let value = #{ n: count() };\n\
                 fn merge(a, b) { #{ n: a.n + b.n } }",
                "n=12",
            ],
        )
    },
];

/// Records in a form of the module's own.
const KEPT: [&str; 3] = [
    "value = { n = count() }\n\
     function store(record) return `{record.n}` end\n\
     function load(bytes) return { n = tonumber(bytes) } end\n\
     function print(record) return `{record.n} packets` end",
    "let value = #{ n: count() };\n\
     fn store(record) { `${record.n}` }\n\
     fn load(bytes) { #{ n: parse_int(bytes.as_string()) } }\n\
     fn print(record) { `${record.n} packets` }",
    "6 packets",
];

const fn callback(
    name: &'static str,
    params: &'static [(&'static str, &'static str)],
    [lua, rhai, gives]: [&'static str; 3],
) -> Basic {
    let (form, of, since) = (Form::Call(params), "callback", "0.1");
    Basic { of, name, form, returns: "", doc: "", units: "", lua, rhai, gives, since }
}
