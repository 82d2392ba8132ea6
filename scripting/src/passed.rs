//! Limits that the hosts watch themselves, on what a script returns.

use como_core::costs::thread_cpu_ns;
use como_core::module::{Limit, Limits};
use como_core::record::Value;

use crate::recorder::RECORDS_MAX;
use crate::watch::Spent;

/// What one record that `merge` makes may hold in texts.
const MERGED_BYTES_MAX: usize = 1 << 20;

/// Refuses a merged record that is too long.
pub fn merged(bytes: usize) -> Result<(), Passed> {
    if bytes <= MERGED_BYTES_MAX {
        return Ok(());
    }
    let message = format!("merge returned a record of more than {MERGED_BYTES_MAX} bytes");
    Err(Passed { limit: Limit::Output, message })
}

/// What one record, as `print` shows it, may hold.
const PRINT_BYTES_MAX: usize = 1 << 20;

/// A limit that was passed, and what to say of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Passed {
    /// Which.
    pub limit: Limit,
    /// Its value, and what passed it.
    pub message: String,
}

/// What the records of one interval have come to, while they are read from a script.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    bytes: usize,
    bytes_max: usize,
    rows: usize,
    /// The CPU time of this thread at which what is returned has taken too long.
    end_ns: u64,
    call_ms_max: u64,
}

/// How many records pass between two looks at the clock.
const STRIDE: usize = 256;

impl Output {
    /// Nothing yet.
    pub fn new(limits: &Limits) -> Self {
        let call_ms_max = limits.call_ms_max;
        let end_ns = thread_cpu_ns().saturating_add(call_ms_max.saturating_mul(1_000_000));
        Self { bytes: 0, bytes_max: limits.output_bytes_max, rows: 0, end_ns, call_ms_max }
    }

    /// Begins another record.
    pub fn record(&mut self) -> Result<(), Passed> {
        self.rows += 1;
        // No script runs here that could be stopped.
        if self.rows.is_multiple_of(STRIDE) && thread_cpu_ns() > self.end_ns {
            let message = Spent::call(self.call_ms_max).to_string();
            return Err(Passed { limit: Limit::Cpu, message });
        }
        if self.rows <= RECORDS_MAX {
            return Ok(());
        }
        let message = format!("export returned more than {RECORDS_MAX} records");
        Err(Passed { limit: Limit::Rows, message })
    }

    /// Adds a value to it, before it is copied: its name and what it holds, in bytes.
    pub fn value(&mut self, name: usize, inside: usize) -> Result<(), Passed> {
        self.bytes(size_of::<(String, Value)>().saturating_add(name).saturating_add(inside))
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: usize) -> Result<(), Passed> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= self.bytes_max {
            return Ok(());
        }
        let message = format!("the records of one interval pass {} bytes", self.bytes_max);
        Err(Passed { limit: Limit::Output, message })
    }
}

/// Refuses a shown record that is too long.
pub fn shown(bytes: usize) -> Result<(), Passed> {
    if bytes <= PRINT_BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("print returned {bytes} bytes for one record, and {PRINT_BYTES_MAX} are allowed");
    Err(Passed { limit: Limit::Output, message })
}
