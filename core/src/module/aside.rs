//! Asides: what a module says beside the records of its intervals.
//!
//! Alerts of all modules go into one stream, [`ALERTS`]; a module's own outputs each into one of
//! their own, called `INSTANCE.OUTPUT`. Both are kept, asked for and rendered like records, whose
//! time is an instant.

use std::sync::{Arc, LazyLock};

use crate::record::{Column, Records, Schema, Type, Value};
use crate::time::{Span, Ts};

/// The stream of all modules' alerts. No instance is called so.
pub const ALERTS: &str = "alerts";

/// How long what is said lasts: an instant.
pub const INSTANT: Span = Span(1);

/// What the records of alerts look like.
static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let columns = ["module", "severity", "text", "fields"];
    Arc::new(Schema::new(columns.map(|name| Column::new(name, Type::Text))))
});

/// How grave an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at.
    Warning,
    /// To be acted on.
    Critical,
}

impl Severity {
    /// Every one, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// Something that a module wants to be known at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When, in packet time.
    pub ts: Ts,
    /// How grave it is.
    pub severity: Severity,
    /// What it is, for eyes.
    pub text: String,
    /// What belongs to it, as a JSON object; empty where nothing does.
    pub fields: String,
}

impl Alert {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.fields.len()
    }
}

/// What a module said, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asides {
    /// What is to be known at once.
    pub alerts: Vec<Alert>,
    /// Rows of its own outputs, by their names.
    pub outputs: Vec<(Arc<str>, Records)>,
}

impl Asides {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let outputs = self.outputs.iter().map(|(_, records)| records.bytes());
        outputs.chain(self.alerts.iter().map(Alert::bytes)).sum()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.outputs.is_empty()
    }
}

/// Alerts of the instance called `module` as records.
pub fn records(module: &str, alerts: &[Alert]) -> Records {
    let mut records = Records::empty(SCHEMA.clone(), INSTANT);
    for Alert { ts, severity, text, fields } in alerts {
        let fields = Some(fields.as_str()).filter(|fields| !fields.is_empty());
        let fields = fields.map_or(Value::Null, Value::from);
        records.push(*ts, [module.into(), severity.name().into(), text.as_str().into(), fields]);
    }
    records
}

/// The stream of an instance's output.
pub fn stream(instance: &str, output: &str) -> String {
    format!("{instance}.{output}")
}
