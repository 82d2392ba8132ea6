//! The part of the table that each language has in its own way: callbacks, aggregates, packets,
//! records, addresses, tables.
//!
//! A [`Basic`] says what an [`Entry`](super::Entry) says, with its example in both languages: an
//! expression, or a whole module where a line would not show it. Those that read packets are of
//! the six of [`PACKETS`], and all run as tests.

mod aggregates;
mod callbacks;
mod tables;
mod values;

/// Something that each language has in its own way.
pub struct Basic {
    /// What it is of, by the name of one of [`GROUPS`].
    pub of: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How it is asked for.
    pub form: Form,
    /// The type of what it gives; where that may be nil it ends in `?`, and empty is nothing.
    pub returns: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// In what its numbers are; empty where that goes without saying.
    pub units: &'static str,
    /// An example in Lua; empty where it is not there.
    pub lua: &'static str,
    /// The same in Rhai.
    pub rhai: &'static str,
    /// What the example gives.
    pub gives: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// How a script asks for something.
#[derive(Clone, Copy)]
pub enum Form {
    /// It is called, with these parameters, each with its type.
    Call(&'static [(&'static str, &'static str)]),
    /// It is read.
    Read,
    /// How many there are: `#t` in Lua, `t.len()` in Rhai.
    Len,
    /// One is looked up by what is of this type: `t[1]`.
    Index(&'static str),
}

/// What things are of, in the order of the manual.
pub struct Group {
    /// Its name before a dot; empty for what stands by itself.
    pub name: &'static str,
    /// What is called so.
    pub about: &'static str,
    /// The type of what has methods and fields, by its name in the stubs for Lua.
    pub lua: &'static str,
    /// The same in the definitions for Rhai.
    pub rhai: &'static str,
}

/// All of them.
pub const GROUPS: [Group; 11] = [
    group("callback", "functions that a module defines and the monitor calls", ["", ""]),
    group("aggregate", "what a table computes of its packets", ["", ""]),
    group("", "what stands by itself", ["", ""]),
    group("pkt", "a packet, beside its fields", ["packet", "Packet"]),
    group("flow", "a five-tuple", ["flow", "Flow"]),
    group("address", "an address of IP or of the link layer", ["addr", "Address"]),
    group("web", "a filter that the script has compiled", ["filter", "Filter"]),
    group("table", "a core table: declared, `long`, or made by the script", ["core", "CoreTable"]),
    group("rows", "some rows of a core table, in an order", ["rows", "Rows"]),
    group("t", "what `table()` makes in Rhai, where maps take only text as names", ["", "Table"]),
    group(
        "record",
        "a record, as `store`, `print`, `replay` and `merge` get it",
        ["record", "Map"],
    ),
];

const fn group(name: &'static str, about: &'static str, of: [&'static str; 2]) -> Group {
    let [lua, rhai] = of;
    Group { name, about, lua, rhai }
}

/// The packets that examples are of, for the manual.
pub const PACKETS: &str = "\
| protocol | from | to | bytes |
|---|---|---|---|
| UDP | `10.0.0.1:1000` | `10.0.0.9:53` | 100 |
| UDP | `10.0.0.2:1000` | `10.0.0.9:53` | 200 |
| UDP | `[2001:db8::2]:1000` | `[2001:db8::1]:53` | 150 |
| TCP, SYN | `10.0.0.1:2000` | `10.0.0.3:443` | 60 |
| TCP, SYN and ACK | `10.0.0.3:443` | `10.0.0.1:2000` | 60 |
| ARP, a request | `10.0.0.1` | `10.0.0.2` | 60 |
";

/// All of them, in the order of the manual.
pub fn basics() -> impl Iterator<Item = &'static Basic> {
    GROUPS.iter().flat_map(Group::basics)
}

impl Group {
    /// What is of it.
    pub fn basics(&self) -> impl Iterator<Item = &'static Basic> + use<> {
        let name = self.name;
        let parts = [callbacks::BASICS, aggregates::BASICS, values::BASICS, tables::BASICS];
        parts.into_iter().flatten().filter(move |basic| basic.of == name)
    }
}

impl Basic {
    /// Its name with what it is of: `table.top`.
    pub fn path(&self) -> String {
        match self.of {
            "" | "callback" | "aggregate" => self.name.to_owned(),
            of if matches!(self.form, Form::Index(_)) => format!("{of}{}", self.name),
            of => format!("{of}.{}", self.name),
        }
    }

    /// The parameters that it is called with; one whose name ends in `...` may be several in Lua.
    pub fn params(&self) -> &'static [(&'static str, &'static str)] {
        if let Form::Call(params) = self.form { params } else { &[] }
    }

    /// How many arguments it takes at least.
    pub fn required(&self) -> usize {
        self.params().iter().filter(|(_, ty)| !ty.ends_with('?')).count()
    }

    /// How it is asked for, with types.
    pub fn signature(&self) -> String {
        let params = self.params().iter().map(|(name, ty)| format!("{name}: {ty}"));
        let params = params.collect::<Vec<_>>().join(", ");
        let asked = match self.form {
            Form::Call(_) => format!("{}({params})", self.path()),
            Form::Read | Form::Len => self.path(),
            Form::Index(ty) => format!("{}[{ty}]", self.of),
        };
        match self.returns {
            "" => asked,
            returns => format!("{asked} -> {returns}"),
        }
    }

    /// Whether it is called of something: `t:clear()`.
    pub fn is_method(&self) -> bool {
        matches!(self.form, Form::Call(_)) && self.path() != self.name
    }

    /// Whether scripts in Rhai call it.
    pub fn is_called_in_rhai(&self) -> bool {
        let called = matches!(self.form, Form::Call(_) | Form::Len);
        called && self.of != "callback" && !self.rhai.is_empty()
    }

    /// A call of it in Rhai that fits a line.
    pub fn in_rhai(&self) -> String {
        if !self.rhai.contains([';', '\n']) {
            return self.rhai.to_owned();
        }
        let params = self.params().iter().map(|(name, _)| name.trim_end_matches('.'));
        format!("{}({})", self.path(), params.collect::<Vec<_>>().join(", "))
    }
}
