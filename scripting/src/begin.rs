//! What starting an instance takes besides its callbacks: the same whatever the language.

use std::sync::Arc;

use como_core::field::Demand;
use como_core::module::declared::Declared as Tables;
use como_core::module::{Args, ModuleError, Setup};
use como_core::record::Schema;
use como_core::time::Span;

use crate::declare::{Callback, Declared};
use crate::recorder::{Recorder, stored_schema};
use crate::scan::Language;
use crate::scan::tokens::{Shape, tokens};

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
    /// Whether nothing of an interval shows in the records of another.
    pub apart: bool,
}

impl Beginning {
    /// Of a script that declares this, with the arguments of one instance.
    pub fn new(
        declared: &Declared,
        args: &Args,
        setup: &Setup,
        (text, language): (&str, Language),
    ) -> Result<Self, String> {
        let interval = args.span("interval").unwrap_or(Span::from_secs(1));
        let tables = declared
            .has_table()
            .then(|| Tables::new(&declared.declaration, &setup.limits, interval))
            .transpose()
            .map(|tables| tables.map(|tables| tables.keeping_states(setup.keeps_states)))
            .map_err(|error| error.to_string())?;
        let schema = schema(declared, tables.as_ref());
        let recorder = Recorder::new(declared.schema.clone(), text, language);
        let apart = is_apart(declared, text, language);
        Ok(Self { interval, tables, schema, recorder, apart })
    }

    /// What the tables need of packets.
    pub fn demand(&self) -> Demand {
        self.tables.as_ref().map(Tables::demand).unwrap_or_default()
    }
}

/// Says that records are read without the script's own callback for that, which does not start.
pub fn goes_without(callback: Callback, error: &ModuleError) {
    tracing::warn!("records are read without the script's own `{}`: {error}", callback.name());
}

/// Whether a script keeps nothing from one interval to the next, as surely as its text tells: it
/// declares all it counts, and its `export` does no more than choose among the rows.
fn is_apart(declared: &Declared, text: &str, language: Language) -> bool {
    use Callback::{Action, Check, Export, Init, Store, Update};
    let has = |callback| declared.callbacks.has(callback);
    declared.has_table()
        && declared.declaration.long.is_none()
        && ![Action, Check, Init, Store, Update].into_iter().any(has)
        && (!has(Export) || chooses_rows(text, language))
}

/// Whether the `export` in a text gives rows of the table, all or the top ones, and does nothing
/// else: `return table`, or `return table:top("bytes", args.n)`.
fn chooses_rows(text: &str, language: Language) -> bool {
    let tokens = tokens(text, language);
    let (begin, end, call) = match language {
        Language::Lua => (&["function", "export", "("][..], "end", ":"),
        Language::Rhai => (&["fn", "export", "("][..], "}", "."),
    };
    let is = |at: usize, words: &[&str]| {
        words.iter().enumerate().all(|(n, word)| tokens.get(at + n).is_some_and(|t| t.is(word)))
    };
    // Where the name stands twice, another function may take its place.
    if tokens.iter().filter(|token| token.is("export")).count() != 1 {
        return false;
    }
    let Some(start) = (0..tokens.len()).find(|at| is(*at, begin)) else { return false };
    let Some(close) = tokens.iter().skip(start).position(|t| t.is(")")) else { return false };
    let named = tokens.get(start + begin.len()).is_some_and(|t| t.is("table"));
    let mut at = start + close + 1 + usize::from(language == Language::Rhai);
    at += usize::from(is(at, &["return"]));
    if !named || !is(at, &["table"]) {
        return false;
    }
    at += 1;
    if is(at, &[call, "top", "("]) {
        at += 3;
        // What it is asked for: texts, numbers and arguments.
        let plain = |at: usize| match tokens.get(at) {
            Some(token) if token.is("args") => is(at + 1, &["."]).then_some(3),
            Some(token) if matches!(token.shape, Shape::Text | Shape::Number) => Some(1),
            Some(token) if token.is(",") => Some(1),
            _ => None,
        };
        while let Some(step) = plain(at) {
            at += step;
        }
        if !is(at, &[")"]) {
            return false;
        }
        at += 1;
    }
    at += usize::from(is(at, &[";"]));
    is(at, &[end])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_does_no_more_than_choose_rows_is_known() {
        let lua = |body: &str| {
            let text = format!("local n = 0\nfunction export(table, long, args)\n{body}\nend\n");
            chooses_rows(&text, Language::Lua)
        };
        assert!(lua("  return table"));
        assert!(lua("  return table:top(\"bytes\", args.n)"));
        assert!(lua("  return table:top(\"bytes\", 20);"));
        assert!(!lua("  n = n + 1 return table"));
        assert!(!lua("  return table:top(\"bytes\", next_one())"));
        assert!(!lua("  return table:top(\"bytes\", n)"));
        assert!(!lua("  return { { n = table:sum(\"bytes\") } }"));
        assert!(!chooses_rows("function export(t) return table end", Language::Lua));
        let again = "function export(table) return table end\n";
        assert!(chooses_rows(again, Language::Lua));
        assert!(!chooses_rows(&format!("{again}export = other"), Language::Lua));
        assert!(!chooses_rows(&format!("{again}{again}"), Language::Lua));
        let rhai = |body: &str| {
            chooses_rows(&format!("fn export(table, long, args) {{ {body} }}"), Language::Rhai)
        };
        assert!(rhai("table.top(\"bytes\", args.n)"));
        assert!(rhai("return table;"));
        assert!(!rhai("let a = table; a"));
        let again = "fn export(table) { table } fn export(table, long) { table.top(long.n) }";
        assert!(!chooses_rows(again, Language::Rhai));
    }
}
