//! An interface's clock: how its 64-bit counts become nanoseconds since 1970.
//!
//! The resolution is a power of ten or of two; a wrong or absurd one never
//! fails, it saturates.

use como_core::time::{SECOND, Span, Ts};

use crate::file::records::{Order, array};

const OPTION_END: u16 = 0;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// How the counts of one interface are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    step: Step,
    // Seconds to add.
    offset: i64,
}

/// What one count is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// So many nanoseconds.
    Nanos(u64),
    /// One of so many parts of a nanosecond.
    PartOfNano(u64),
    /// Less than can be counted: every count is second 0.
    Nothing,
    /// A second divided by two this many times.
    Halved(u32),
}

impl Clock {
    /// Reads the options of an interface block; what is missing or cut is microseconds since 1970.
    pub fn decode(order: Order, mut options: &[u8]) -> Self {
        let mut clock = Self { step: Step::Nanos(1_000), offset: 0 };
        while let Some(head) = array::<4>(options, 0) {
            let (code, len) = (order.u16_at(head, 0), usize::from(order.u16_at(head, 2)));
            let Some(value) = options.get(4..4 + len) else { break };
            match (code, value) {
                (OPTION_END, _) => break,
                (OPTION_RESOLUTION, [resolution]) => clock.step = Step::decode(*resolution),
                (OPTION_OFFSET, value) if len == 8 => {
                    let words = [order.u32_at(value, 0), order.u32_at(value, 4)].map(u64::from);
                    let [high, low] = match order {
                        Order::Big => words,
                        Order::Little => [words[1], words[0]],
                    };
                    clock.offset = (high << 32 | low).cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + len.next_multiple_of(4)..).unwrap_or(&[]);
        }
        clock
    }

    /// The instant a count means, saturating at both ends of time.
    #[inline]
    pub fn ts(self, count: u64) -> Ts {
        let nanos = match self.step {
            Step::Nanos(step) => count.saturating_mul(step),
            Step::PartOfNano(parts) => count / parts,
            Step::Nothing => 0,
            Step::Halved(times) => {
                let nanos = (u128::from(count) * u128::from(SECOND)) >> times;
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        };
        if self.offset == 0 {
            return Ts(nanos);
        }
        let offset = self.offset.unsigned_abs().saturating_mul(SECOND);
        Ts(if self.offset < 0 {
            nanos.saturating_sub(offset)
        } else {
            nanos.saturating_add(offset)
        })
    }

    /// How long one count is, at least a nanosecond.
    pub fn resolution(self) -> Span {
        Span(match self.step {
            Step::Nanos(step) => step,
            Step::PartOfNano(_) | Step::Nothing => 1,
            Step::Halved(times) => (SECOND >> times.min(63)).max(1),
        })
    }
}

impl Step {
    /// The option's byte: an exponent of ten, or of two if the top bit is set; both negative.
    fn decode(byte: u8) -> Self {
        let exponent = u32::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            return Self::Halved(exponent);
        }
        match exponent {
            0..=9 => Self::Nanos(10u64.pow(9 - exponent)),
            _ => 10u64.checked_pow(exponent - 9).map_or(Self::Nothing, Self::PartOfNano),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resolution: u8, offset: i64, count: u64, want: Ts) {
        let mut options = vec![9, 0, 1, 0, resolution, 0, 0, 0, 14, 0, 8, 0];
        options.extend(offset.to_le_bytes());
        assert_eq!(Clock::decode(Order::Little, &options).ts(count), want);
        let mut options = vec![0, 9, 0, 1, resolution, 0, 0, 0, 0, 14, 0, 8];
        options.extend(offset.to_be_bytes());
        options.extend([0, 0, 0, 0]);
        assert_eq!(Clock::decode(Order::Big, &options).ts(count), want);
    }

    #[test]
    fn counts_in_powers_of_ten_and_two() {
        check(6, 0, 1_500_000, Ts::new(1, 500_000_000));
        check(9, 0, 1_500_000_000, Ts::new(1, 500_000_000));
        check(3, 0, 1_500, Ts::new(1, 500_000_000));
        check(0, 0, 7, Ts::new(7, 0));
        check(12, 0, 1_500_000_000_999, Ts::new(1, 500_000_000));
        check(0x80 | 10, 0, 1536, Ts::new(1, 500_000_000));
        check(0x80 | 32, 0, 3 << 31, Ts::new(1, 500_000_000));
    }

    #[test]
    fn adds_the_offset_in_either_direction() {
        check(6, 1_000, 500_000, Ts::new(1_000, 500_000_000));
        check(6, -1, 1_500_000, Ts::new(0, 500_000_000));
    }

    #[test]
    fn absurd_clocks_saturate() {
        check(0, 0, u64::MAX, Ts(u64::MAX));
        check(127, 0, u64::MAX, Ts(0));
        check(0xff, 0, u64::MAX, Ts(0));
        check(0x80, 0, u64::MAX, Ts(u64::MAX));
        check(6, i64::MIN, 1, Ts(0));
        check(6, i64::MAX, 1, Ts(u64::MAX));
    }

    #[test]
    fn options_cut_short_leave_microseconds() {
        for options in [&[9, 0, 1][..], &[9, 0, 200, 0, 9], &[9, 0, 0, 0], &[]] {
            assert_eq!(Clock::decode(Order::Little, options).ts(1), Ts(1_000));
        }
    }
}
