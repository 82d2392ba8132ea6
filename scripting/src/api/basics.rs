//! What scripts have beside the library: addresses, flows, tables.

/// Something that each language has in its own way.
pub struct Basic {
    /// Its name.
    pub name: &'static str,
    /// How it is written in Lua; empty where it is not there.
    pub lua: &'static str,
    /// How it is written in Rhai.
    pub rhai: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// All of them, in the order of the manual.
pub const BASICS: [Basic; 16] = [
    Basic {
        name: "addr",
        lua: "addr(\"10.0.0.1\")",
        rhai: "addr(\"10.0.0.1\")",
        doc: "the address that a text stands for",
        since: "0.1",
    },
    Basic {
        name: "masked",
        lua: "a:masked(24)",
        rhai: "a.masked(24)",
        doc: "an address with only its first bits",
        since: "0.1",
    },
    Basic {
        name: "within",
        lua: "a:within(\"10.0.0.0/8\")",
        rhai: "a.within(\"10.0.0.0/8\")",
        doc: "whether an address lies in a network",
        since: "0.1",
    },
    Basic {
        name: "flow",
        lua: "pkt.flow",
        rhai: "pkt.flow",
        doc: "the five-tuple of a packet as one value, a key as addresses are; it has `src`, \
            `dst`, `proto`, `sport`, `dport`",
        since: "0.1",
    },
    Basic {
        name: "is_v6",
        lua: "a.is_v6",
        rhai: "a.is_v6",
        doc: "whether an address is of IPv6",
        since: "0.1",
    },
    Basic {
        name: "log",
        lua: "log(\"text\")",
        rhai: "log(\"text\")",
        doc: "writes to the monitor's log, 600 lines a minute at most",
        since: "0.1",
    },
    Basic {
        name: "top",
        lua: "top(t, 10, \"bytes\")",
        rhai: "t.top(10)",
        doc: "the largest entries of a table of your own",
        since: "0.1",
    },
    Basic {
        name: "table.top",
        lua: "table:top(\"bytes\", 10)",
        rhai: "table.top(\"bytes\", 10)",
        doc: "the rows of a core table that are largest in a column",
        since: "0.1",
    },
    Basic {
        name: "table.all",
        lua: "table:all()",
        rhai: "table.all()",
        doc: "all rows of a core table, in the order of their keys",
        since: "0.1",
    },
    Basic {
        name: "table.find",
        lua: "table:find(key)",
        rhai: "table.find(key)",
        doc: "the row of a core table with that key, or nil",
        since: "0.1",
    },
    Basic {
        name: "table.len",
        lua: "#table",
        rhai: "table.len()",
        doc: "how many rows a core table has",
        since: "0.1",
    },
    Basic {
        name: "long.fold",
        lua: "long:fold(table)",
        rhai: "long.fold(table)",
        doc: "adds the interval's rows to the long-term table",
        since: "0.1",
    },
    Basic {
        name: "table",
        lua: "table{ key = { ... }, value = { ... } }",
        rhai: "table(#{ key: #{ ... }, value: #{ ... } })",
        doc: "a core table of the script's own, declared as a module's is, also with `rows` and \
            `full`",
        since: "0.1",
    },
    Basic {
        name: "table.add",
        lua: "t:add(pkt)",
        rhai: "t.add(pkt)",
        doc: "counts the packet in a table of the script's own, once however often it is added",
        since: "0.1",
    },
    Basic {
        name: "table.clear",
        lua: "t:clear()",
        rhai: "t.clear()",
        doc: "removes all rows of a table of the script's own",
        since: "0.1",
    },
    Basic {
        name: "table()",
        lua: "",
        rhai: "table()",
        doc: "an empty table that takes any key, for Rhai: `t[key]`, `t.add(key, n)`",
        since: "0.1",
    },
];
