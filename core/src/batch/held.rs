//! How many bytes a batch keeps from being used again: those of all buffers that its regions are
//! of, whether its own packets lie there or others.

use super::Batch;

/// So many bytes, and what it takes to count them.
#[derive(Default)]
pub(super) struct Held {
    bytes: usize,
    // Where each buffer is, and how long; kept for its memory.
    buffers: Vec<(usize, usize)>,
}

impl Held {
    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes = 0;
    }
}

impl Batch {
    /// So many bytes, as they were last counted.
    pub fn held_bytes(&self) -> usize {
        self.held.bytes
    }

    /// Counts them: each buffer once, of which there is a region for each place that packets come
    /// from.
    pub fn count_held(&mut self) {
        let Held { bytes, buffers } = &mut self.held;
        buffers.clear();
        buffers.extend(self.regions.iter().map(|region| {
            let bytes = (**region).as_ref();
            (bytes.as_ptr().addr(), bytes.len())
        }));
        buffers.sort_unstable();
        buffers.dedup();
        *bytes = buffers.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len));
    }
}
