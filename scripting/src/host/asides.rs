//! What a script says beside its records: alerts, and rows of outputs of its own.
//!
//! Alerts are bounded by the minute of packet time, rows by the interval; what is too much is
//! counted and the script is told, but nothing fails.

use std::fmt::Write;

use como_core::module::Limits;
use como_core::module::aside::{Alert, Asides, INSTANT, Severity};
use como_core::record::{Records, Value};
use como_core::time::Ts;

use crate::api::wanted;
use crate::declare::Outputs;
use crate::recorder::{Row, fitted};

/// Characters of an alert's text, its fields, and bytes of all of them.
const TEXT_CHARS_MAX: usize = 400;
const FIELDS_MAX: usize = 16;
const FIELDS_BYTES_MAX: usize = 1024;
/// How long alerts are counted before the count begins anew, in seconds of packet time.
const SPAN: u64 = 60;
/// The most rows of all outputs in one interval.
const ROWS_MAX: usize = 10_000;

/// What was said and not yet taken.
#[derive(Debug)]
pub struct Said {
    alerts_max: u32,
    bytes_max: usize,
    minute: u64,
    alerts: u32,
    rows: usize,
    bytes: usize,
    unheard: u64,
    /// What may be written to, by name.
    outputs: Outputs,
    asides: Asides,
}

impl Said {
    /// Nothing said, within these limits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            alerts_max: limits.alerts_max,
            bytes_max: limits.output_bytes_max,
            minute: 0,
            alerts: 0,
            rows: 0,
            bytes: 0,
            unheard: 0,
            outputs: Vec::new(),
            asides: Asides::default(),
        }
    }

    /// The script declares these outputs.
    pub fn declare(&mut self, outputs: Outputs) {
        self.outputs = outputs;
    }

    /// Raises an alert; whether there was room for it.
    pub fn alert(
        &mut self,
        ts: Ts,
        severity: &Value,
        text: &Value,
        fields: Row,
    ) -> Result<bool, String> {
        let severity = match severity {
            Value::Text(name) => Severity::named(name),
            _ => None,
        };
        let names = Severity::ALL.map(Severity::name).join(", ");
        let severity = severity
            .ok_or_else(|| format!("alert: the severity is one of {names}, as in {EXAMPLE}"))?;
        let text = match text {
            Value::Text(text) => text.chars().take(TEXT_CHARS_MAX).flat_map(char::escape_debug),
            other => {
                return Err(format!(
                    "alert: {}; for instance {EXAMPLE}",
                    wanted(1, "a text", Some(other))
                ));
            }
        };
        let text: String = text.collect();
        let fields = json(fields)?;
        let minute = ts.0 / 1_000_000_000 / SPAN;
        // Time that goes back gives no new room.
        if minute > self.minute {
            (self.minute, self.alerts) = (minute, 0);
        }
        if self.alerts >= self.alerts_max {
            self.unheard += 1;
            return Ok(false);
        }
        self.alerts += 1;
        self.asides.alerts.push(Alert { ts, severity, text, fields });
        Ok(true)
    }

    /// Writes a row to the output called `name`; whether there was room for it.
    pub fn output(&mut self, ts: Ts, name: &Value, mut row: Row) -> Result<bool, String> {
        let known = match name {
            Value::Text(name) => self.outputs.iter().find(|(known, _)| **known == **name),
            _ => return Err(format!("output: {}", wanted(0, "the name of an output", Some(name)))),
        };
        let Some((name, schema)) = known.cloned() else {
            let names: Vec<&str> = self.outputs.iter().map(|(name, _)| &**name).collect();
            let known = match names.as_slice() {
                [] => {
                    "declare it: outputs = { slow = { addr = \"addr\", ms = \"uint\" } }".to_owned()
                }
                names => format!("declared are {}", names.join(", ")),
            };
            let name = name.to_string().chars().take(64).collect::<String>();
            return Err(format!("output: there is no output `{}`; {known}", name.escape_debug()));
        };
        let mut cells = Vec::with_capacity(schema.columns.len());
        let mut bytes = size_of::<Value>() * schema.columns.len();
        for column in &schema.columns {
            let found = row.iter().position(|(name, _)| *name == column.name);
            let value = found.map_or(Value::Null, |at| row.swap_remove(at).1);
            bytes += match &value {
                Value::Text(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            };
            cells.push(fitted(column, value).map_err(|why| format!("output `{name}`: {why}"))?);
        }
        if let Some((column, _)) = row.first() {
            let column = column.chars().take(64).collect::<String>();
            return Err(format!("output `{name}` has no column `{}`", column.escape_debug()));
        }
        if self.rows >= ROWS_MAX || self.bytes + bytes > self.bytes_max {
            self.leave_out();
            return Ok(false);
        }
        self.rows += 1;
        self.bytes += bytes;
        let outputs = &mut self.asides.outputs;
        let at = outputs.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            outputs.push((name, Records::empty(schema, INSTANT)));
            outputs.len() - 1
        });
        outputs[at].1.push(ts, cells);
        Ok(true)
    }

    /// Counts a row that is longer than any may be.
    pub fn leave_out(&mut self) {
        self.unheard += 1;
    }

    /// Takes what was said.
    pub fn take(&mut self) -> Asides {
        match self.asides.is_empty() {
            true => Asides::default(),
            false => std::mem::take(&mut self.asides),
        }
    }

    /// Another interval begins: there is room for rows again.
    pub fn begin(&mut self) {
        (self.rows, self.bytes) = (0, 0);
    }

    /// What there was no room for, so far.
    pub fn unheard(&self) -> u64 {
        self.unheard
    }
}

const EXAMPLE: &str = "alert(\"warning\", \"many resets\", { n = 7 })";

/// Fields as a JSON object, in the order of their names.
fn json(mut fields: Row) -> Result<String, String> {
    if fields.is_empty() {
        return Ok(String::new());
    }
    if fields.len() > FIELDS_MAX {
        return Err(format!("alert: has {} fields, and {FIELDS_MAX} are allowed", fields.len()));
    }
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut json = String::from("{");
    for (name, value) in fields {
        if json.len() > 1 {
            json.push(',');
        }
        quoted(&mut json, &name);
        json.push(':');
        match value {
            Value::Null => json.push_str("null"),
            Value::Bool(x) => _ = write!(json, "{x}"),
            Value::Uint(x) => _ = write!(json, "{x}"),
            Value::Int(x) => _ = write!(json, "{x}"),
            Value::Float(x) if x.is_finite() => _ = write!(json, "{x}"),
            Value::Float(_) => json.push_str("null"),
            Value::Bytes(bytes) => quoted(&mut json, &String::from_utf8_lossy(&bytes)),
            Value::Text(text) => quoted(&mut json, &text),
            other => quoted(&mut json, &other.to_string()),
        }
        if json.len() > FIELDS_BYTES_MAX {
            return Err(format!("alert: its fields pass {FIELDS_BYTES_MAX} bytes"));
        }
    }
    json.push('}');
    Ok(json)
}

/// A text as JSON, cut where all fields together would be too long.
fn quoted(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars().take(FIELDS_BYTES_MAX + 1) {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => _ = write!(json, "\\u{:04x}", u32::from(c)),
            c => json.push(c),
        }
    }
    json.push('"');
}
