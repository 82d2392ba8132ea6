//! The times of a query: two instants and what each is counted from.
//!
//! `A:B` is the time from A until B, B not included. Each is one of
//!
//! ```text
//! 0                       the stream's clock: the newest packet, not the wall
//! -5m  +50s               before or after the clock; a B with a sign is counted from an absolute A
//! @hhmmss                 UTC, on the day of the clock
//! @yymmddhhmmss  @ccyymmddhhmmss
//! 2026-01-01  2026-01-01T12:00:00Z  2026-01-01T12:00:00.5+02:00
//! 1767225600  1767225600.25         seconds since 1970
//! (nothing)               the beginning, or the end, of time
//! ```

use jiff::civil::Date;

use crate::storage::Window;
use crate::time::{SECOND, Span, SpanError, Ts, instant, utc};

/// The time a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    from: When,
    to: When,
}

/// One end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Nothing was said.
    Open,
    /// The stream's clock.
    Clock,
    /// So long before.
    Before(Span),
    /// So long after.
    After(Span),
    /// A time of the clock's day.
    OfDay(Span),
    /// An instant.
    At(Ts),
}

/// Why a time makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// It is not two times.
    #[error("time `{0}` has no `:` between its two ends: write A:B, as in `-5m:0`")]
    NoColon(String),
    /// One of them cannot be read.
    #[error(
        "`{0}` is not a time: write `0` for the stream's clock, `-5m`, `+50s`, \
         `@20260101120000`, `2026-01-01T12:00:00Z` or seconds since 1970"
    )]
    Unreadable(String),
    /// It is too far from the clock.
    #[error(transparent)]
    TooLong(SpanError),
    /// Nobody knows which instant it is.
    #[error("`{0}` names no zone: write `{0}Z` for UTC, or `{0}+02:00`")]
    NoZone(String),
    /// It ends before it begins.
    #[error(
        "the time asked for ends ({to}) before it begins ({from}): the earlier comes first, \
         as in `-5m:0`"
    )]
    Reversed {
        /// Where it begins.
        from: Ts,
        /// Where it ends.
        to: Ts,
    },
}

impl Times {
    /// Whether an instant was named, and not just times beside the clock.
    pub(super) fn name_an_instant(&self) -> bool {
        [self.from, self.to].iter().any(|when| matches!(when, When::At(_) | When::OfDay(_)))
    }

    /// Whether either is counted from the stream's clock.
    fn need_the_clock(&self) -> bool {
        use When::{After, At, Before, Clock, OfDay, Open};
        match (self.from, self.to) {
            (Clock | Before(_) | After(_) | OfDay(_), _) | (_, Clock | OfDay(_)) => true,
            (Open, Before(_) | After(_)) => true,
            (Open | At(_), _) => false,
        }
    }

    /// The window, where there is no clock yet, because nothing has come: `now`, by the wall clock,
    /// takes its place. Nothing that comes is before a time that is counted back from it.
    pub(super) fn resolve_ahead(&self, now: Ts) -> Option<Result<Window, TimeError>> {
        let from_beginning = matches!(self.from, When::Clock | When::Before(_));
        let from = |window: Window| if from_beginning { Ts(0) } else { window.from };
        let ahead = || self.resolve(now).map(|window| Window { from: from(window), ..window });
        self.need_the_clock().then(ahead)
    }

    /// Reads `A:B`.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        // Times have colons of their own, so the one in the middle is where both sides make sense.
        // With how much of the text is understood beside it: nothing, B, or A.
        let mut fail: Option<(u8, TimeError)> = None;
        let how_well = |fail: &Option<(u8, TimeError)>| fail.as_ref().map_or(0, |(how, _)| *how);
        for (at, _) in text.match_indices(':') {
            match (When::parse(&text[..at]), When::parse(&text[at + 1..])) {
                (Ok(from), Ok(to)) => return Ok(Self { from, to }),
                // The side to complain of is the one beside the longest side that was understood.
                (Ok(_), Err(error)) => fail = Some((2, error)),
                (Err(error), Ok(_)) if how_well(&fail) < 2 => fail = Some((1, error)),
                (Err(error), _) => fail = fail.or(Some((0, error))),
            }
        }
        Err(fail.map_or_else(|| TimeError::NoColon(shortened(text)), |(_, error)| error))
    }

    /// Reads the two ends from texts of their own.
    pub fn between(start: Option<&str>, end: Option<&str>) -> Result<Self, TimeError> {
        let when = |text: Option<&str>| text.map_or(Ok(When::Open), When::parse);
        // In seconds since 1970, as both are, 0 is where they begin.
        let from = if start == Some("0") { When::At(Ts(0)) } else { when(start)? };
        Ok(Self { from, to: when(end)? })
    }

    /// A window as a time that is asked for.
    pub fn of(window: Window) -> Self {
        Self { from: When::At(window.from), to: When::At(window.to) }
    }

    /// The window, where the stream's clock is `clock`.
    pub fn resolve(&self, clock: Ts) -> Result<Window, TimeError> {
        let from = self.from.resolve(clock, clock).unwrap_or(Ts(0));
        let base = match self.from {
            When::At(_) | When::OfDay(_) => from,
            _ => clock,
        };
        let to = self.to.resolve(clock, base).unwrap_or(Ts(u64::MAX));
        if from > to { Err(TimeError::Reversed { from, to }) } else { Ok(Window { from, to }) }
    }
}

impl When {
    fn parse(text: &str) -> Result<Self, TimeError> {
        let fail = || match instant(&format!("{text}Z")) {
            Some(_) => TimeError::NoZone(shortened(text)),
            None => TimeError::Unreadable(shortened(text)),
        };
        let span = |text: &str| {
            let digits = text.starts_with(|c: char| c.is_ascii_digit());
            match Span::parse(text) {
                Ok(span) if digits => Ok(span),
                Err(error @ SpanError::TooLong(_)) => Err(TimeError::TooLong(error)),
                _ => Err(fail()),
            }
        };
        match text.as_bytes() {
            [] => Ok(Self::Open),
            b"0" => Ok(Self::Clock),
            [b'-', ..] => span(&text[1..]).map(Self::Before),
            // A plus in a URL arrives as a space, if its writer did not know better.
            [b'+' | b' ', ..] => span(&text[1..]).map(Self::After),
            [b'@', digits @ ..] => calendar(digits).ok_or_else(fail),
            _ => instant(text).map(Self::At).ok_or_else(fail),
        }
    }

    fn resolve(self, clock: Ts, base: Ts) -> Option<Ts> {
        match self {
            Self::Open => None,
            Self::Clock => Some(clock),
            Self::Before(span) => Some(base - span),
            Self::After(span) => Some(base + span),
            Self::OfDay(span) => Some(Ts(clock.0 - clock.0 % (86_400 * SECOND)) + span),
            Self::At(ts) => Some(ts),
        }
    }
}

/// `hhmmss`, `yymmddhhmmss` or `ccyymmddhhmmss`.
fn calendar(digits: &[u8]) -> Option<When> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |at: usize, len: usize| {
        digits[at..at + len].iter().fold(0i16, |n, digit| n * 10 + i16::from(digit - b'0'))
    };
    let day = match digits.len() {
        6 => Date::new(1970, 1, 1).ok()?,
        // As POSIX has it: years from 69 on are of the last century.
        12 => {
            let year = number(0, 2);
            let century = if year < 69 { 2000 } else { 1900 };
            Date::new(century + year, number(2, 2) as i8, number(4, 2) as i8).ok()?
        }
        14 => Date::new(number(0, 4), number(4, 2) as i8, number(6, 2) as i8).ok()?,
        _ => return None,
    };
    let at = digits.len() - 6;
    let (hour, minute, second) = (number(at, 2), number(at + 2, 2), number(at + 4, 2));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ts = utc(day.at(hour as i8, minute as i8, second as i8, 0))?;
    Some(if at == 0 { When::OfDay(Span(ts.0)) } else { When::At(ts) })
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
