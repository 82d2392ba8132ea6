//! Packet time: instants, spans and aligned intervals.
//!
//! All time in the monitor is packet time, in nanoseconds since 1970 UTC. The
//! wall clock only ever decides *when* something is done, never what it says.

mod read;

use std::fmt;
use std::ops::{Add, Sub};
use std::time::SystemTime;

pub(crate) use read::{instant, utc};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// An instant of packet time: nanoseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ts(pub u64);

impl Ts {
    /// The last instant that a packet can have: the one behind it is in no interval.
    pub const LAST: Self = Self(u64::MAX - 1);

    /// The instant `secs` seconds and `nanos` nanoseconds after 1970, saturating.
    pub const fn new(secs: u64, nanos: u64) -> Self {
        Self(secs.saturating_mul(SECOND).saturating_add(nanos))
    }

    /// What this machine's clock says; 1970 where it says a time before.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::new(since.as_secs(), since.subsec_nanos().into())
    }

    /// Seconds since 1970 as a float, exact to less than a microsecond today.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// Whole seconds and the nanoseconds beyond them.
    pub const fn parts(self) -> (u64, u32) {
        (self.0 / SECOND, (self.0 % SECOND) as u32)
    }
}

impl Add<Span> for Ts {
    type Output = Ts;
    fn add(self, span: Span) -> Ts {
        Ts(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Ts {
    type Output = Ts;
    fn sub(self, span: Span) -> Ts {
        Ts(self.0.saturating_sub(span.0))
    }
}

impl Sub for Ts {
    type Output = Span;
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    fn sub(self, earlier: Ts) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Ts {
    /// RFC 3339 in UTC, with as many digits (0, 3, 6 or 9) as the instant needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = self.parts();
        let whole = i64::try_from(secs).ok().and_then(|s| jiff::Timestamp::new(s, 0).ok());
        match whole {
            Some(t) => write!(f, "{}", t.strftime("%Y-%m-%dT%H:%M:%S"))?,
            None => write!(f, "{secs}")?,
        }
        match nanos {
            0 => {}
            n if n % 1_000_000 == 0 => write!(f, ".{:03}", n / 1_000_000)?,
            n if n % 1_000 == 0 => write!(f, ".{:06}", n / 1_000)?,
            n => write!(f, ".{n:09}")?,
        }
        f.write_str(if whole.is_some() { "Z" } else { "" })
    }
}

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

/// Why a text is not a span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpanError {
    /// It is none.
    #[error(
        "`{0}` is not a time span: write a number and one of ns us ms s m h d w y, as in `300s`, \
         or several, the longest first, as in `1m30s`"
    )]
    Unreadable(String),
    /// It does not fit the nanoseconds that times are counted in.
    #[error("`{0}` is too long: times reach 584 years at most")]
    TooLong(String),
}

/// The units a span may be written in, longest name first where one begins another.
const UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 604_800 * SECOND),
    // Of 365 days.
    ("y", 31_536_000 * SECOND),
];

impl Span {
    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(SECOND))
    }

    /// Seconds as a float.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// Parses `300s`, `1.5h`, `100ms`, `1m30s`; a bare number is seconds, as in CoMo.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let nanos = Self::nanos(text.trim()).ok_or_else(|| SpanError::Unreadable(text.to_owned()));
        u64::try_from(nanos?).map(Self).map_err(|_| SpanError::TooLong(text.to_owned()))
    }

    fn nanos(text: &str) -> Option<u128> {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        if text.chars().all(is_digit) {
            return scaled(text, SECOND);
        }
        let (mut rest, mut all, mut longer) = (text, 0u128, u64::MAX);
        while !rest.is_empty() {
            let (number, behind) = rest.split_at(rest.find(|c| !is_digit(c))?);
            let (unit, behind) = behind.split_at(behind.find(is_digit).unwrap_or(behind.len()));
            let (_, scale) = *UNITS.iter().find(|(name, _)| *name == unit)?;
            if scale >= longer {
                return None;
            }
            all = all.saturating_add(scaled(number, scale)?);
            (rest, longer) = (behind, scale);
        }
        Some(all)
    }
}

/// A number of so many nanoseconds each; far more than fit is as many as can be said.
fn scaled(number: &str, scale: u64) -> Option<u128> {
    if let Ok(whole) = number.parse::<u64>() {
        return Some(u128::from(whole) * u128::from(scale));
    }
    let value = number.parse::<f64>().ok()? * scale as f64;
    Some(value as u128)
}

impl fmt::Display for Span {
    /// The shortest exact form that [`Span::parse`] reads back: `300s` is `5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, scale): &&(&str, u64)| self.0 >= *scale && self.0.is_multiple_of(*scale);
        match UNITS.iter().rev().find(fits) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => f.write_str("0s"),
        }
    }
}

/// A span of packet time, closed at the start and open at the end.
///
/// Intervals of one length tile time: every timestamp up to [`Ts::LAST`] falls in
/// exactly one, so a packet on a boundary belongs to the later interval. Starts are whole
/// multiples of the length, which is why two monitors started a minute apart
/// cut the same traffic in the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start: Ts,
    // Invariant: never zero.
    len: Span,
}

impl Interval {
    /// The interval of length `len` that holds `ts`. A zero length counts as one nanosecond.
    pub fn holding(ts: Ts, len: Span) -> Self {
        let len = Span(len.0.max(1));
        Self { start: Ts(ts.0 - ts.0 % len.0), len }
    }

    /// The first instant inside.
    pub const fn start(self) -> Ts {
        self.start
    }

    /// The first instant after.
    pub const fn end(self) -> Ts {
        Ts(self.start.0.saturating_add(self.len.0))
    }

    /// How long it is, never zero.
    pub const fn len(self) -> Span {
        self.len
    }

    /// Whether `ts` lies inside.
    pub const fn contains(self, ts: Ts) -> bool {
        self.start.0 <= ts.0 && ts.0 < self.end().0
    }

    /// The interval that begins where this one ends.
    pub fn next(self) -> Self {
        Self { start: self.end(), len: self.len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_on_a_boundary_belongs_to_the_later_interval() {
        let interval = Interval::holding(Ts::new(10, 0), Span::from_secs(5));
        assert_eq!((interval.start(), interval.end()), (Ts::new(10, 0), Ts::new(15, 0)));
        assert!(!interval.contains(Ts::new(15, 0)));
    }

    #[test]
    fn the_last_instant_falls_in_an_interval_of_any_length() {
        for len in [Span(1), Span(7), Span::from_secs(5), Span(u64::MAX / 2), Span(u64::MAX)] {
            assert!(Interval::holding(Ts::LAST, len).contains(Ts::LAST), "{len:?}");
        }
    }

    #[test]
    fn spans_read_back_as_written() {
        for text in ["5s", "100ms", "5m", "72h", "1ns"] {
            let span = Span::parse(text).expect("a span");
            assert_eq!(Span::parse(&span.to_string()), Ok(span), "{text}");
        }
        assert_eq!(Span::parse("1.5s"), Ok(Span(1_500_000_000)));
        assert_eq!(Span::parse("300"), Ok(Span::from_secs(300)));
    }

    #[test]
    fn a_span_may_have_several_units_the_longest_first() {
        for (text, same) in
            [("1s700ms", "1700ms"), ("1h30m", "90m"), ("1d1.5h2s", "91802s"), ("1m0s", "60s")]
        {
            assert_eq!(Span::parse(text), Span::parse(same), "{text}");
        }
        for text in ["30m1h", "1m1m", "1m30", "1m 30s", "m30s", "1y584y", "1h.m"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_that_is_none_says_so() {
        for text in ["", "s", "5 s", "5x", "-1s", "1e999s", "99999999999999999w"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_that_is_too_long_says_that() {
        for text in ["1000y", "584y365d", "99999999999999999999s", "99999999999999999999"] {
            let error = Span::parse(text).expect_err("too long").to_string();
            assert_eq!(error, format!("`{text}` is too long: times reach 584 years at most"));
        }
        assert!(Span::parse("584y").is_ok());
    }

    #[test]
    fn instants_print_in_utc_with_the_digits_they_need() {
        assert_eq!(Ts::new(0, 0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Ts::new(1_700_000_000, 5_000_000).to_string(), "2023-11-14T22:13:20.005Z");
        assert_eq!(Ts::new(1, 1).to_string(), "1970-01-01T00:00:01.000000001Z");
    }
}
