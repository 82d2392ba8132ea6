//! `time`: instants, as `pkt.ts` is one, and lengths of time; both in seconds, of packet time.

use como_core::record::Value;
use como_core::time::{SECOND, Ts};

use super::calls::{number, span, wanted};

const DAY: f64 = 86_400.0;

/// An instant of the years that a text can show.
fn instant(given: &[Value]) -> Result<f64, String> {
    let ts = number(given, 0)?;
    let shown = (0.0..u64::MAX as f64 / SECOND as f64).contains(&ts);
    if shown { Ok(ts) } else { Err(wanted(0, "an instant after 1970", given.first())) }
}

/// The instant as text, in UTC.
pub fn iso(given: &[Value]) -> Result<Value, String> {
    let ts = instant(given)?;
    Ok(Value::Text(Ts((ts * SECOND as f64) as u64).to_string()))
}

/// The last whole multiple of a length of time.
pub fn floor(given: &[Value]) -> Result<Value, String> {
    let (ts, len) = (number(given, 0)?, span(given, 1)?);
    Ok(Value::Float((ts / len).floor() * len))
}

/// The hour of the day, UTC.
pub fn hour(given: &[Value]) -> Result<Value, String> {
    Ok(Value::Uint((instant(given)?.rem_euclid(DAY) / 3600.0) as u64))
}

/// The day of the week, UTC: 1 is Monday (ISO 8601).
pub fn weekday(given: &[Value]) -> Result<Value, String> {
    // The first of January 1970 was a Thursday.
    let days = (instant(given)? / DAY).floor();
    Ok(Value::Uint((days + 3.0).rem_euclid(7.0) as u64 + 1))
}

/// A length of time as a number.
pub fn seconds(given: &[Value]) -> Result<Value, String> {
    Ok(Value::Float(span(given, 0)?))
}
