//! What Rhai's errors mean, in the words of the language and its manual rather than in Rust's.

use rhai::{Dynamic, EvalAltResult};

use crate::absent;
use crate::api::{self, basics::basics};
use crate::scan::READ_ONLY;

/// What a type is called, with its article. Rust's name of it is what Rhai itself says.
pub(super) fn kind(rust: &str) -> String {
    let last = rust.rsplit("::").next().unwrap_or(rust);
    match last.trim() {
        "()" => "`()`",
        "i64" => "a whole number",
        "f64" => "a number with a fraction",
        "bool" => "true or false",
        "char" => "a character",
        "array" | "Array" => "a list",
        "map" | "Map" => "a map",
        "blob" | "Blob" => "bytes",
        "Fn" | "FnPtr" => "a function",
        "Table" | "Keyed" => "a `table()`",
        "CoreTable" | "View" => "a core table",
        "Rows" => "a list of rows",
        "Address" | "Addr" => "an address",
        "Mac" => "a link-layer address",
        "Flow" => "a flow",
        "Packet" => "a packet",
        "Time" | "Ts" => "an exact time",
        "Aggregate" => "an aggregate",
        "Filter" => "a filter",
        other if other.contains("str") || other.contains("String") => "a text",
        other => return format!("a {}", other.to_lowercase()),
    }
    .to_owned()
}

/// What a value is, with its article.
pub(super) fn named(value: &Dynamic) -> String {
    if value.is_fnptr() { "a function".to_owned() } else { kind(value.type_name()) }
}

/// What an error says, where that speaks of types and functions; what to try stands behind a
/// semicolon. `own` are the functions of the script.
pub(super) fn told(error: &EvalAltResult, own: &[String]) -> Option<String> {
    match error {
        EvalAltResult::ErrorFunctionNotFound(called, _) => Some(unfound(called, own)),
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            let names = own.iter().map(String::as_str).chain(["args"]);
            Some(joined(absent::unknown("name ", name, names)))
        }
        EvalAltResult::ErrorMismatchDataType(wanted, given, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, given, _) => Some(match given.as_str() {
            "" => format!("{} is wanted here", kind(wanted)),
            given => format!("{} is wanted here, and this is {}", kind(wanted), kind(given)),
        }),
        EvalAltResult::ErrorIndexingType(of, _)
            if of.starts_with("Packet [") && of.contains("] = ") =>
        {
            Some(READ_ONLY.to_owned())
        }
        EvalAltResult::ErrorIndexingType(of, _) => {
            let of = of.split([' ', '[']).next().unwrap_or(of);
            Some(format!("nothing is looked up in {} by `[...]`", kind(of)))
        }
        EvalAltResult::ErrorDotExpr(what, _) => property(what),
        EvalAltResult::ErrorFor(_) => {
            Some("`for` goes through lists, ranges, texts and tables, and this is none".to_owned())
        }
        EvalAltResult::ErrorNonPureMethodCallOnConstant(..)
        | EvalAltResult::ErrorAssignmentToConstant(..) => {
            Some(format!("constants and `args` cannot be changed; {CHANGING}"))
        }
        _ => None,
    }
}

/// What to do where a constant is to be changed.
pub(super) const CHANGING: &str =
    "functions get copies of what the top level named: keep what changes in `state`, or in `long`";

/// What is wrong, and a hint behind a semicolon where there is one.
pub(super) fn joined((what, hint): (String, Option<String>)) -> String {
    match hint {
        Some(hint) => format!("{what}; {hint}"),
        None => what,
    }
}

/// What to say of a call that there is no function for: `top (CoreTable, &str, ())`.
fn unfound(called: &str, own: &[String]) -> String {
    let (name, given) = called.split_once(" (").unwrap_or((called, ""));
    let given = given.strip_suffix(')').unwrap_or(given);
    let given: Vec<String> = given.split(", ").filter(|of| !of.is_empty()).map(kind).collect();
    if let Some(name) = name.strip_prefix("get$").or_else(|| name.strip_prefix("set$")) {
        let of = given.first().map_or("", String::as_str);
        return format!("{of} has no `{name}`");
    }
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        let what = format!("`{name}` does not take {}", given.join(" and "));
        let nothing = given.iter().any(|of| of == "`()`");
        return if nothing { format!("{what}; {NOTHING}") } else { what };
    }
    if name.starts_with("anon$") {
        let plural = if given.len() == 1 { "argument" } else { "arguments" };
        return format!("this function does not take {} {plural}", given.len());
    }
    let name = shown(name);
    if let Some(usage) = usage(&name) {
        let given = if given.is_empty() { "nothing".to_owned() } else { given.join(", ") };
        return format!("`{name}` does not take ({given}); it is called as in {usage}");
    }
    if own.contains(&name) {
        return format!("`{name}` does not take {} arguments", given.len());
    }
    let (what, hint) = unknown(&name, own);
    match given.is_empty() || absent::instead(&name).is_some() {
        true => joined((what, hint)),
        false => joined((format!("{what} of ({})", given.join(", ")), hint)),
    }
}

/// What to say of a function that is nowhere, and what might be meant.
fn unknown(name: &str, own: &[String]) -> (String, Option<String>) {
    let basics = basics().filter(|basic| basic.is_called_in_rhai()).map(|basic| basic.name);
    let paths: Vec<String> = api::entries().map(api::Entry::path).collect();
    let known = basics.chain(COMMON).chain(paths.iter().map(String::as_str));
    let known: Vec<&str> = known.chain(own.iter().map(String::as_str)).collect();
    // A function that takes other things is not what was meant.
    absent::unknown("function ", name, known.into_iter().filter(|known| *known != name))
}

/// The same in a line.
pub(super) fn no_function(name: &str, own: &[String]) -> String {
    joined(unknown(&shown(name), own))
}

/// How a function is called that takes something else, where that is one of ours.
pub(super) fn called(name: &str) -> Option<String> {
    usage(&shown(name)).map(|usage| format!("it is called as in {usage}"))
}

/// A function's name as the script writes it.
pub(super) fn shown(name: &str) -> String {
    let entry = api::entries().find(|entry| format!("{}_{}", entry.topic, entry.name) == name);
    entry.map_or(name.trim_end_matches('_').to_owned(), api::Entry::path)
}

/// Whether there is a function so called, whatever it takes.
pub(super) fn is_known(name: &str) -> bool {
    name == "require" || COMMON.contains(&name) || usage(&shown(name)).is_some()
}

/// How a function of ours is called.
fn usage(name: &str) -> Option<String> {
    if let Some(entry) = api::find(name) {
        return Some(entry.example.0.to_owned());
    }
    let called = basics().filter(|basic| basic.is_called_in_rhai() && basic.name == name);
    let called: Vec<String> = called.map(|basic| format!("`{}`", basic.in_rhai())).collect();
    (!called.is_empty()).then(|| called.join(" or "))
}

/// Of Rhai's own functions those that are looked for most.
const COMMON: [&str; 40] = [
    "len",
    "push",
    "pop",
    "insert",
    "remove",
    "contains",
    "keys",
    "values",
    "sort",
    "reverse",
    "filter",
    "map",
    "reduce",
    "index_of",
    "split",
    "trim",
    "replace",
    "sub_string",
    "to_string",
    "to_upper",
    "to_lower",
    "starts_with",
    "ends_with",
    "abs",
    "min",
    "max",
    "floor",
    "ceiling",
    "round",
    "sqrt",
    "exp",
    "ln",
    "log",
    "sin",
    "cos",
    "to_int",
    "to_float",
    "parse_int",
    "parse_float",
    "type_of",
];

const NOTHING: &str = "`()` is what nothing was put into, or a packet does not have";

/// "Unknown property 'x' - a getter is not registered for type 'i64'", or "No writable property".
fn property(what: &str) -> Option<String> {
    let mut quoted = what.split('\'').skip(1).step_by(2);
    let (name, of) = (quoted.next()?, quoted.next()?);
    if what.starts_with("No writable property") && of == "Packet" {
        return Some(READ_ONLY.to_owned());
    }
    let has = if kind(of) == "bytes" { "have" } else { "has" };
    Some(format!("{} {has} no `{name}`", kind(of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_fit_nothing_are_told_without_types_of_rust() {
        let check = |called: &str, want: &str| assert_eq!(unfound(called, &["note".into()]), want);
        check("cout ()", "there is no function `cout`; did you mean `count`?");
        check(
            "- (i64, ())",
            "`-` does not take a whole number and `()`; `()` is what nothing was put into, or a \
             packet does not have",
        );
        check("- (Table, f64)", "`-` does not take a `table()` and a number with a fraction");
        check(
            "tpo (CoreTable, &str | ImmutableString | String, i64)",
            "there is no function `tpo` of (a core table, a text, a whole number); did you mean \
                `top`?",
        );
        check("timestamp ()", &joined(absent::unknown("", "timestamp", [])));
        check("note (i64, i64)", "`note` does not take 2 arguments");
        check("anon$17f66578ca00f5ba (map)", "this function does not take 1 argument");
        let net = unfound("net_contains (i64, i64, i64, i64)", &[]);
        assert!(net.starts_with("`net.contains` does not take (a whole number, "), "{net}");
    }
}
