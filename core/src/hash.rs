//! Keyed hashing: a secret per process for tables, and one per store for sketches.
//!
//! Whoever chooses addresses and ports on the wire must not be able to choose
//! where they land in a hash table or a sketch. Sketches that are merged share
//! the secret, and those of one store are merged over restarts: so the store
//! keeps theirs. Where there is no store, it is drawn at start.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{LazyLock, OnceLock};

use crate::addr::Addr;

/// Builds hashers for tables: quick, and good enough to spread keys over slots.
pub type TableHash = foldhash::fast::SeedableRandomState;

// What is sampled and what is estimated in unit tests must not change from run to run.
static TABLES: LazyLock<TableHash> =
    LazyLock::new(|| if cfg!(test) { TableHash::fixed() } else { TableHash::random() });
static SKETCHES: OnceLock<foldhash::quality::SeedableRandomState> = OnceLock::new();
static SHARED: OnceLock<foldhash::SharedSeed> = OnceLock::new();

/// What sketches are counted under.
pub type SketchSecret = [u64; 2];

/// A secret nobody knows; in unit tests always the same.
pub fn draw_secret() -> SketchSecret {
    [0u64, 1].map(|n| if cfg!(test) { n } else { RandomState::new().hash_one(n) })
}

/// Has this process count sketches under a secret that was kept. Returns false, changing nothing,
/// where it has counted under another already.
pub fn keep_secret([own, shared]: SketchSecret) -> bool {
    let shared = SHARED.get_or_init(|| foldhash::SharedSeed::from_u64(shared));
    SKETCHES.set(foldhash::quality::SeedableRandomState::with_seed(own, shared)).is_ok()
}

fn sketches() -> &'static foldhash::quality::SeedableRandomState {
    SKETCHES.get_or_init(|| {
        let [own, shared] = draw_secret();
        let shared = SHARED.get_or_init(|| foldhash::SharedSeed::from_u64(shared));
        foldhash::quality::SeedableRandomState::with_seed(own, shared)
    })
}

/// A number that tells what is counted under this secret, in this way, from anything else.
pub fn sketch_id() -> u64 {
    static ID: OnceLock<u64> = OnceLock::new();
    *ID.get_or_init(|| for_sketches(|hasher| hasher.write(b"sketches of como, version 1")))
}

/// The process's hash for tables.
pub fn for_tables() -> TableHash {
    TABLES.clone()
}

/// Hashes what `write` writes, with every bit of the result usable: what sketches count by.
#[inline]
pub fn for_sketches(write: impl FnOnce(&mut foldhash::quality::FoldHasher<'static>)) -> u64 {
    let mut hasher = sketches().build_hasher();
    write(&mut hasher);
    hasher.finish()
}

/// Writes an address so that the families never collide by construction.
#[inline]
pub fn write_addr(hasher: &mut impl Hasher, addr: Addr) {
    hasher.write_u8(u8::from(addr.is_v6()));
    hasher.write_u128(addr.bits());
}
