//! What each source of the merged stream offers, by its number, as every batch carries it.

use crate::field::Fields;

/// The sources that have been read so far.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    sources: Vec<Offer>,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    fields: Fields,
    // Nothing more comes of it, and nothing is on its way.
    ended: bool,
}

impl Offers {
    /// Adds the source of this number.
    pub fn put(&mut self, number: u16, fields: Fields) {
        let at = usize::from(number);
        // A number that nobody has suits everybody: no packet is of it.
        let nobody = Offer { fields: Fields::ALL, ended: true };
        self.sources.resize(self.sources.len().max(at + 1), nobody);
        self.sources[at] = Offer { fields, ended: false };
    }

    /// Notes that all packets of a source are in batches that were handed out.
    pub fn end(&mut self, number: u16) {
        if let Some(offer) = self.sources.get_mut(usize::from(number)) {
            offer.ended = true;
        }
    }

    /// Whether the packets of every source that has not ended have `needs`.
    pub fn all_suit(&self, needs: Fields) -> bool {
        self.sources.iter().all(|offer| offer.ended || offer.fields.covers(needs))
    }

    /// Whether the packets of one source have `needs`.
    pub fn suits(&self, number: u16, needs: Fields) -> bool {
        self.sources.get(usize::from(number)).is_none_or(|offer| offer.fields.covers(needs))
    }

    /// The sources whose packets have `needs`, of those that have not ended.
    pub fn suiting(&self, needs: Fields) -> impl Iterator<Item = u16> {
        let numbered = (0u16..).zip(&self.sources);
        numbered.filter(move |(_, o)| !o.ended && o.fields.covers(needs)).map(|(number, _)| number)
    }
}
