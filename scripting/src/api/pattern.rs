//! `regex`: patterns that are matched in time linear in the text, whatever they are.
//!
//! A pattern is compiled when first used and kept, a few of them per thread; what it may become is
//! bounded in size.

use std::cell::RefCell;
use std::collections::VecDeque;

use como_core::record::Value;
use regex::bytes::{Regex, RegexBuilder};

use super::TEXT_BYTES_MAX;
use super::calls::{at_most, bytes, text, wanted, whole};

/// The longest pattern, the largest program made of it, and the memory of its quick form.
const PATTERN_BYTES_MAX: usize = 1024;
const PROGRAM_BYTES_MAX: usize = 64 << 10;
const CACHE_BYTES_MAX: usize = 256 << 10;
/// The longest text searched, and the longest replacement: the time of a search grows with the
/// text's length times the program's size, and no script can be stopped inside one.
const INPUT_BYTES_MAX: usize = 64 << 10;
const BY_BYTES_MAX: usize = 256;
/// The longest text in which all matches are looked for: each search is linear, and there may be as
/// many as the text has bytes, each of which goes on to its end.
const ALL_BYTES_MAX: usize = 4 << 10;
/// How many patterns a thread keeps.
const KEPT_MAX: usize = 32;

thread_local! {
    /// Those used last come first.
    static KEPT: RefCell<VecDeque<(String, Regex)>> = const { RefCell::new(VecDeque::new()) };
}

/// The compiled pattern given as argument 1.
fn pattern(given: &[Value]) -> Result<Regex, String> {
    let source = text(given, 0)?;
    if source.len() > PATTERN_BYTES_MAX {
        return Err(format!("the pattern is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    let known = KEPT.with_borrow_mut(|kept| {
        let at = kept.iter().position(|(known, _)| known == source)?;
        let found = kept.remove(at)?;
        let regex = found.1.clone();
        kept.push_front(found);
        Some(regex)
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let mut builder = RegexBuilder::new(source);
    builder.unicode(false).size_limit(PROGRAM_BYTES_MAX).dfa_size_limit(CACHE_BYTES_MAX);
    let regex = builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large: repeat less in it".to_owned(),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            wanted(0, &format!("a pattern ({})", last.trim_start_matches("error: ")), given.first())
        }
    })?;
    KEPT.with_borrow_mut(|kept| {
        kept.truncate(KEPT_MAX - 1);
        kept.push_front((source.to_owned(), regex.clone()));
    });
    Ok(regex)
}

/// Bytes as a text where they are one.
fn made(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

/// Whether the pattern is found in a text.
pub fn test(text: &[u8], given: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(pattern(given)?.is_match(at_most(text, 1, INPUT_BYTES_MAX)?)))
}

/// What the pattern matches first, or one of its groups; nil where it is not found.
pub fn find(text: &[u8], given: &[Value]) -> Result<Value, String> {
    let regex = pattern(given)?;
    let text = at_most(text, 1, INPUT_BYTES_MAX)?;
    let group = if given.len() > 2 { whole(given, 2, 0, 99)? } else { 0 };
    let found = match group {
        0 => regex.find(text),
        n => regex.captures(text).and_then(|all| all.get(usize::try_from(n).unwrap_or(0))),
    };
    Ok(found.map_or(Value::Null, |found| made(found.as_bytes())))
}

/// How often the pattern is found, without overlap.
pub fn count(text: &[u8], given: &[Value]) -> Result<Value, String> {
    let found = pattern(given)?;
    Ok(Value::Uint(found.find_iter(at_most(text, 1, ALL_BYTES_MAX)?).count() as u64))
}

/// The text with every match replaced; `$1` stands for what the first group matched.
pub fn replace(text: &[u8], given: &[Value]) -> Result<Value, String> {
    let regex = pattern(given)?;
    let text = at_most(text, 1, ALL_BYTES_MAX)?;
    let by = at_most(bytes(given, 2)?, 2, BY_BYTES_MAX)?;
    let mut out = Vec::new();
    let mut last = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        out.extend_from_slice(text.get(last..whole.start()).unwrap_or_default());
        found.expand(by, &mut out);
        last = whole.end();
        if out.len() > TEXT_BYTES_MAX {
            return Err(format!("the result is longer than {TEXT_BYTES_MAX} bytes"));
        }
    }
    out.extend_from_slice(text.get(last..).unwrap_or_default());
    Ok(made(&out))
}
