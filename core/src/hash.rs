//! Keyed hashing: one secret per process, drawn at start.
//!
//! Whoever chooses addresses and ports on the wire must not be able to choose
//! where they land in a hash table or a sketch. Sketches of one process share
//! the secret, because only then can they be merged.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use crate::addr::Addr;

/// Builds hashers for tables: quick, and good enough to spread keys over slots.
pub type TableHash = foldhash::fast::SeedableRandomState;

// What is sampled and what is estimated in unit tests must not change from run to run.
static TABLES: LazyLock<TableHash> =
    LazyLock::new(|| if cfg!(test) { TableHash::fixed() } else { TableHash::random() });
static SKETCHES: LazyLock<foldhash::quality::SeedableRandomState> = LazyLock::new(|| {
    if cfg!(test) {
        foldhash::quality::SeedableRandomState::fixed()
    } else {
        foldhash::quality::SeedableRandomState::random()
    }
});

/// The process's hash for tables.
pub fn for_tables() -> TableHash {
    TABLES.clone()
}

/// Hashes what `write` writes, with every bit of the result usable: what sketches count by.
#[inline]
pub fn for_sketches(write: impl FnOnce(&mut foldhash::quality::FoldHasher<'static>)) -> u64 {
    let mut hasher = SKETCHES.build_hasher();
    write(&mut hasher);
    hasher.finish()
}

/// Writes an address so that the families never collide by construction.
#[inline]
pub fn write_addr(hasher: &mut impl Hasher, addr: Addr) {
    hasher.write_u8(u8::from(addr.is_v6()));
    hasher.write_u128(addr.bits());
}
