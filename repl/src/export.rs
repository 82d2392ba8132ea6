//! `como export`: stored records as Parquet files, a folder a day, that DuckDB and pandas read.
//!
//! What was exported before is not exported again: a file says of which time it
//! is, a day that is complete is left alone, and one that has gone on since is
//! written anew beside its old file and takes its place in one step.

#[cfg(feature = "columnar")]
mod days;
#[cfg(feature = "columnar")]
mod parts;
#[cfg(feature = "columnar")]
mod streams;

use crate::cli::Export;
use crate::error::Result;

/// Writes the files that are missing or have gone on.
#[cfg(feature = "columnar")]
pub fn perform(args: &Export) -> Result {
    streams::perform(args)
}

/// Says how to get a build that writes Parquet.
#[cfg(not(feature = "columnar"))]
pub fn perform(_: &Export) -> Result {
    Err(crate::error::Failure::usage(crate::columnar::MISSING))
}
