//! Fetching ahead: asks the processor for memory shortly before it is looked at.
//!
//! Looks into cold memory that follow each other wait for one another only
//! where nobody asked before. It is a hint: nothing is read and nothing fails.
//!
//! Unsafe code: the one instruction, on processors that have it.
#![allow(unsafe_code)]

/// What is fetched at a time, in bytes.
pub const LINE: usize = 64;

/// Fetches the line that holds `value` into the nearer caches.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn fetch<T>(value: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch of any address is only a hint; this one is that of a live value.
    unsafe { _mm_prefetch(std::ptr::from_ref(value).cast(), _MM_HINT_T0) }
}

/// Does nothing here.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn fetch<T>(_: &T) {}
