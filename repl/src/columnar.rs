//! Columns: records as Arrow IPC and Parquet, where the command is built with feature `columnar`.
//!
//! The libraries take longer to build than the rest of the command, and most
//! users never need them; a build without them says how to get them.

#[cfg(feature = "columnar")]
mod arrow;
#[cfg(feature = "columnar")]
mod layout;
#[cfg(feature = "columnar")]
pub mod parquet;

use como_core::render::{Format, Renderer};

/// What a build without the feature says.
pub const MISSING: &str = "this como was built without Arrow and Parquet: build it with \
                           `cargo build --release --package como --features columnar`";

/// Whether this build can write a format.
pub fn knows(format: Format) -> bool {
    cfg!(feature = "columnar") || !format.is_binary()
}

/// A renderer, where the format is one of columns and this build has it.
#[cfg(feature = "columnar")]
pub fn renderer(format: Format) -> Option<Box<dyn Renderer>> {
    match format {
        Format::Arrow => Some(Box::new(arrow::Stream::default())),
        Format::Parquet => Some(Box::new(parquet::Parquet::default())),
        _ => None,
    }
}

/// A renderer, where the format is one of columns and this build has it: this one has not.
#[cfg(not(feature = "columnar"))]
pub fn renderer(_: Format) -> Option<Box<dyn Renderer>> {
    None
}

#[cfg(all(test, feature = "columnar"))]
mod tests;
