//! What stands by itself, and what packets, flows, addresses, filters and records have.

use super::Basic;
use super::Form::{Call, Read};

pub(super) const BASICS: &[Basic] = &[
    Basic {
        of: "",
        name: "addr",
        form: Call(&[("text", "text")]),
        returns: "address",
        doc: "The address that a text stands for, of IP or of the link layer.",
        units: "",
        lua: "addr(\"10.0.0.1\")",
        rhai: "addr(\"10.0.0.1\")",
        gives: "10.0.0.1",
        since: "0.1",
    },
    Basic {
        of: "",
        name: "require",
        form: Call(&[("name", "text")]),
        returns: "library",
        doc: "The functions of a library: a shipped one, or `lib/NAME` beside the module.",
        units: "",
        lua: "local ewma = require(\"ewma\")\n\
              function update(pkt) end\n\
              function export()\n  \
                local mean = ewma.new(60)\n  \
                mean:add(0, 12.5)\n  \
                return { mean = mean:value() }\n\
              end",
        rhai: "const ewma = require(\"ewma\");\n\
               fn update(pkt) {}\n\
               fn export() {\n    \
                 let mean = ewma.new(60);\n    \
                 mean.add(0, 12.5);\n    \
                 #{ mean: mean.value() }\n\
               }",
        gives: "mean=12.5",
        since: "0.1",
    },
    Basic {
        of: "",
        name: "log",
        form: Call(&[("value...", "any")]),
        returns: "",
        doc: "Writes to the monitor's log, 600 lines a minute at most; in Lua several values.",
        units: "",
        lua: "log(\"text\")",
        rhai: "log(\"text\")",
        gives: "nil",
        since: "0.1",
    },
    Basic {
        of: "",
        name: "print",
        form: Call(&[("value...", "any")]),
        returns: "",
        doc: "The same as `log`, where the module does not define the callback `print`.",
        units: "",
        lua: "print(\"text\")",
        rhai: "print(\"text\")",
        gives: "nil",
        since: "0.1",
    },
    Basic {
        of: "",
        name: "top",
        form: Call(&[("t", "map"), ("n", "number?"), ("by", "text?")]),
        returns: "list",
        doc: "The `n` largest entries of a table of your own, each with `key` and `value`: by the \
              values, or by a field of these. Ten unless told; in Rhai `t.top(n)`.",
        units: "",
        lua: "top({ a = 1, b = 3, c = 2 }, 2)",
        rhai: "",
        gives: "value=3 key=b; value=2 key=c",
        since: "0.1",
    },
    Basic {
        of: "pkt",
        name: "flow",
        form: Read,
        returns: "flow?",
        doc: "The five-tuple as one value, equal when all five are, and a key as addresses are.",
        units: "",
        lua: "pkt.flow",
        rhai: "pkt.flow",
        gives: "udp 10.0.0.1:1000 > 10.0.0.9:53",
        since: "0.1",
    },
    Basic {
        of: "pkt",
        name: "ts_ns",
        form: Read,
        returns: "instant",
        doc: "The exact time, to be shown, compared, and taken from another: that gives a number.",
        units: "nanoseconds",
        lua: "pkt.ts_ns - pkt.ts_ns",
        rhai: "pkt.ts_ns - pkt.ts_ns",
        gives: "0",
        since: "0.1",
    },
    flow("src", "address", "The source address.", ["pkt.flow.src", "10.0.0.1"]),
    flow("dst", "address", "The destination address.", ["pkt.flow.dst", "10.0.0.9"]),
    flow("proto", "number", "The protocol, by its number.", ["pkt.flow.proto", "17"]),
    flow("sport", "number", "The source port, 0 where there is none.", ["pkt.flow.sport", "1000"]),
    flow(
        "dport",
        "number",
        "The destination port, 0 where there is none.",
        ["pkt.flow.dport", "53"],
    ),
    Basic {
        of: "address",
        name: "is_v6",
        form: Read,
        returns: "bool",
        doc: "Whether it is of IPv6.",
        units: "",
        lua: "addr(\"2001:db8::1\").is_v6",
        rhai: "addr(\"2001:db8::1\").is_v6",
        gives: "true",
        since: "0.1",
    },
    Basic {
        of: "address",
        name: "masked",
        form: Call(&[("bits", "number")]),
        returns: "address",
        doc: "The address with only its first bits.",
        units: "bits of its own family",
        lua: "addr(\"10.1.2.3\"):masked(24)",
        rhai: "addr(\"10.1.2.3\").masked(24)",
        gives: "10.1.2.0",
        since: "0.1",
    },
    Basic {
        of: "address",
        name: "within",
        form: Call(&[("network", "text")]),
        returns: "bool",
        doc: "Whether it lies in a network.",
        units: "",
        lua: "addr(\"10.1.2.3\"):within(\"10.0.0.0/8\")",
        rhai: "addr(\"10.1.2.3\").within(\"10.0.0.0/8\")",
        gives: "true",
        since: "0.1",
    },
    Basic {
        of: "web",
        name: "match",
        form: Call(&[("pkt", "packet")]),
        returns: "bool",
        doc: "Whether a filter that `filter(...)` made picks the packet; in Lua also `web(pkt)`.",
        units: "",
        lua: "local web = filter(\"port 443\")\n\
              function update(pkt, state)\n  \
                if web:match(pkt) then state.n = (state.n or 0) + 1 end\n\
              end\n\
              function export(state) return state end",
        rhai: "const WEB = filter(\"port 443\");\n\
               fn update(pkt, state) {\n    \
                 if WEB.match(pkt) { state.n = (state.n ?? 0) + 1; }\n\
               }\n\
               fn export(state) { state }",
        gives: "n=2",
        since: "0.1",
    },
    record("ts", "number", "When its interval began, where no column is called so."),
    record("COLUMN", "any?", "The value of a column, or of what `load` made of its bytes."),
];

const fn flow(
    name: &'static str,
    returns: &'static str,
    doc: &'static str,
    example: [&'static str; 2],
) -> Basic {
    let [written, gives] = example;
    let (lua, rhai, form) = (written, written, Read);
    Basic { of: "flow", name, form, returns, doc, units: "", lua, rhai, gives, since: "0.1" }
}

const fn record(name: &'static str, returns: &'static str, doc: &'static str) -> Basic {
    Basic {
        of: "record",
        name,
        form: Read,
        returns,
        doc,
        units: match name.as_bytes() {
            b"ts" => "seconds since 1970",
            _ => "",
        },
        lua: "value = { n = count() }\n\
              function print(record) return `{record.n} at {record.ts}` end",
        rhai: "let value = #{ n: count() };\n\
               fn print(record) { `${record.n} at ${record.ts.to_int()}` }",
        gives: "6 at 1000",
        since: "0.1",
    }
}
