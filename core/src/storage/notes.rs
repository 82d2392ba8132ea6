//! Notes: what a monitor keeps in its store beside the streams, for its next run.

use super::{RecordStore, StoreError};
use crate::hash;

/// What sketches are counted under: 16 bytes.
const SKETCHES: &str = "sketch secret";

/// What questions cost so far: see [`crate::query::Rates`].
pub const RATES: &str = "rates";

/// Counts sketches under the store's secret from now on, so that those of this run merge with those
/// of earlier ones. A store that has none gets one. To be called before anything is counted.
pub fn keep_sketch_secret(store: &dyn RecordStore) -> Result<(), StoreError> {
    let halves = |bytes: Vec<u8>| {
        let (own, rest) = bytes.split_first_chunk()?;
        let (shared, rest) = rest.split_first_chunk()?;
        let secret = [own, shared].map(|half| u64::from_le_bytes(*half));
        rest.is_empty().then_some(secret)
    };
    let secret = match store.note(SKETCHES)?.and_then(halves) {
        Some(secret) => secret,
        None => {
            let secret = hash::draw_secret();
            store.set_note(SKETCHES, &secret.map(u64::to_le_bytes).concat())?;
            secret
        }
    };
    if !hash::keep_secret(secret) {
        tracing::warn!("sketches were counted already: those of earlier runs do not merge");
    }
    Ok(())
}
