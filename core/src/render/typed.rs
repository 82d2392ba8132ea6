//! NDJSON for a program that shows records as they would be shown where they are: beside the values
//! it has their types and units, and where one part of an answer ends and the next begins.
//!
//! Before the rows of a part stands an object with `rows`, how many follow, and with `columns`
//! where these are not those of the part before. Whatever is no record is as NDJSON has it.

pub(super) mod read;

use std::io::{self, Write};
use std::sync::Arc;

use super::Renderer;
use super::json::Ndjson;
use crate::module::Alert;
use crate::record::{Records, Schema};
use crate::storage::scan::Damage;
use crate::time::Ts;

/// Parts, each behind what it says of itself.
pub(super) struct Typed {
    lines: Ndjson,
    schema: Option<Arc<Schema>>,
}

impl Default for Typed {
    fn default() -> Self {
        Self { lines: Ndjson::exact(), schema: None }
    }
}

impl Renderer for Typed {
    fn records(&mut self, records: &Records, out: &mut dyn Write) -> io::Result<()> {
        if records.rows() == 0 {
            return Ok(());
        }
        let mut head = serde_json::json!({ "rows": records.rows() });
        if self.schema.as_ref() != Some(&records.schema) {
            head["columns"] = serde_json::json!(records.schema.columns);
            self.schema = Some(records.schema.clone());
        }
        writeln!(out, "{head}")?;
        self.lines.records(records, out)
    }

    fn gap(&mut self, from: Ts, to: Ts, out: &mut dyn Write) -> io::Result<()> {
        self.lines.gap(from, to, out)
    }

    fn damage(&mut self, damage: &Damage, out: &mut dyn Write) -> io::Result<()> {
        self.lines.damage(damage, out)
    }

    fn places_alerts(&self) -> bool {
        self.lines.places_alerts()
    }

    fn alert(&mut self, alert: &Alert, out: &mut dyn Write) -> io::Result<()> {
        self.lines.alert(alert, out)
    }

    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        self.lines.broken(why, out)
    }
}
