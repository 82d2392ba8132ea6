//! Modules written in Rust, for where speed matters.
//!
//! Each is the native twin of a shipped script and writes the same records. A
//! twin's name is the script's with `-native` behind it; otherwise nobody can
//! tell which one runs. They stand on the module trait alone, so each file may
//! be copied as the start of another module.

pub mod syn;
pub mod topaddr;
mod totals;
pub mod traffic;
pub mod tuple;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use como_core::module::Kind;

/// Every module of this package.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![
        Arc::new(syn::SynKind::default()),
        Arc::new(traffic::TrafficKind::default()),
        Arc::new(topaddr::TopaddrKind::default()),
        Arc::new(tuple::TupleKind::default()),
    ]
}
