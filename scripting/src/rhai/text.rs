//! Functions of texts that work before Rhai looks at how long the result is, or longer than it has
//! time: bounded beforehand.
//!
//! No watch ends what a native function does, and its memory is nobody's until it returns.

use rhai::{Dynamic, Engine, EvalAltResult, INT, ImmutableString, NativeCallContext, Position};

use super::breadth::{PARTS_MAX, too_broad};
use super::engine::TEXT_BYTES_MAX;
use super::fault::lowered;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// The longest text that is read as JSON.
const JSON_BYTES_MAX: usize = 256 << 10;

/// Puts `replace`, `pad` and `parse_json` in place of Rhai's own.
pub(super) fn register(engine: &mut Engine) {
    type Text = ImmutableString;
    engine
        .register_fn("replace", |text: &mut Text, old: &str, new: &str| replace(text, old, new))
        .register_fn("replace", |text: &mut Text, old: &str, new: char| {
            replace(text, old, new.encode_utf8(&mut [0; 4]))
        })
        .register_fn("replace", |text: &mut Text, old: char, new: &str| {
            replace(text, old.encode_utf8(&mut [0; 4]), new)
        })
        .register_fn("replace", |text: &mut Text, old: char, new: char| {
            replace(text, old.encode_utf8(&mut [0; 4]), new.encode_utf8(&mut [0; 4]))
        })
        .register_fn("pad", |text: &mut Text, len: INT, with: &str| pad(text, len, with))
        .register_fn("pad", |text: &mut Text, len: INT, with: char| {
            pad(text, len, with.encode_utf8(&mut [0; 4]))
        })
        .register_fn("parse_json", |context: NativeCallContext, text: &str| {
            parse_json(context.engine(), text)
        });
}

/// Every `old` becomes `new`.
fn replace(text: &mut ImmutableString, old: &str, new: &str) -> Fallible<()> {
    // Rhai's own leaves an empty text alone, whatever is looked for.
    if text.is_empty() {
        return Ok(());
    }
    let found = text.matches(old).count();
    let grown = found.saturating_mul(new.len().saturating_sub(old.len()));
    if text.len().saturating_add(grown) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    if found > 0 {
        *text = text.replace(old, new).into();
    }
    Ok(())
}

/// Appends `with`, over and over, until there are `len` characters.
fn pad(text: &mut ImmutableString, len: INT, with: &str) -> Fallible<()> {
    let len = usize::try_from(len).unwrap_or(0);
    let missing = len.saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(());
    }
    if with.is_empty() {
        return Err("pad takes a text to pad with, and this is empty".into());
    }
    if len > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    let each = with.chars().count();
    let (whole, part) = (missing / each, missing % each);
    let rest = with.char_indices().nth(part).map_or("", |(end, _)| &with[..end]);
    if text.len() + with.len().saturating_mul(whole) + rest.len() > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    *text = format!("{text}{}{rest}", with.repeat(whole)).into();
    Ok(())
}

/// The map that a text of JSON stands for. Rhai reads it as it reads scripts.
fn parse_json(engine: &Engine, text: &str) -> Fallible<Dynamic> {
    if text.len() > JSON_BYTES_MAX || too_broad(text).is_some() {
        let (bytes, parts) = (JSON_BYTES_MAX, PARTS_MAX);
        return Err(format!(
            "parse_json: a text of more than {bytes} bytes, or {parts} entries in one place"
        )
        .into());
    }
    let wrong = |error: Box<EvalAltResult>| match *error {
        // Its place is one in the text that was given, not in the script.
        EvalAltResult::ErrorParsing(wrong, at) => {
            let line = at.line().unwrap_or(1);
            let wrong = lowered(wrong.to_string());
            format!("parse_json: line {line} of the text is no JSON: {wrong}").into()
        }
        error => Box::new(error),
    };
    engine.parse_json(text, true).map(Dynamic::from_map).map_err(wrong)
}

/// As Rhai says it of its own.
fn too_long() -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), Position::NONE).into()
}
