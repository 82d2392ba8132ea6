//! Notes: what a monitor keeps in its store beside the streams, for its next run.

use super::{RecordStore, StoreError};
use crate::hash::{self, SketchSecret};

/// What sketches are counted under: 16 bytes.
const SKETCHES: &str = "sketch secret";

/// What questions cost so far: see [`crate::query::Rates`].
pub const RATES: &str = "rates";

/// Counts sketches under the store's secret from now on, so that those of this run merge with those
/// of earlier ones. A store that has none gets one. To be called before anything is counted.
pub fn keep_sketch_secret(store: &dyn RecordStore) -> Result<(), StoreError> {
    let secret = match sketch_secret(store)? {
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

/// The same, for what is only read: where the store tells no secret, sketches are counted as over
/// files.
pub fn use_sketch_secret(store: &dyn RecordStore) {
    let told = sketch_secret(store).unwrap_or_else(|error| {
        tracing::warn!("what the store's sketches were counted under cannot be read: {error}");
        None
    });
    hash::keep_secret(told.unwrap_or(hash::KNOWN_SECRET));
}

fn sketch_secret(store: &dyn RecordStore) -> Result<Option<SketchSecret>, StoreError> {
    let halves = |bytes: Vec<u8>| {
        let (own, rest) = bytes.split_first_chunk()?;
        let (shared, rest) = rest.split_first_chunk()?;
        let secret = [own, shared].map(|half| u64::from_le_bytes(*half));
        rest.is_empty().then_some(secret)
    };
    Ok(store.note(SKETCHES)?.and_then(halves))
}
