//! Age: since when what is kept has been kept long enough.
//!
//! Ages are told in packet time, and by it alone where it is of the past. A packet that says it
//! is of the future says nothing of how old the others are: one bad clock would wipe a store.

use crate::time::{Span, Ts};

/// What ended before this has been kept for `age`, where packets have come up to `latest`.
pub(super) fn horizon(latest: Ts, age: Span) -> Ts {
    latest.min(Ts::now()) - age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_the_past_tell_the_age_and_packets_of_the_future_do_not() {
        let hour = Span::from_secs(3_600);
        assert_eq!(horizon(Ts::new(7_200, 0), hour), Ts::new(3_600, 0));
        assert_eq!(horizon(Ts::new(60, 0), hour), Ts(0));
        let before = Ts::now();
        let at = horizon(Ts(u64::MAX), hour);
        assert!(at >= before - hour && at <= Ts::now() - hour);
    }
}
