//! Sampling: how much a record stands for when its exporter looked at one packet in many.
//!
//! NetFlow v5 says so in its header, v9 and IPFIX in option records: for all of
//! an exporter, or for one of its samplers, which data records then name.

/// So many packets of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    sampled: u32,
    of: u32,
    // As `samplingPacketSpace` gives them, apart until both are known.
    passed: u32,
}

impl Default for Rate {
    /// All of them.
    fn default() -> Self {
        Self { sampled: 1, of: 1, passed: 0 }
    }
}

impl Rate {
    /// One packet in `n`.
    pub fn one_in(n: u64) -> Self {
        Self { of: some(n), ..Self::default() }
    }

    /// Sets how many are taken: in a row, or of a population.
    pub fn chosen(&mut self, n: u64) {
        self.sampled = some(n);
    }

    /// Sets how many are passed over between two rows.
    pub fn passed(&mut self, n: u64) {
        self.passed = u32::try_from(n).unwrap_or(u32::MAX);
    }

    /// Sets of how many they are taken.
    pub fn of(&mut self, n: u64) {
        self.of = some(n);
    }

    /// Both numbers: taken, and of how many.
    fn parts(self) -> (u64, u64) {
        let sampled = u64::from(self.sampled);
        if self.passed > 0 {
            return (sampled, sampled + u64::from(self.passed));
        }
        match self.of {
            // Exporters that mean "one in n" are known to give n alone as the length of a row.
            1 => (1, sampled),
            of => (sampled, u64::from(of).max(sampled)),
        }
    }

    /// What a count stands for.
    #[inline]
    pub fn scale(self, count: u64) -> u64 {
        if self == Self::default() {
            return count;
        }
        let (sampled, of) = self.parts();
        let scaled = u128::from(count) * u128::from(of) / u128::from(sampled);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// One packet in about so many.
    pub fn factor(self) -> u64 {
        let (sampled, of) = self.parts();
        of / sampled
    }
}

/// At least one, and no more than fits.
fn some(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX).max(1)
}

/// Samplers of one exporter.
const SAMPLERS_MAX: usize = 256;

/// How an exporter samples.
#[derive(Clone, Debug, Default)]
pub struct Samplers {
    /// What holds for records that name no sampler, or an unknown one.
    pub general: Rate,
    named: Vec<(u64, Rate)>,
}

impl Samplers {
    /// Notes how one sampler, or the exporter, samples.
    pub fn learn(&mut self, sampler: Option<u64>, rate: Rate) {
        let Some(id) = sampler else {
            self.general = rate;
            return;
        };
        if let Some((_, known)) = self.named.iter_mut().find(|(known, _)| *known == id) {
            *known = rate;
        } else if self.named.len() < SAMPLERS_MAX {
            self.named.push((id, rate));
        }
    }

    /// How the packets of a record were sampled that names this sampler, or none.
    #[inline]
    pub fn rate(&self, sampler: Option<u64>) -> Rate {
        let Some(id) = sampler else { return self.general };
        let named = self.named.iter().find(|(known, _)| *known == id);
        named.map_or(self.general, |(_, rate)| *rate)
    }

    /// One packet in about so many, for eyes.
    pub fn factor(&self) -> u64 {
        let named = self.named.iter().map(|(_, rate)| rate.factor());
        named.chain([self.general.factor()]).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: impl FnOnce(&mut Rate), want: u64) {
        let mut rate = Rate::default();
        set(&mut rate);
        assert_eq!(rate.scale(1_000), want);
    }

    #[test]
    fn rates_are_told_in_many_ways() {
        check(|_| (), 1_000);
        check(|rate| *rate = Rate::one_in(100), 100_000);
        check(|rate| *rate = Rate::one_in(0), 1_000);
        check(
            |rate| {
                rate.chosen(1);
                rate.passed(99);
            },
            100_000,
        );
        check(
            |rate| {
                rate.chosen(1);
                rate.passed(0);
            },
            1_000,
        );
        check(
            |rate| {
                rate.chosen(10);
                rate.of(25);
            },
            2_500,
        );
        check(|rate| rate.chosen(100), 100_000);
        check(
            |rate| {
                rate.chosen(u64::MAX);
                rate.of(1 << 40);
            },
            1_000,
        );
    }

    #[test]
    fn counts_beyond_all_measure_stay_there() {
        assert_eq!(Rate::one_in(100).scale(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_record_is_scaled_by_the_sampler_it_names() {
        let mut samplers = Samplers::default();
        samplers.learn(Some(7), Rate::one_in(10));
        assert_eq!(samplers.rate(Some(7)).factor(), 10);
        assert_eq!(samplers.rate(None), Rate::default());
        samplers.learn(None, Rate::one_in(3));
        assert_eq!(samplers.rate(Some(8)).factor(), 3);
        (0..1_000).for_each(|id| samplers.learn(Some(id), Rate::one_in(2)));
        assert_eq!(samplers.named.len(), SAMPLERS_MAX);
    }
}
