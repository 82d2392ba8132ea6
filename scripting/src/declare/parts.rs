//! The declared names one by one: what each may be, and what to say if it is not.

use std::sync::Arc;

use como_core::module::ArgSpec;
use como_core::module::declared::{Declaration, Long};
use como_core::module::trace;
use como_core::nearest::nearest;
use como_core::record::{Column, Schema, Type, Value};
use como_core::table::{Full, KeyColumn, ValueColumn};
use como_core::time::Span;

use super::{Declared, Global, NAMES, Outputs, Script, Tree};
use crate::recorder::taken;
use crate::scan::Language;

/// What is written in `table{ key = ..., value = ... }`; the error is the message alone.
pub(super) fn table(given: &Tree) -> Result<Declaration, String> {
    let mut declaration = Declaration::default();
    let example = "{ key = { addr = \"ip.dst\" }, value = { bytes = sum(\"len\") } }";
    for (name, value) in entries("table", given, example)? {
        match name.as_str() {
            "key" => declaration.key = key("table.key", value)?,
            "value" => declaration.value = values("table.value", value)?,
            "rows" => declaration.rows_max = Some(rows(value)?),
            "full" => declaration.full = full("table.full", value)?,
            _ => return Err(format!("`table` has no `{name}`: write key, value, rows, full")),
        }
    }
    Ok(declaration)
}

/// What `doc` may hold: it is shown whole.
const DOC_BYTES_MAX: usize = 64 << 10;

fn doc(text: String) -> Result<String, String> {
    match text.len() {
        0..=DOC_BYTES_MAX => Ok(text),
        bytes => Err(format!("`doc` has {bytes} bytes, and at most {DOC_BYTES_MAX} may be")),
    }
}

fn full(name: &str, value: &Tree) -> Result<Full, String> {
    Full::named(&text(name, value)?).map_err(|error| error.to_string())
}

/// Reads one declared name into `declared`; the error is the message alone.
pub(super) fn read(
    declared: &mut Declared,
    script: &Script<'_>,
    global: &Global,
) -> Result<(), String> {
    let (name, value) = (global.name.as_str(), &global.value);
    match name {
        "filter" => declared.manifest.filter = text(name, value)?,
        "doc" => declared.manifest.doc = doc(text(name, value)?)?,
        "service" => match text(name, value)? {
            service if service == trace::SERVICE => declared.service = Some(service),
            other => {
                return Err(format!("there is no service `{other}`: write {}", trace::SERVICE));
            }
        },
        "args" => {
            let interval = declared.manifest.args.pop();
            declared.manifest.args = args(script, value)?;
            if let Some(interval) = interval {
                add_interval(declared, interval.default)?;
            }
        }
        "backfill" => {
            declared.manifest.backfill = Some(span(name, value)?).filter(|span| span.0 > 0);
        }
        "interval" => add_interval(declared, span_value(name, value)?)?,
        "key" => declared.declaration.key = key(name, value)?,
        "value" => declared.declaration.value = values(name, value)?,
        "long" => declared.declaration.long = Some(long(value)?),
        "rows" => declared.declaration.rows_max = Some(rows(value)?),
        "full" => declared.declaration.full = full(name, value)?,
        "schema" => declared.schema = Some(schema(name, value)?),
        "outputs" => {
            declared.outputs = outputs(value)?;
            let names = declared.outputs.iter().map(|(name, _)| name.to_string());
            declared.manifest.outputs = names.collect();
        }
        _ => return Err(unknown(name, script.language)),
    }
    Ok(())
}

fn unknown(name: &str, language: Language) -> String {
    let own = if language == Language::Lua { "local" } else { "const" };
    match nearest(name, NAMES.iter().copied()) {
        Some(near) => format!("nothing is declared by `{name}`; did you mean `{near}`?"),
        None => format!(
            "nothing is declared by `{name}`; make it `{own} {name}` if it is yours, or write {}",
            NAMES.join(", ")
        ),
    }
}

/// An error for a value of the wrong type: what was wanted, with an example, and what it is.
fn ill_typed(name: &str, wanted: &str, value: &Tree) -> String {
    format!("`{name}` must be {wanted}, and is {}", shown(value))
}

fn shown(value: &Tree) -> String {
    match value {
        Tree::Nil | Tree::Unknown => "nothing".to_owned(),
        Tree::Bool(x) => x.to_string(),
        Tree::Int(x) => x.to_string(),
        Tree::Float(x) => x.to_string(),
        Tree::Text(x) => format!("`{}`", x.chars().take(40).collect::<String>().escape_debug()),
        Tree::List(_) => "a list".to_owned(),
        Tree::Map(_) => "a map".to_owned(),
        Tree::Aggregate(aggregate) => format!("an aggregate, `{}`", aggregate.name()),
    }
}

fn text(name: &str, value: &Tree) -> Result<String, String> {
    match value {
        Tree::Text(text) => Ok(text.clone()),
        _ => Err(ill_typed(name, "text", value)),
    }
}

/// The entries of a map with at least one.
fn entries<'a>(name: &str, value: &'a Tree, example: &str) -> Result<&'a [(String, Tree)], String> {
    match value {
        Tree::Map(entries) if !entries.is_empty() => Ok(entries),
        Tree::Map(_) => Err(format!("`{name}` is empty; write it as in {example}")),
        _ => Err(ill_typed(name, &format!("a map as in {example}"), value)),
    }
}

fn key(name: &str, value: &Tree) -> Result<Vec<KeyColumn>, String> {
    let entries = entries(name, value, "{ addr = \"ip.dst\" }")?;
    let column = |(column, field): &(String, Tree)| match field {
        _ if column == "ts" => Err(taken(&format!("{name}.{column}"))),
        Tree::Text(field) => KeyColumn::parse(column, field).map_err(|e| e.to_string()),
        other => Err(ill_typed(&format!("{name}.{column}"), "a field's name in quotes", other)),
    };
    entries.iter().map(column).collect()
}

fn values(name: &str, value: &Tree) -> Result<Vec<ValueColumn>, String> {
    let entries = entries(name, value, "{ bytes = sum(\"len\") }")?;
    let column = |(column, aggregate): &(String, Tree)| match aggregate {
        _ if column == "ts" => Err(taken(&format!("{name}.{column}"))),
        Tree::Aggregate(aggregate) => {
            Ok(ValueColumn { name: column.clone(), aggregate: aggregate.clone() })
        }
        other => {
            let wanted = "an aggregate like count() or sum(\"len\")";
            Err(ill_typed(&format!("{name}.{column}"), wanted, other))
        }
    };
    entries.iter().map(column).collect()
}

fn long(value: &Tree) -> Result<Long, String> {
    let mut long = Long::default();
    for (name, value) in entries("long", value, "{ timeout = \"60s\" }")? {
        match name.as_str() {
            "key" => long.key = key("long.key", value)?,
            "value" => long.value = values("long.value", value)?,
            "timeout" => long.timeout = span("long.timeout", value)?,
            _ => return Err(format!("`long` has no `{name}`: write key, value, timeout")),
        }
    }
    Ok(long)
}

fn rows(value: &Tree) -> Result<usize, String> {
    match value {
        Tree::Int(x) => usize::try_from(*x).ok().filter(|x| *x > 0),
        _ => None,
    }
    .ok_or_else(|| ill_typed("rows", "a number of rows from 1 on", value))
}

/// The most outputs of a script, and characters of the name of one.
const OUTPUTS_MAX: usize = 16;
const OUTPUT_CHARS_MAX: usize = 40;

fn outputs(value: &Tree) -> Result<Outputs, String> {
    let entries = entries("outputs", value, "{ slow = { addr = \"addr\", ms = \"uint\" } }")?;
    if entries.len() > OUTPUTS_MAX {
        return Err(format!("`outputs` has {}, and at most {OUTPUTS_MAX} may be", entries.len()));
    }
    let output = |(name, value): &(String, Tree)| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > OUTPUT_CHARS_MAX || !name.chars().all(fits) {
            let name = name.chars().take(OUTPUT_CHARS_MAX).collect::<String>();
            let name = name.escape_debug();
            return Err(format!("`{name}` names no output: letters, digits, `_` and `-` do"));
        }
        Ok((name.as_str().into(), schema(&format!("outputs.{name}"), value)?))
    };
    entries.iter().map(output).collect()
}

fn schema(of: &str, value: &Tree) -> Result<Arc<Schema>, String> {
    let mut columns = Vec::new();
    for (name, value) in entries(of, value, "{ bytes = \"uint bytes\" }")? {
        if name == "ts" {
            return Err(taken(&format!("{of}.ts")));
        }
        let wrong = || {
            let types = Type::ALL.map(Type::name).join(", ");
            ill_typed(&format!("{of}.{name}"), &format!("a type ({types}), then a unit"), value)
        };
        let Tree::Text(text) = value else { return Err(wrong()) };
        let (ty, unit) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let ty = Type::named(ty).ok_or_else(wrong)?;
        columns.push(Column::new(name, ty).unit(unit.trim()));
    }
    Ok(Arc::new(Schema::new(columns)))
}

fn add_interval(declared: &mut Declared, default: Value) -> Result<(), String> {
    let args = &mut declared.manifest.args;
    if args.iter().any(|a| a.name == "interval") {
        return Err("`interval` stands both in `args` and by itself: keep one".to_owned());
    }
    args.push(ArgSpec::new("interval", default));
    Ok(())
}

fn span(name: &str, value: &Tree) -> Result<Span, String> {
    match value {
        Tree::Text(text) => Span::parse(text).ok(),
        Tree::Int(secs) => u64::try_from(*secs)
            .ok()
            .and_then(|secs| secs.checked_mul(como_core::time::SECOND))
            .map(Span),
        _ => None,
    }
    .filter(|span| span.0 > 0)
    .ok_or_else(|| ill_typed(name, "a time span like 5s or 1h", value))
}

fn span_value(name: &str, value: &Tree) -> Result<Value, String> {
    Ok(Value::Text(span(name, value)?.to_string()))
}

/// The arguments, typed by their defaults; a comment behind one in its line describes it.
pub(super) fn args(script: &Script<'_>, value: &Tree) -> Result<Vec<ArgSpec>, String> {
    // None at all is written `{}`, which in Lua might as well be a list.
    let entries = match value {
        Tree::Map(entries) => entries.as_slice(),
        Tree::List(list) if list.is_empty() => &[],
        _ => return Err(ill_typed("args", "a map as in { n = 20 }", value)),
    };
    let mut specs = Vec::new();
    for (name, value) in entries {
        let place = format!("args.{name}");
        let default = match value {
            Tree::Bool(x) => Value::Bool(*x),
            Tree::Int(x) => u64::try_from(*x).map_or(Value::Int(*x), Value::Uint),
            Tree::Float(x) if x.is_finite() => Value::Float(*x),
            Tree::Text(x) => Value::Text(x.clone()),
            other => return Err(ill_typed(&place, "text, a number, true or false", other)),
        };
        let default = if name == "interval" { span_value(&place, value)? } else { default };
        specs.push(ArgSpec { name: name.clone(), default, doc: comment_of(script, name) });
    }
    Ok(specs)
}

fn marker(language: Language) -> &'static str {
    if language == Language::Lua { "--" } else { "//" }
}

/// The comment behind `name = ...` or `name: ...`, in the first line that has both.
fn comment_of(script: &Script<'_>, name: &str) -> String {
    let sets = |code: &str| {
        let rest = code.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with([':', '=']))
    };
    let comment = |line: &str| {
        let (code, comment) = line.split_once(marker(script.language))?;
        let names = code.split(['{', ',']).any(sets);
        names.then(|| comment.trim_start_matches(['-', '/']).trim().to_owned())
    };
    script.text.lines().find_map(comment).unwrap_or_default()
}

/// The first comment line of a script, without its marks; empty if code comes first.
pub(super) fn first_comment(text: &str, language: Language) -> String {
    let comment = |line: &str| {
        let rest = line.strip_prefix(marker(language))?;
        Some(rest.trim_start_matches(['-', '/', '!']).trim().to_owned())
    };
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("#!"))
        .map_while(comment)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}
