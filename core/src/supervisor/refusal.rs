//! Why an instance is not attached, or a monitor not started.

use crate::field::Field;
use crate::filter::FilterError;
use crate::lookup::MissingTable;
use crate::module::ModuleError;
use crate::module::aside::ALERTS;
use crate::rollup::RollupError;
use crate::time::Span;

/// Why an instance could not be attached. Nothing that runs is disturbed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The module could not be started.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// A filter makes no sense.
    #[error("filter of module `{instance}`: {error}")]
    Filter {
        /// The instance.
        instance: String,
        /// The text of the filter.
        text: String,
        /// What is wrong with it.
        error: Box<FilterError>,
    },
    /// The name is that of the stream of alerts.
    #[error("`{ALERTS}` is where all modules' alerts are kept: give the module another name")]
    Reserved,
    /// Two instances share a name.
    #[error("two modules are called `{0}`: give one of them another name")]
    Twice(String),
    /// The rows of an instance's output and the records of another would go into one stream.
    #[error(
        "rows of the output `{output}` of module `{instance}` and records of the module \
        `{instance}.{output}` would be kept under one name: give one of them another"
    )]
    Output {
        /// The instance that has it.
        instance: String,
        /// The output.
        output: String,
    },
    /// It needs a field that no source has.
    #[error("module `{instance}` needs `{}`, {}, which {lacking} not \
        give", .field.name(), .field.doc())]
    Lacks {
        /// The instance.
        instance: String,
        /// The field.
        field: Field,
        /// The sources, as the message goes on.
        lacking: String,
    },
    /// It needs something looked up for which there is no table.
    #[error("module `{instance}`: {missing}")]
    Table {
        /// The instance.
        instance: String,
        /// The field, and what to do.
        missing: MissingTable,
    },
    /// Each field that it needs is given by some source, and no source gives all.
    #[error("module `{instance}` needs fields that no one source has together: {lacking}")]
    Scattered {
        /// The instance.
        instance: String,
        /// What each source does not give.
        lacking: String,
    },
    /// Its records make no longer intervals.
    #[error("module `{instance}` cannot be rolled up to {len}: {error}")]
    Rollup {
        /// The instance.
        instance: String,
        /// How long the intervals were to be.
        len: Span,
        /// Why not.
        error: RollupError,
    },
    /// The system has no thread to spare.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
    /// The monitor has ended.
    #[error("the monitor has ended")]
    Ended,
}
