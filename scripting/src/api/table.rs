//! The table: every function of the library.

mod messages;
mod reaching;
mod values;

use super::Entry;

/// All functions, topic by topic.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    [values::ENTRIES, messages::ENTRIES, reaching::ENTRIES].into_iter().flatten()
}
