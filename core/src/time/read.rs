//! Instants as people and records write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::{SECOND, Ts};

/// A date, a date and time as in RFC 3339, or seconds since 1970.
pub(crate) fn instant(text: &str) -> Option<Ts> {
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return seconds(text);
    }
    if text.len() == 10 {
        return utc(text.parse::<Date>().ok()?.at(0, 0, 0, 0));
    }
    // jiff reads more than RFC 3339; what it would guess at is refused.
    let bytes = text.as_bytes();
    let offset = match bytes {
        [.., b'Z' | b'z'] => 1,
        [.., b'+' | b'-', _, _, b':', _, _] => 6,
        _ => return None,
    };
    let whole = text.len() >= 19 + offset && matches!(bytes[10], b'T' | b't' | b' ');
    if !is_zone(&text[text.len() - offset..]) {
        return None;
    }
    let stamp = text.parse::<jiff::Timestamp>().ok().filter(|_| whole)?;
    u64::try_from(stamp.as_nanosecond()).ok().map(Ts)
}

/// Whether `Z`, or `+hh:mm` as RFC 3339 has it, is an offset that a clock may have.
fn is_zone(text: &str) -> bool {
    let Some((hours, minutes)) = text.get(1..).and_then(|text| text.split_once(':')) else {
        return true;
    };
    let below = |text: &str, end: u8| text.parse::<u8>().is_ok_and(|number| number < end);
    below(hours, 24) && below(minutes, 60)
}

/// The instant of a date and time in UTC.
pub(crate) fn utc(time: DateTime) -> Option<Ts> {
    let stamp = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(stamp.as_nanosecond()).ok().map(Ts)
}

/// Exactly, so that an instant a record showed finds it again.
fn seconds(text: &str) -> Option<Ts> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let secs = whole.parse::<u64>().ok()?;
    let nanos = format!("{fraction:0<9}").parse::<u64>().ok()?;
    secs.checked_mul(SECOND)?.checked_add(nanos).map(Ts)
}
