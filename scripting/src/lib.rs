//! Lua and Rhai scripts as modules.
//!
//! A script declares by plain top-level names what it measures; this crate turns
//! it into a [`Kind`](como_core::module::Kind) that nobody can tell from a native one.

pub mod declare;
pub mod recorder;
pub mod scan;
