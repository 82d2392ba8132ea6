//! Tables as text: a prefix and a value a line.
//!
//! `10.0.0.0/8,64512`, with a comma, semicolon, tab or blanks between; what
//! stands behind is not read, so the blocks of MaxMind's CSV files are such
//! tables. `#` begins a comment, and a first line of headings is passed over.

use std::io::{BufRead, Read};

use como_core::addr::Addr;
use como_core::lookup::{Subject, TrieBuilder};

use super::Broken;

/// Bytes of a line: a table has short ones, and what has not is no table.
const LINE_BYTES_MAX: u64 = 4096;

/// Reads a table through.
pub(super) fn read(subject: Subject, input: &mut dyn BufRead) -> Result<TrieBuilder, Broken> {
    let mut found = TrieBuilder::default();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let apart = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
        let mut parts = text.split(apart).filter(|part| !part.is_empty());
        let (prefix, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some((addr, len)) = prefix_of(prefix) else {
            // A line of headings, at the top alone.
            if number == 1 && !prefix.contains(['.', ':', '/']) {
                continue;
            }
            return Err(wrong(number, &format!("`{}` is no prefix", prefix.escape_debug())));
        };
        let Some(value) = value_of(subject, value.trim_matches('"')) else {
            let what = format!("`{}` is no {}", value.escape_debug(), subject.name());
            return Err(wrong(number, &what));
        };
        found.add(addr, len, value)?;
    }
    Ok(found)
}

fn wrong(number: u64, what: &str) -> Broken {
    Broken::Format(format!("line {number}: {what}; lines are as in `10.0.0.0/8,VALUE`"))
}

/// A prefix, or an address alone.
fn prefix_of(text: &str) -> Option<(Addr, u8)> {
    let text = text.trim_matches('"');
    let (addr, len) = match text.split_once('/') {
        Some((addr, len)) => (addr.parse::<Addr>().ok()?, Some(len)),
        None => (text.parse::<Addr>().ok()?, None),
    };
    let len = len.map_or(Some(addr.width()), |len| len.parse().ok())?;
    (len <= addr.width()).then_some((addr, len))
}

/// A value as tables keep it: `2529` or `AS2529`; `DE`.
fn value_of(subject: Subject, text: &str) -> Option<u32> {
    match subject {
        Subject::Asn => text.trim_start_matches(['A', 'S', 'a', 's']).parse().ok(),
        Subject::Country => super::country(text),
    }
}
