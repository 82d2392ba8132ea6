//! Times between records that nobody measured and no gap was stored of.
//!
//! Who begins to measure stores a gap since the newest record. Where a later run
//! stored earlier times (its clock was set back, or it was fed an older capture)
//! nobody could store one of the time between its records and those there were:
//! it is found where records of another run follow that were stored before.

use crate::storage::Window;
use crate::storage::block::Header;
use crate::time::Ts;

/// The runs of a node that stored the blocks found so far, by time.
#[derive(Default)]
pub(super) struct Runs {
    // Each one's number.
    known: Vec<u64>,
    // The newest block of those that reach furthest, and until when.
    seq: u64,
    end: Ts,
}

impl Runs {
    /// Passes the next block; gives the time before it that nobody measured, if there is one.
    pub fn pass(&mut self, header: &Header) -> Option<Window> {
        let boot = header.origin.boot;
        let is_known = self.known.contains(&boot);
        let is_earlier = !self.known.is_empty() && header.seq < self.seq;
        let before = Window { from: self.end, to: header.first };
        if !is_known {
            self.known.push(boot);
        }
        if header.end() > self.end {
            (self.end, self.seq) = (header.end(), header.seq);
        }
        (is_earlier && !is_known && before.from < before.to).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::block::Origin;
    use crate::time::Span;

    /// The gaps before blocks, each with the run that stored it, its number, and from when until
    /// when it is.
    #[track_caller]
    fn check(blocks: &[(u64, u64, u64, u64)], want: &[(u64, u64)]) {
        let mut runs = Runs::default();
        let gaps = blocks.iter().filter_map(|&(boot, seq, from, to)| {
            let header = Header {
                origin: Origin { node: "n".into(), stream: "a".into(), boot },
                seq,
                first: Ts::new(from, 0),
                last: Ts::new(to - 1, 0),
                len: Span::from_secs(1),
                schema: 1,
                rows: 1,
                cut: false,
                gap: false,
            };
            runs.pass(&header).map(|gap| (gap.from.parts().0, gap.to.parts().0))
        });
        assert_eq!(gaps.collect::<Vec<_>>(), want);
    }

    #[test]
    fn between_a_later_run_and_what_was_stored_before_it_nobody_measured() {
        check(&[(2, 9, 0, 10), (1, 0, 30, 40)], &[(10, 30)]);
        check(&[(2, 9, 0, 30), (1, 0, 30, 40)], &[]);
    }

    #[test]
    fn a_run_that_goes_on_was_silent_between_its_records() {
        check(&[(1, 0, 0, 10), (1, 1, 30, 40)], &[]);
        check(&[(1, 0, 0, 10), (2, 9, 12, 14), (1, 1, 30, 40)], &[]);
        // It stored a gap where there was one.
        check(&[(1, 0, 0, 10), (2, 1, 12, 14)], &[]);
    }
}
