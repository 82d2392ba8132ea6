//! What `text` and `hash` compute of bytes, wherever these lie.

/// How far into bytes a number is read at most, how many bytes it has, and how many buckets there
/// are.
pub const AT_MAX: u64 = 1 << 30;
/// See [`AT_MAX`].
pub const UINT_MAX: u64 = 6;
/// See [`AT_MAX`].
pub const BUCKETS_MAX: u64 = 1 << 32;

/// The kind of texts and bytes, as hashes tell kinds of values apart.
const TEXT: u8 = 2;

/// The number in some bytes, the first byte the highest (network order); none beyond the end.
pub fn uint(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let found = bytes.get(at..at.checked_add(len)?)?;
    Some(found.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

/// A hash of bytes of some kind (FNV-1a).
pub fn hash(kind: u8, bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let all = std::iter::once(&kind).chain(bytes);
    all.fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The hash of a text or of bytes.
pub fn text_hash(bytes: &[u8]) -> u64 {
    hash(TEXT, bytes)
}

/// A hash folded to 48 bits.
pub fn folded(hash: u64) -> u64 {
    (hash ^ hash >> 48) & ((1 << 48) - 1)
}

/// Which of `n` buckets a hash falls into.
pub fn bucket(hash: u64, n: u64) -> u64 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).wrapping_mul(n) >> 32
}
