//! A module's own way to show its records, kept from doing anything to a terminal.

use std::io::{self, Write};

use super::{Renderer, text};
use crate::module::Print;
use crate::record::{Records, Value};

/// How many faults in a row end the attempts: each may have cost all the time a call has.
const FAULTS_MAX: u64 = 10;

pub(super) struct Printed {
    print: Box<dyn Print>,
    faults: u64,
    faults_in_a_row: u64,
    /// What went wrong first.
    first: String,
}

impl Printed {
    pub(super) fn new(print: Box<dyn Print>) -> Self {
        Self { print, faults: 0, faults_in_a_row: 0, first: String::new() }
    }
}

impl Renderer for Printed {
    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        let mut values: Vec<Value> = Vec::with_capacity(records.cells.len());
        for (row, ts) in records.starts.iter().enumerate() {
            if self.faults_in_a_row == FAULTS_MAX {
                self.faults += 1;
                continue;
            }
            values.clear();
            values.extend(records.cells.iter().map(|cells| cells.value(row)));
            match self.print.print(*ts, &records.schema, &values) {
                Ok(line) => {
                    self.faults_in_a_row = 0;
                    if let Some(line) = line {
                        writeln!(out, "{}", text::tamed(&line))?;
                    }
                }
                Err(fault) => {
                    self.faults += 1;
                    self.faults_in_a_row += 1;
                    if self.faults == 1 {
                        tracing::warn!("a record is not shown: {}", fault.shown());
                        self.first = fault.to_string();
                    }
                    if self.faults_in_a_row == FAULTS_MAX {
                        tracing::warn!("print keeps failing and is not tried again");
                    }
                }
            }
        }
        Ok(())
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "error: {}", text::tamed(why))
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        match self.faults {
            0 => Ok(()),
            n => {
                let why = format!("the module could not print {n} of its records: {}", self.first);
                Err(io::Error::other(why))
            }
        }
    }
}
