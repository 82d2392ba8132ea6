//! What starting an instance takes besides its callbacks: the same whatever the language.

use std::sync::Arc;

use como_core::field::Demand;
use como_core::module::declared::Declared as Tables;
use como_core::module::{Args, Limits};
use como_core::record::Schema;
use como_core::time::Span;

use crate::declare::{Callback, Declared};
use crate::recorder::{Recorder, stored_schema};
use crate::scan::Language;

/// What an instance has from the beginning.
pub struct Beginning {
    /// How long its intervals are.
    pub interval: Span,
    /// The tables it declares, if it does.
    pub tables: Option<Tables>,
    /// What its records look like, where that is known before the first one.
    pub schema: Option<Arc<Schema>>,
    /// Turns what `export` returns into records.
    pub recorder: Recorder,
}

impl Beginning {
    /// Of a script that declares this, with the arguments of one instance.
    pub fn new(
        declared: &Declared,
        args: &Args,
        limits: &Limits,
        (text, language): (&str, Language),
    ) -> Result<Self, String> {
        let interval = args.span("interval").unwrap_or(Span::from_secs(1));
        let tables = declared
            .has_table()
            .then(|| Tables::new(&declared.declaration, limits, interval))
            .transpose()
            .map_err(|error| error.to_string())?;
        let schema = schema(declared, tables.as_ref());
        let recorder = Recorder::new(declared.schema.clone(), text, language);
        Ok(Self { interval, tables, schema, recorder })
    }

    /// What the tables need of packets.
    pub fn demand(&self) -> Demand {
        self.tables.as_ref().map(Tables::demand).unwrap_or_default()
    }
}

fn schema(declared: &Declared, tables: Option<&Tables>) -> Option<Arc<Schema>> {
    if declared.callbacks.has(Callback::Store) {
        return Some(stored_schema());
    }
    declared.schema.clone().or_else(|| {
        let own = declared.callbacks.has(Callback::Export);
        tables.filter(|t| !own || t.long().is_some()).map(|t| t.schema().clone())
    })
}
