//! Which sources a task takes packets of, and which its records cover.
//!
//! A task takes the packets of sources that offer all that it needs, and is not
//! shown the others: a field that a source cannot give would look like one that
//! a packet happens not to have. Where all sources suit, nothing is looked at
//! per packet.

use std::sync::Arc;

use crate::batch::Batch;
use crate::capture::offers::Offers;
use crate::field::Fields;
use crate::selection::Selection;

/// The sources of one task.
#[derive(Debug, Default)]
pub struct Taken {
    needs: Fields,
    offers: Arc<Offers>,
    // Those that suit and have not ended.
    suiting: Arc<[u16]>,
    // Those that did at some time of the open interval.
    covered: Arc<[u16]>,
}

impl Taken {
    /// Takes packets of the sources that offer `needs`.
    pub fn new(needs: Fields) -> Self {
        Self { needs, ..Self::default() }
    }

    /// Takes note of the sources of a batch.
    pub fn note(&mut self, offers: &Arc<Offers>) {
        if Arc::ptr_eq(&self.offers, offers) {
            return;
        }
        self.offers = offers.clone();
        self.suiting = offers.suiting(self.needs).collect();
        let before = self.covered.iter().filter(|source| !self.suiting.contains(source));
        let mut covered: Vec<u16> = self.suiting.iter().chain(before).copied().collect();
        covered.sort_unstable();
        self.covered = covered.into();
    }

    /// Those of the picked packets that suit; `None` where the packets of every source do.
    pub fn among(&self, batch: &Batch, picked: &Selection) -> Option<Selection> {
        if self.offers.all_suit(self.needs) {
            return None;
        }
        let mut suiting = Selection::none(batch.len());
        for (at, packet) in picked.iter().filter_map(|at| Some((at, batch.all().get(at)?))) {
            if self.offers.suits(packet.source, self.needs) {
                suiting.insert(at);
            }
        }
        Some(suiting)
    }

    /// The sources that the interval covers which ends now.
    pub fn close(&mut self) -> Arc<[u16]> {
        std::mem::replace(&mut self.covered, self.suiting.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::packet::build::{Frame, batch_of};

    #[test]
    fn packets_are_only_looked_at_while_a_source_that_does_not_suit_goes_on() {
        let batch = batch_of(std::iter::repeat_n(Frame::tcp("10.0.0.1:1", "10.0.0.2:2"), 3));
        let source = batch.all()[0].source;
        let mut picked = Selection::all(3);
        picked.remove(1);
        let mut offers = Offers::default();
        let mut among = |change: &dyn Fn(&mut Offers)| {
            change(&mut offers);
            let mut taken = Taken::new(Fields::of(&[Field::IpTtl]));
            taken.note(&Arc::new(offers.clone()));
            taken.among(&batch, &picked).map(|suiting| suiting.iter().collect::<Vec<_>>())
        };
        assert_eq!(among(&|offers| offers.put(source, Fields::ALL)), None);
        assert_eq!(among(&|offers| offers.put(source + 1, Fields::NONE)), Some(vec![0, 2]));
        assert_eq!(among(&|offers| offers.end(source + 1)), None);
        assert_eq!(among(&|offers| offers.put(source, Fields::NONE)), Some(vec![]));
    }

    #[test]
    fn an_interval_covers_the_sources_that_suited_at_some_time_in_it() {
        let (needs, flows) = (Fields::of(&[Field::IpTtl]), Fields::of(&[Field::IpSrc]));
        let mut offers = Offers::default();
        offers.put(0, Fields::ALL);
        offers.put(1, flows);
        let mut taken = Taken::new(needs);
        taken.note(&Arc::new(offers.clone()));
        assert_eq!(*taken.close(), [0]);
        offers.put(2, Fields::ALL);
        taken.note(&Arc::new(offers.clone()));
        offers.end(0);
        taken.note(&Arc::new(offers));
        assert_eq!(*taken.close(), [0, 2]);
        assert_eq!(*taken.close(), [2]);
    }
}
