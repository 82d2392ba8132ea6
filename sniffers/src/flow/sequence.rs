//! Sequence numbers: what an exporter sent and nobody received.
//!
//! NetFlow v5, v7 and IPFIX number flow records, v9 numbers export packets. A
//! number behind its turn is a datagram that was overtaken, not four thousand
//! million lost ones; a leap either way is an exporter that began anew.

/// A leap further than this is no loss.
const LEAP_MAX: i32 = 1 << 20;

/// How far behind a datagram may come in.
const LATE_MAX: i32 = 1 << 16;

/// So many late ones in a row are an exporter that began anew.
const LATE_IN_A_ROW_MAX: u32 = 8;

/// What one datagram holds, in the units that its exporter numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// All of them.
    pub all: u32,
    /// Those among them that some exporters leave out: option records.
    pub uncertain: u32,
}

impl Units {
    /// Units that every exporter counts.
    pub fn of(all: u32) -> Self {
        Self { all, uncertain: 0 }
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        let all = self.all.saturating_add(other.all);
        Self { all, uncertain: self.uncertain.saturating_add(other.uncertain) }
    }

    /// Whether `step` from one number to the next may mean these.
    fn may_be(self, step: u32) -> bool {
        (self.all.saturating_sub(self.uncertain)..=self.all).contains(&step)
    }
}

/// Where an exporter is in its numbering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    // The number of the latest datagram, and what it held.
    latest: Option<(u32, Units)>,
    // Numbers count the units of their own datagram too: softflowd's IPFIX does that.
    counts_own: bool,
    late_in_a_row: u32,
    // Of the latest gap, what has not come in after all.
    missing: u64,
    /// Gaps that nothing filled.
    pub gaps: u64,
    /// What is missing in them, in the units the exporter numbers.
    pub lost: u64,
}

impl Sequence {
    /// Notes a datagram of this number.
    pub fn note(&mut self, number: u32, units: Units) {
        let latest = self.latest.replace((number, units));
        let Some((before, held)) = latest else { return };
        let step = number.wrapping_sub(before);
        if held.may_be(step) || units.may_be(step) {
            self.counts_own = !held.may_be(step);
            self.late_in_a_row = 0;
            return;
        }
        let expected = if self.counts_own { units.all } else { held.all };
        let ahead = step.wrapping_sub(expected).cast_signed();
        if (1..=LEAP_MAX).contains(&ahead) {
            self.gaps += 1;
            self.missing = ahead.unsigned_abs().into();
            self.lost = self.lost.saturating_add(self.missing);
        } else if (-LATE_MAX..0).contains(&ahead) && self.late_in_a_row < LATE_IN_A_ROW_MAX {
            self.latest = latest;
            self.late_in_a_row += 1;
            self.fill(units.all.into());
            return;
        }
        self.late_in_a_row = 0;
    }

    /// Forgets where it is: how much a datagram held is not known.
    pub fn forget(&mut self) {
        self.latest = None;
    }

    /// A late datagram fills a part of the latest gap.
    fn fill(&mut self, units: u64) {
        let filled = units.min(self.missing);
        self.missing -= filled;
        self.lost = self.lost.saturating_sub(filled);
        if filled > 0 && self.missing == 0 {
            self.gaps = self.gaps.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks gaps and losses after datagrams of ten units at these numbers.
    #[track_caller]
    fn check(numbers: &[u32], want: (u64, u64)) {
        let mut sequence = Sequence::default();
        numbers.iter().for_each(|number| sequence.note(*number, Units::of(10)));
        assert_eq!((sequence.gaps, sequence.lost), want);
    }

    #[test]
    fn what_is_skipped_is_lost() {
        check(&[0, 10, 20], (0, 0));
        check(&[0, 110], (1, 100));
        check(&[0, 20, 40], (2, 20));
    }

    #[test]
    fn what_was_overtaken_is_not_lost() {
        check(&[0, 20, 10, 30], (0, 0));
        check(&[0, 30, 10, 40], (1, 10));
        check(&[10, 0, 20], (0, 0));
    }

    #[test]
    fn exporters_count_in_more_ways_than_one() {
        let mut sequence = Sequence::default();
        let mixed = Units { all: 25, uncertain: 1 };
        for (number, units) in [(24, mixed), (50, Units::of(26)), (57, Units::of(7)), (81, mixed)] {
            sequence.note(number, units);
        }
        assert_eq!((sequence.gaps, sequence.lost), (0, 0));
        sequence.note(81 + 5 + 7, Units::of(7));
        assert_eq!((sequence.gaps, sequence.lost), (1, 5));
    }

    #[test]
    fn numbers_wrap_around() {
        check(&[u32::MAX - 4, 5, 15], (0, 0));
        check(&[u32::MAX - 4, 15], (1, 10));
    }

    #[test]
    fn an_exporter_that_begins_anew_has_lost_nothing() {
        check(&[3_000_000_000, 0, 10, 20], (0, 0));
        let anew: Vec<u32> = [5_000].into_iter().chain((0..20).map(|n| n * 10)).collect();
        check(&anew, (0, 0));
    }
}
