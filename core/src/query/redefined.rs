//! Columns that came to be of something else, as a module was redeployed with another definition.
//!
//! Such a column keeps its name and its type: only what its schema says that it holds tells its
//! values apart. What a script's own `export` makes says nothing of that kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::Schema;
use crate::storage::scan::times_of;
use crate::storage::{RecordStore, StoreError, Window};

/// In what records of a window are not of one definition: of each such column since when, and what
/// it was before. `schemas` are those that the stream has.
pub(super) fn notes(
    store: &dyn RecordStore,
    stream: &str,
    window: Window,
    schemas: &[(u64, Arc<Schema>)],
) -> Result<Vec<String>, StoreError> {
    let pairs = (0..schemas.len()).flat_map(|to| (0..to).map(move |from| (from, to)));
    if !{ pairs }.any(|(from, to)| changed(&schemas[from].1, &schemas[to].1).next().is_some()) {
        return Ok(Vec::new());
    }
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let mut notes: BTreeMap<&str, String> = BTreeMap::new();
    for (time, hash) in times_of(store, stream, window, |_| true)? {
        let schema = schemas.iter().find(|(_, schema)| schema.hash() == hash);
        for column in schema.iter().flat_map(|(_, schema)| &schema.columns) {
            let before = known.insert(&column.name, &column.of);
            if let Some(before) = before.filter(|before| *before != column.of) {
                let (name, since) = (&column.name, time.from.max(window.from));
                let (before, then) = (shown(before), shown(&column.of));
                let note =
                    || format!("`{name}` is {before} until {since}, and {then} from there on");
                notes.entry(name).or_insert_with(note);
            }
        }
    }
    Ok(notes.into_values().collect())
}

/// The same of records with these columns, and others that are measured afresh beside them.
pub(super) fn beside(records: &Schema, afresh: &Schema) -> Option<String> {
    let (name, of_records, of_afresh) = changed(records, afresh).next()?;
    let (of_records, of_afresh) = (shown(of_records), shown(of_afresh));
    Some(format!("`{name}` is {of_afresh}, and {of_records} in the records beside it"))
}

/// The columns that both have, each of something else: its name, and of what.
fn changed<'a>(
    before: &'a Schema,
    then: &'a Schema,
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    before.columns.iter().filter_map(|column| {
        let other = &then.columns[then.position(&column.name)?];
        (column.of != other.of).then_some((&column.name[..], &column.of[..], &other.of[..]))
    })
}

fn shown(of: &str) -> String {
    if of.is_empty() { "what a script makes it".to_owned() } else { format!("`{of}`") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Column, Output, Records, Type};
    use crate::storage::{About, MemoryStore, Writer};
    use crate::time::{Span, Ts};

    /// Twenty seconds of `x`, which is of one thing for ten of them and then of another.
    fn store(of: [&str; 2]) -> MemoryStore {
        let store = Arc::new(MemoryStore::default());
        let mut writer = Writer::new(store.clone(), "node", 1);
        writer.open("s", About::default()).expect("memory");
        for (at, of) in of.iter().enumerate() {
            let schema = Arc::new(Schema::new([Column::new("x", Type::Uint).of(*of)]));
            let mut records = Records::empty(schema, Span::from_secs(1));
            (0..10).for_each(|sec| records.push(Ts::new(at as u64 * 10 + sec, 0), [sec.into()]));
            writer.write("s", Output::Records(records)).expect("memory");
            writer.commit().expect("memory");
        }
        drop(writer);
        Arc::into_inner(store).expect("nobody else has it")
    }

    #[track_caller]
    fn check(of: [&str; 2], (from, to): (u64, u64), want: &[&str]) {
        let store = store(of);
        let schemas = store.schemas("s").expect("memory");
        let window = Window { from: Ts::new(from, 0), to: Ts::new(to, 0) };
        assert_eq!(notes(&store, "s", window, &schemas).expect("memory"), want);
    }

    #[test]
    fn a_column_that_came_to_be_of_something_else_is_named_with_the_time() {
        let (sum, max) = ("sum(\"len\")", "max(\"len\")");
        let at = "1970-01-01T00:00:10Z";
        let said = format!("`x` is `{sum}` until {at}, and `{max}` from there on");
        check([sum, max], (0, 20), &[&said]);
        check([sum, max], (0, 10), &[]);
        check([sum, max], (10, 20), &[]);
        check([sum, sum], (0, 20), &[]);
        let said = format!("`x` is `{sum}` until {at}, and what a script makes it from there on");
        check([sum, ""], (0, 20), &[&said]);
    }
}
