//! Definitions of what Rhai modules find, for editors whose language server reads `.d.rhai` files.
//!
//! As the stubs for Lua are made of the table, so are these. A function with parameters that may be
//! left out is one for each number of them.

use std::collections::BTreeSet;
use std::fmt::Write;

use como_core::field::{Field, Kind};

use super::basics::{Basic, Form, GROUPS};
use super::{Entry, TOPICS, entries, fields};

/// What no row of the table says.
const HEAD: &str = "\
module static;

// What Rhai modules of como find. Made by `como stubs rhai`.
//
// `net.contains(...)` is how a script writes what Rhai knows as `net_contains(...)`.
";

/// All definitions, as `como stubs rhai` prints them.
pub fn definitions() -> String {
    let mut text = String::from(HEAD);
    // Callbacks are the script's own, and the columns of a record are what it makes them.
    for group in GROUPS.iter().filter(|group| !matches!(group.name, "callback" | "record")) {
        let _ = write!(text, "\n// {}\n", group.about);
        let inside = group.basics().filter(|basic| !basic.rhai.is_empty());
        inside.for_each(|basic| define_basic(&mut text, basic, group.rhai));
    }
    for (topic, about) in TOPICS {
        let _ = write!(text, "\n// {about}\n");
        entries().filter(|entry| entry.topic == topic).for_each(|entry| define(&mut text, entry));
    }
    packet(&mut text);
    text
}

/// A function of the table, which Rhai knows as one word: `net_contains`.
fn define(text: &mut String, entry: &Entry) {
    let name = entry.path().replace('.', "_");
    let doc = format!("{} `{}`", entry.doc, entry.example.0);
    functions(text, (&name, &doc), entry.params, entry.required(), entry.returns);
}

/// What Rhai has in its own way, as a function of what it is `of`.
fn define_basic(text: &mut String, basic: &Basic, of: &str) {
    let (name, doc) = (basic.name.trim_end_matches("()"), basic.doc);
    let this = if of.is_empty() { None } else { Some(("of", of)) };
    match basic.form {
        Form::Call(params) => {
            let params: Vec<_> = this.into_iter().chain(params.iter().copied()).collect();
            let required = basic.required() + usize::from(this.is_some());
            functions(text, (name, doc), &params, required, basic.returns);
        }
        Form::Len => functions(text, (name, doc), &[("of", of)], 1, basic.returns),
        Form::Read => {
            let returns = rhai_given(basic.returns);
            let _ = write!(text, "\n/// {doc}\nfn get {name}(of: {of}) -> {returns};\n");
        }
        // What is looked up by `[...]` has no definition.
        Form::Index(_) => {}
    }
}

/// A function that takes from so many of its parameters to all of them.
fn functions(
    text: &mut String,
    (name, doc): (&str, &str),
    params: &[(&str, &str)],
    required: usize,
    returns: &str,
) {
    let returns = match returns {
        "" => String::new(),
        returns => format!(" -> {}", rhai_given(returns)),
    };
    for n in required..=params.len() {
        let param = |(name, ty): &(&str, &str)| {
            format!("{}: {}", name.trim_end_matches('.'), rhai_type(ty))
        };
        let params = params.iter().take(n).map(param).collect::<Vec<_>>().join(", ");
        let _ = write!(text, "\n/// {doc}\nfn {name}({params}){returns};\n");
    }
}

/// The fields of a packet, and of what lies in it.
fn packet(text: &mut String) {
    let mut classes = BTreeSet::from([String::new()]);
    for field in Field::ALL {
        let mut name = field.name();
        while let Some((outer, _)) = name.rsplit_once('.') {
            classes.insert(outer.to_owned());
            name = outer;
        }
    }
    // The flow is a value of its own.
    classes.remove("flow");
    let named = |path: &str| path.rsplit_once('.').map_or(("", path), |(a, b)| (a, b)).1.to_owned();
    for class in &classes {
        let _ = write!(text, "\n// {}\n", if class.is_empty() { "a packet" } else { class });
        let parent = |path: &str| path.rsplit_once('.').map_or("", |(outer, _)| outer) == class;
        for field in Field::ALL.iter().filter(|field| parent(field.name())) {
            let ty = match field {
                Field::Ts => "float".to_owned(),
                field if classes.contains(field.name()) => {
                    format!("int | {}", class_name(field.name()))
                }
                field => field_type(field.kind()).to_owned(),
            };
            let of = class_name(class);
            let (name, doc) = (named(field.name()), fields::doc(*field));
            let _ = write!(text, "\n/// {doc}\nfn get {name}(of: {of}) -> {ty} | ();\n");
        }
        let inner =
            |path: &&String| !path.is_empty() && parent(path) && Field::named(path).is_none();
        for path in classes.iter().filter(inner) {
            let (of, is) = (class_name(class), class_name(path));
            let _ = write!(text, "\nfn get {}(of: {of}) -> {is} | ();\n", named(path));
        }
    }
}

/// What the things are called that have the fields of `tcp.flags`.
fn class_name(path: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    format!("Packet{}", path.split('.').map(capital).collect::<String>())
}

const fn field_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Uint | Kind::Int | Kind::Big => "int",
        Kind::Addr => "Address",
        Kind::Mac => "Mac",
        Kind::Code | Kind::CommunityId => "String",
        Kind::Bytes => "Blob",
    }
}

/// A type as Rhai writes it; what is none of the table's is one already.
fn rhai_type(ty: &str) -> &str {
    match ty.trim_end_matches('?') {
        "text" => "String",
        "bytes" => "Blob | String",
        "number" => "int | float",
        "address" => "Address | String",
        "time" => "int | float | String",
        "instant" => "Time",
        "filter" => "Filter",
        "flow" => "Flow",
        "packet" => "Packet",
        "aggregate" => "Aggregate",
        "record" | "row" | "map" | "library" => "Map",
        "list" => "Array",
        "table" => "CoreTable",
        "rows" => "Rows",
        "t" => "Table",
        "any" | "state" => "?",
        ty => ty,
    }
}

/// The type of what is given to a script, never a text in place of an address.
fn rhai_given(ty: &str) -> String {
    let nothing = if ty.ends_with('?') { " | ()" } else { "" };
    rhai_type(ty).replace("Address | String", "Address") + nothing
}
