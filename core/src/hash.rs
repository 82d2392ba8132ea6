//! Keyed hashing: a secret per process for tables, and one for sketches that results depend on.
//!
//! Whoever chooses addresses and ports on the wire must not be able to choose where they land in a
//! hash table: that would cost time. So tables always hash under a secret of their process, and
//! nothing that is recorded depends on it.
//!
//! What sketches and samples of keys record does depend on their secret, and who knows it can send
//! packets of which they tell too many or too few; never more time or memory. Sketches of one store
//! are merged over restarts: the store keeps theirs. Where there is none it is drawn at start if
//! packets come as they happen; over what is there already it is always the same, so that the same
//! packets give the same records.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{LazyLock, OnceLock};

use sha1::{Digest, Sha1};

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

/// The secret of what can be counted again, with the same result. No secret at all.
pub const KNOWN_SECRET: SketchSecret = [0x636f_6d6f, 0x1999];

/// The secret that a word of the user's choice stands for: the same word, the same records.
pub fn secret_of(word: &str) -> SketchSecret {
    let digest = Sha1::digest(word.as_bytes());
    let half = |at: usize| digest.iter().skip(at).take(8).fold(0, |n, b| n << 8 | u64::from(*b));
    [half(0), half(8)]
}

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

/// What a script's generator of random numbers begins with, by the script's name: as secret as
/// sketches are, as soon as it is settled what they are counted under.
pub fn random_seed(name: &str) -> u64 {
    SKETCHES.get().map_or(0, |sketches| {
        let mut hasher = sketches.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish()
    })
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
