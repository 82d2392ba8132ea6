//! An exporter's clock: when its flows were, from what its records say.
//!
//! Records count milliseconds since the exporter started, or name an instant.
//! Exporters with broken clocks are common, those in another time zone above all,
//! and one flow of the year 2106 would carry the whole monitor there; so times are
//! moved to when the packet arrived, and those that cannot be are clamped.

use como_core::time::{SECOND, Span, Ts};

/// The times of an exporter whose clock differs more than this from the collector's are moved by
/// as much. A packet is on its way for less, and its header counts whole seconds.
const SKEW_MAX: Span = Span::from_secs(10);

/// An uptime that is ahead by more than this, seen backwards, has not wrapped around.
const WRAPPED_MAX: Span = Span::from_secs(86_400);

/// A flow may start this much after its exporter says it is: headers count whole seconds.
const AHEAD_MAX: Span = Span::from_secs(1);

/// No flow was open for longer than this.
const AGE_MAX: Span = Span::from_secs(366 * 86_400);

/// The seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// The time of one export packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// When it was sent, by the collector's clock where the exporter's is off.
    pub sent: Ts,
    // The same by the exporter's own clock.
    said: Ts,
    // Milliseconds since the exporter started, where the packet says.
    uptime_ms: Option<u32>,
    // When the exporter started, where it has said.
    boot: Option<Ts>,
}

/// When something was, as a record says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Milliseconds after the exporter started.
    Uptime(u32),
    /// An instant.
    At(Ts),
    /// Microseconds before the export packet was sent.
    Before(u64),
}

impl Clock {
    /// The clock of a packet that says it was sent at `sent` and that arrived at `arrived`.
    pub fn new(sent: Ts, arrived: Ts, uptime_ms: Option<u32>) -> Self {
        let boot = None;
        let is_off = sent - arrived > SKEW_MAX || arrived - sent > SKEW_MAX;
        Self { sent: if is_off { arrived } else { sent }, said: sent, uptime_ms, boot }
    }

    /// The same clock, of an exporter that has said when it started.
    pub fn or_boot(self, boot: Option<Ts>) -> Self {
        Self { boot: boot.or(self.boot), ..self }
    }

    /// The instant, if it can be one of a flow that has just been reported; else the packet's.
    pub fn instant(&self, when: Option<When>) -> Ts {
        let sent = self.sent;
        let ts = match when {
            None => return sent,
            Some(When::At(ts)) => self.moved(ts),
            Some(When::Before(us)) => sent - Span(us.saturating_mul(1_000)),
            Some(When::Uptime(ms)) => match (self.uptime_ms, self.boot) {
                (Some(now), _) => {
                    // Uptimes wrap around after 49 days; what is ahead by much has not.
                    let age = millis(now.wrapping_sub(ms).into());
                    if ms > now && age > WRAPPED_MAX {
                        return sent;
                    }
                    sent - age
                }
                (None, Some(boot)) => self.moved(boot + millis(ms.into())),
                (None, None) => return sent,
            },
        };
        self.possible(ts)
    }

    /// The instant so many milliseconds after the start of a flow, likewise.
    pub fn end(&self, first: Ts, duration_ms: u64) -> Ts {
        self.possible(first + millis(duration_ms))
    }

    /// An instant of the exporter's clock by that of `sent`.
    fn moved(&self, ts: Ts) -> Ts {
        if ts >= self.said { self.sent + (ts - self.said) } else { self.sent - (self.said - ts) }
    }

    fn possible(&self, ts: Ts) -> Ts {
        if ts > self.sent + AHEAD_MAX || self.sent - ts > AGE_MAX { self.sent } else { ts }
    }
}

fn millis(ms: u64) -> Span {
    Span(ms.saturating_mul(1_000_000))
}

impl When {
    /// An instant in milliseconds since 1970.
    pub fn millis(ms: u64) -> Self {
        Self::At(Ts(millis(ms).0))
    }

    /// An instant in the format of NTP (RFC 5905): seconds since 1900, and a fraction of 32 bits.
    pub fn ntp(stamp: u64) -> Self {
        let fraction = ((stamp & 0xffff_ffff) * SECOND) >> 32;
        Self::At(Ts::new((stamp >> 32).saturating_sub(NTP_TO_UNIX), fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[track_caller]
    fn check(clock: Clock, when: Option<When>, want_ms: u64) {
        assert_eq!(clock.instant(when), Ts(want_ms * 1_000_000));
    }

    fn clock(uptime_ms: Option<u32>) -> Clock {
        Clock::new(Ts::new(NOW, 0), Ts::new(NOW + 1, 0), uptime_ms)
    }

    #[test]
    fn uptimes_count_back_from_the_packet_and_wrap_around() {
        let ms = NOW * 1_000;
        check(clock(Some(10_000)), Some(When::Uptime(9_000)), ms - 1_000);
        check(clock(Some(500)), Some(When::Uptime(u32::MAX - 499)), ms - 1_000);
        check(clock(Some(10)), Some(When::Uptime(1_000_000)), ms);
        check(clock(None), Some(When::Uptime(9_000)), ms);
        let booted = clock(None).or_boot(Some(Ts::new(NOW - 60, 0)));
        check(booted, Some(When::Uptime(1_500)), ms - 58_500);
    }

    #[test]
    fn instants_come_in_many_forms() {
        let ms = NOW * 1_000;
        check(clock(None), Some(When::millis(ms - 7)), ms - 7);
        check(clock(None), Some(When::ntp((NOW - 1 + NTP_TO_UNIX) << 32 | 1 << 31)), ms - 500);
        check(clock(None), Some(When::Before(2_000_000)), ms - 2_000);
        check(clock(None), None, ms);
    }

    #[test]
    fn times_that_cannot_be_are_those_of_the_packet() {
        let ms = NOW * 1_000;
        check(clock(None), Some(When::millis(ms + 999)), ms + 999);
        check(clock(None), Some(When::millis(ms + 1_001)), ms);
        check(clock(None), Some(When::millis(0)), ms);
        check(clock(None), Some(When::ntp(u64::MAX)), ms);
        check(clock(None), Some(When::Before(u64::MAX)), ms);
    }

    #[test]
    fn an_exporter_far_off_is_not_believed() {
        let arrived = Ts::new(NOW, 0);
        for secs in [0, u32::MAX.into(), NOW + 90_000, NOW + 5 * 3600, NOW - 60] {
            assert_eq!(Clock::new(Ts::new(secs, 0), arrived, None).sent, arrived);
        }
        let near = Ts::new(NOW - 9, 0);
        assert_eq!(Clock::new(near, arrived, None).sent, near);
    }

    #[test]
    fn the_times_of_an_exporter_in_another_time_zone_are_moved_with_its_clock() {
        let zone = 5 * 3600;
        for (said, ms) in [(NOW + zone, (NOW + zone) * 1_000), (NOW - zone, (NOW - zone) * 1_000)] {
            let clock = Clock::new(Ts::new(said, 0), Ts::new(NOW, 0), None);
            check(clock, Some(When::millis(ms - 7)), NOW * 1_000 - 7);
            check(clock, Some(When::Before(2_000_000)), NOW * 1_000 - 2_000);
            let booted = clock.or_boot(Some(Ts::new(said - 60, 0)));
            check(booted, Some(When::Uptime(1_500)), NOW * 1_000 - 58_500);
        }
    }

    #[test]
    fn a_flow_does_not_end_after_it_was_reported() {
        let first = Ts::new(NOW - 60, 0);
        assert_eq!(clock(None).end(first, 59_500), Ts::new(NOW - 1, 500_000_000));
        assert_eq!(clock(None).end(first, u64::MAX), Ts::new(NOW, 0));
    }
}
