//! Definitions of what Rhai modules find, for editors whose language server reads `.d.rhai` files.
//!
//! As the stubs for Lua are made of the table, so are these. A function with parameters that may be
//! left out is one for each number of them.

use std::collections::BTreeSet;
use std::fmt::Write;

use como_core::field::{Field, Kind};
use como_core::table::AGGREGATES;

use super::{Entry, TOPICS, entries};

/// What stands before the functions of the table: addresses, flows, tables, and the packet's own.
const BASICS: &str = include_str!("basics.d.rhai");

/// All definitions, as `como stubs rhai` prints them.
pub fn definitions() -> String {
    let mut text = String::from(BASICS);
    for usage in &AGGREGATES {
        let (name, doc) = (usage.name, usage.doc);
        if matches!(name, "count" | "rate") {
            let _ = write!(text, "\n/// {doc}: `{}`\nfn {name}() -> Aggregate;\n", usage.usage);
        }
        if name != "count" {
            let field = "field: String";
            let _ =
                write!(text, "\n/// {doc}: `{}`\nfn {name}({field}) -> Aggregate;\n", usage.usage);
        }
        if matches!(name, "quantile" | "topk" | "bitmap" | "ewma") {
            let _ = write!(text, "\n/// {doc}: `{}`\n", usage.usage);
            let _ = writeln!(text, "fn {name}(field: String, more: ?) -> Aggregate;");
        }
        if name == "topk" {
            let _ = write!(text, "\n/// {doc}, by packets or \"bytes\"\n");
            let _ = writeln!(text, "fn {name}(field: String, k: int, by: String) -> Aggregate;");
        }
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
    let returns =
        optional(entry.returns, |ty| rhai_type(ty).replace("Address | String", "Address"));
    for n in entry.required()..=entry.params.len() {
        let params = entry.params.iter().take(n);
        let params = params.map(|(name, ty)| format!("{name}: {}", rhai_type(ty)));
        let params = params.collect::<Vec<_>>().join(", ");
        let _ = write!(text, "\n/// {} `{}`\n", entry.doc, entry.example.0);
        let _ = writeln!(text, "fn {name}({params}) -> {returns};");
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
            let ty = match classes.contains(field.name()) {
                true => format!("int | {}", class_name(field.name())),
                false => field_type(field.kind()).to_owned(),
            };
            let of = class_name(class);
            let name = named(field.name());
            let _ = write!(text, "\n/// {}\nfn get {name}(of: {of}) -> {ty} | ();\n", field.doc());
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

/// A type as Rhai writes it.
fn rhai_type(ty: &str) -> String {
    match ty.trim_end_matches('?') {
        "text" => "String",
        "bytes" => "Blob | String",
        "bool" => "bool",
        "number" => "int | float",
        "address" => "Address | String",
        "time" => "int | float | String",
        "filter" => "Filter",
        "record" => "Map",
        _ => "?",
    }
    .to_owned()
}

fn optional(ty: &str, plain: impl Fn(&str) -> String) -> String {
    let nothing = if ty.ends_with('?') { " | ()" } else { "" };
    plain(ty) + nothing
}
