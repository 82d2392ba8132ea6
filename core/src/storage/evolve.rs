//! Evolution: the records of a stream whose module changed its columns, read as one.
//!
//! Which schema was in force from which block on is noted as blocks come, so
//! that an answer knows its columns before it reads the first of them: those of
//! the newest schema, then those that only older ones have. A value is never
//! changed to fit: what does not fit keeps its own columns.

use std::sync::Arc;

use super::FILTERS_MAX;
use super::block::Header;
use crate::record::{Cells, Data, Records, Schema, Type};

/// The largest whole number up to which a float holds every one.
const FLOAT_EXACT: u64 = 1 << 53;

/// How many changes of schema a stream remembers.
const SCHEMAS_MAX: usize = FILTERS_MAX;

/// Notes which schema is in force from a block on.
pub(super) fn note_schema(in_force: &mut Vec<(u64, u64)>, header: &Header) {
    // An archive may bring blocks from before those that are there.
    let at = in_force.partition_point(|(seq, _)| *seq <= header.seq);
    let before = at.checked_sub(1).map(|before| in_force[before].1);
    if header.gap || before == Some(header.schema) {
        return;
    }
    in_force.insert(at, (header.seq, header.schema));
    if in_force.len() > SCHEMAS_MAX {
        in_force.remove(0);
    }
}

/// Of the schemas noted, those that blocks from number `oldest` on may have, each once, where it
/// was in force last; the newest always.
pub(super) fn in_use(in_force: &[(u64, u64)], oldest: Option<u64>) -> Vec<(u64, u64)> {
    let oldest = oldest.unwrap_or(u64::MAX);
    let ended = |at: usize| in_force.get(at + 1).is_some_and(|(next, _)| *next <= oldest);
    let again = |at: usize| in_force[at + 1..].iter().any(|later| later.1 == in_force[at].1);
    let used = (0..in_force.len()).filter(|at| !ended(*at) && !again(*at));
    used.map(|at| in_force[at]).collect()
}

/// The columns for records of these schemas, the newest last, from block `from` on; none where
/// one schema serves them all.
///
/// First the newest schema's columns in its order, then those that only older ones have, the
/// most recent first. A column whose type changed from one kind of number to another has the
/// wider kind; after any other change it has the type of the newest.
pub fn unified(schemas: &[(u64, Arc<Schema>)], from: u64) -> Option<Arc<Schema>> {
    let (newest, older) = schemas.split_last()?;
    let mut all = Schema::clone(&newest.1);
    let mut one = true;
    for (at, (_, schema)) in older.iter().enumerate().rev() {
        if schemas[at + 1].0 <= from {
            continue;
        }
        one = false;
        for column in &schema.columns {
            match all.position(&column.name) {
                Some(known) => {
                    let known = &mut all.columns[known];
                    known.ty = wider(known.ty, column.ty).unwrap_or(known.ty);
                }
                None => all.columns.push(column.clone()),
            }
        }
    }
    (!one).then(|| Arc::new(all))
}

/// The narrowest kind of number that takes both.
fn wider(a: Type, b: Type) -> Option<Type> {
    let numbers = [Type::Bool, Type::Uint, Type::Int, Type::Float];
    let rank = |ty| numbers.iter().position(|number| *number == ty);
    Some(numbers[rank(a)?.max(rank(b)?)])
}

/// The records with the columns of `schema`, absent where they have none; as they are where a
/// column of theirs has no place there, or a value would not stay the same.
pub fn conformed(records: Records, schema: &Arc<Schema>) -> Records {
    if Arc::ptr_eq(&records.schema, schema) || records.schema.hash() == schema.hash() {
        return records;
    }
    let own = &records.schema.columns;
    if own.iter().any(|column| schema.position(&column.name).is_none()) {
        return records;
    }
    let cells = schema.columns.iter().map(|column| {
        match records.schema.position(&column.name).and_then(|at| records.cells.get(at)) {
            Some(cells) => widened(cells, column.ty),
            None => Some(absent(column.ty, records.rows())),
        }
    });
    match cells.collect::<Option<Vec<Cells>>>() {
        Some(cells) => Records { schema: schema.clone(), cells, ..records },
        None => records,
    }
}

/// A column without values.
fn absent(ty: Type, rows: usize) -> Cells {
    let mut cells = Cells::empty(ty);
    for _ in 0..rows {
        cells.push(crate::record::Value::Null);
    }
    cells
}

/// The same values as another type; none where one of them would not stay the same.
fn widened(cells: &Cells, ty: Type) -> Option<Cells> {
    let exact = |x: u64| (x <= FLOAT_EXACT).then_some(x as f64);
    let data = match (&cells.data, ty) {
        (data, ty) if data.ty() == ty => data.clone(),
        (Data::Bool(v), Type::Uint) => Data::Uint(v.iter().map(|x| u64::from(*x)).collect()),
        (Data::Bool(v), Type::Int) => Data::Int(v.iter().map(|x| i64::from(*x)).collect()),
        (Data::Bool(v), Type::Float) => {
            Data::Float(v.iter().map(|x| f64::from(u8::from(*x))).collect())
        }
        (Data::Uint(v), Type::Int) => {
            Data::Int(v.iter().map(|x| i64::try_from(*x).ok()).collect::<Option<_>>()?)
        }
        (Data::Uint(v), Type::Float) => {
            Data::Float(v.iter().map(|x| exact(*x)).collect::<Option<_>>()?)
        }
        (Data::Int(v), Type::Float) => {
            let signed = |x: &i64| exact(x.unsigned_abs()).map(|y| y.copysign(x.signum() as f64));
            Data::Float(v.iter().map(signed).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(Cells { data, absent: cells.absent.clone(), states: cells.states.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Column, Value};
    use crate::time::{Span, Ts};

    fn schema(columns: &[(&str, Type)]) -> Arc<Schema> {
        Arc::new(Schema::new(columns.iter().map(|(name, ty)| Column::new(*name, *ty))))
    }

    fn row(columns: &[(&str, Type)], values: &[Value]) -> Records {
        let mut records = Records::empty(schema(columns), Span::from_secs(1));
        records.push(Ts::new(1, 0), values.iter().cloned());
        records
    }

    #[track_caller]
    fn check(schemas: &[(u64, &[(&str, Type)])], from: u64, want: Option<&[(&str, Type)]>) {
        let schemas: Vec<_> =
            schemas.iter().map(|(seq, columns)| (*seq, schema(columns))).collect();
        assert_eq!(unified(&schemas, from), want.map(schema));
    }

    const A: (&str, Type) = ("a", Type::Uint);
    const B: (&str, Type) = ("b", Type::Text);
    const C: (&str, Type) = ("c", Type::Addr);

    #[test]
    fn new_columns_come_first_and_removed_ones_last() {
        check(&[(0, &[A, B]), (5, &[C, A])], 0, Some(&[C, A, B]));
        check(&[(0, &[A])], 0, None);
        check(&[], 0, None);
    }

    #[test]
    fn what_only_blocks_before_the_window_had_is_left_out() {
        check(&[(0, &[A, B]), (5, &[A])], 4, Some(&[A, B]));
        check(&[(0, &[A, B]), (5, &[A])], 5, None);
    }

    #[test]
    fn numbers_widen_and_other_changes_do_not() {
        let a = |ty| ("a", ty);
        let float = [a(Type::Float)];
        check(&[(0, &[a(Type::Uint)]), (5, &float)], 0, Some(&float));
        check(&[(0, &float), (5, &[a(Type::Uint)])], 0, Some(&float));
        check(&[(0, &[a(Type::Text)]), (5, &[A])], 0, Some(&[A]));
    }

    #[test]
    fn values_that_would_not_stay_the_same_keep_their_columns() {
        let to = schema(&[("a", Type::Float), B]);
        let widened = conformed(row(&[A], &[Value::Uint(7)]), &to);
        assert_eq!(widened, row(&[("a", Type::Float), B], &[Value::Float(7.0), Value::Null]));
        for kept in [
            row(&[A], &[Value::Uint((1 << 53) + 1)]),
            row(&[("a", Type::Text)], &[Value::Text("7".into())]),
            row(&[A, C], &[Value::Uint(7), Value::Null]),
        ] {
            assert_eq!(conformed(kept.clone(), &to), kept);
        }
        let negative = conformed(row(&[("a", Type::Int)], &[Value::Int(-3)]), &to);
        assert_eq!(negative.value(0, 0), Value::Float(-3.0));
    }
}
