//! Values as text: numbers, instants and addresses written by hand into bytes.
//!
//! What a text from traffic may not do is decided here, for all formats:
//! control characters and those that turn the writing direction are escaped.

use std::borrow::Cow;
use std::io::Write;

use super::Schema;
use super::digits::{self, HEX};
use crate::addr::{Addr, Mac};
use crate::record::{Cells, Data, Records};
use crate::time::Ts;

/// How a format writes a text into a field.
pub(super) type PutText = fn(&mut Vec<u8>, &str);

/// The names of the fields of a record, `ts` first.
pub fn header(schema: &Schema) -> Vec<String> {
    let names = schema.columns.iter().map(|column| shown(&column.name));
    std::iter::once("ts".to_owned()).chain(names).collect()
}

/// One record as texts for eyes, in the order of [`header`].
pub fn row(records: &Records, row: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut texts = Vec::with_capacity(records.cells.len() + 1);
    put_ts(&mut bytes, records.starts.get(row).copied().unwrap_or_default());
    for cells in &records.cells {
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
        bytes.clear();
        put_cell(&mut bytes, cells, row, put_escaped);
    }
    texts.push(String::from_utf8_lossy(&bytes).into_owned());
    texts
}

/// A text with everything escaped that is not for eyes.
pub(super) fn shown(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    put_escaped(&mut bytes, text);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text with line ends and tabs kept, and other characters escaped that are not for eyes: a
/// terminal obeys what it is sent.
pub fn tamed(text: &str) -> Cow<'_, str> {
    let kept = |c| matches!(c, '\n' | '\t') || !is_hostile(c);
    if text.chars().all(kept) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if kept(c) { c.to_string() } else { c.escape_default().to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Whether a cell has no value.
pub(super) fn is_absent(cells: &Cells, row: usize) -> bool {
    cells.absent.get(row) == Some(&true) || row >= cells.data.len()
}

/// Writes a value without quotes; nothing where it is absent.
pub(super) fn put_cell(out: &mut Vec<u8>, cells: &Cells, row: usize, put_text: PutText) {
    if is_absent(cells, row) {
        return;
    }
    match &cells.data {
        Data::Bool(v) => out.extend(if v[row] { &b"true"[..] } else { b"false" }),
        Data::Uint(v) => put_uint(out, v[row]),
        Data::Int(v) => out.extend(itoa::Buffer::new().format(v[row]).as_bytes()),
        Data::Float(v) => put_float(out, v[row]),
        Data::Addr(v) => put_addr(out, v[row]),
        Data::Mac(v) => put_mac(out, v[row]),
        Data::Text(v) => put_text(out, &v[row]),
        Data::Bytes(v) => put_hex(out, &v[row]),
        Data::Time(v) => put_ts(out, v[row]),
    }
}

/// Appends the first `len` bytes of a block. All of it is copied and the rest dropped: of a length
/// that is known beforehand a copy takes an instruction, of any other a call.
#[inline]
pub(super) fn put_block<const N: usize>(out: &mut Vec<u8>, block: &[u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(block);
    out.truncate(end);
}

#[inline]
pub(super) fn put_uint(out: &mut Vec<u8>, value: u64) {
    match digits::short(value) {
        Some((text, len)) => put_block(out, &text, len),
        None => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
    }
}

/// A number that reads back as the same, with a fraction or an exponent so that it reads as float.
fn put_float(out: &mut Vec<u8>, value: f64) {
    // Writing into a vector cannot fail.
    let _ = write!(out, "{value:?}");
}

#[inline]
pub(super) fn put_addr(out: &mut Vec<u8>, addr: Addr) {
    let mut text = [0; digits::ADDR_BYTES];
    let len = digits::put_addr_at(&mut text, 0, addr);
    put_block(out, &text, len);
}

fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

fn put_mac(out: &mut Vec<u8>, mac: Mac) {
    for (at, byte) in mac.bytes().into_iter().enumerate() {
        if at > 0 {
            out.push(b':');
        }
        put_hex(out, &[byte]);
    }
}

/// An instant as [`Ts`] displays itself.
pub(super) fn put_ts(out: &mut Vec<u8>, ts: Ts) {
    let (secs, nanos) = ts.parts();
    let (year, month, day) = civil(secs / 86_400);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    put_digits(out, year, 4);
    for (mark, value) in [(b'-', month), (b'-', day), (b'T', hour), (b':', minute), (b':', second)]
    {
        out.push(mark);
        put_digits(out, value, 2);
    }
    let (value, digits) = match u64::from(nanos) {
        0 => (0, 0),
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    if digits > 0 {
        out.push(b'.');
        put_digits(out, value, digits);
    }
    out.push(b'Z');
}

fn put_digits(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let mut text = [b'0'; 9];
    for digit in text[..digits].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend(&text[..digits]);
}

/// Year, month and day of a day counted from 1970-01-01: the proleptic Gregorian calendar, in
/// years that begin in March so that the leap day is the last.
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

/// Whether a character would do something to a terminal or browser instead of showing.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text is plain ASCII without quotes, backslashes and what markup knows.
pub(super) fn is_tame(text: &str) -> bool {
    let tame = |b: &u8| {
        matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'&' | b'\'' | b',')
    };
    text.as_bytes().iter().all(tame)
}

/// Writes a text with `\n`, `\t`, `\r`, `\x1b` or `\u{202e}` for what is not for eyes.
pub(super) fn put_escaped(out: &mut Vec<u8>, text: &str) {
    if is_tame(text) {
        out.extend(text.as_bytes());
        return;
    }
    for c in text.chars() {
        if is_hostile(c) {
            out.extend(c.escape_default().to_string().as_bytes());
        } else {
            out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}
