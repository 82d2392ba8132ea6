//! Records as aligned columns, for eyes, written while they come in.
//!
//! Columns keep their widths from one interval to the next and the header is
//! repeated only when another module speaks, so that a run reads as one table.
//! On a terminal that is too narrow for a row, long texts are cut.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};
use como_core::record::{Column, Output, Records, Type};
use como_core::render::{self, Align};
use como_core::time::Ts;

/// Rows laid out together; more would only make the first ones wait.
const ROWS_MAX: usize = 1000;

/// What is left of a text at least, where its column is not narrower.
const CUT_MIN: u16 = 8;

/// Blanks between columns.
const BETWEEN: u16 = 2;

/// The table as far as it has been written.
#[derive(Debug)]
pub struct Table {
    /// Whether a title says which module speaks.
    titled: bool,
    /// Who spoke last, and in which columns.
    last: Option<(String, u64)>,
    /// The widest cell of each column, by module.
    widths: HashMap<String, Vec<u16>>,
    /// How wide a row may be; asked for each block, as a terminal may change.
    room: fn() -> Option<u16>,
}

impl Table {
    /// An empty table; `titled` where several modules share it.
    pub fn new(titled: bool) -> Self {
        Self { titled, last: None, widths: HashMap::new(), room: terminal }
    }

    /// What an instance has to say as text.
    pub fn output(&mut self, instance: &str, output: &Output) -> String {
        match output {
            Output::Records(records) => self.records(instance, records),
            Output::Gap { from, to } => self.gap(instance, *from, *to),
        }
    }

    /// The next rows as text.
    fn records(&mut self, instance: &str, records: &Records) -> String {
        let mut text = String::new();
        if records.rows() == 0 {
            return text;
        }
        let speaker = (instance.to_owned(), records.schema.hash());
        let speaks_again = self.last.as_ref() == Some(&speaker);
        if self.titled && !speaks_again {
            let gap = if self.last.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{instance}");
        }
        let widths = self.widths.entry(instance.to_owned()).or_default();
        for start in (0..records.rows()).step_by(ROWS_MAX) {
            let with_header = !speaks_again && start == 0;
            text += &block(records, start, with_header, widths, (self.room)());
        }
        self.last = Some(speaker);
        text
    }

    /// A span that no source covered.
    fn gap(&mut self, instance: &str, from: Ts, to: Ts) -> String {
        let who = if self.titled { format!("{instance}: ") } else { String::new() };
        format!("-- {who}{} --\n", render::unheard(from, to))
    }
}

/// How wide the terminal is that standard output goes to; nothing, where it goes elsewhere.
fn terminal() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// The widths of columns in a row of which there is `room` for so much: the widest text gives way
/// first. Names of columns are not cut, nor is what would then be another one, as a number.
fn fitted(widths: &[u16], names: &[String], columns: &[Column], room: Option<u16>) -> Vec<u16> {
    let mut fitted = widths.to_vec();
    let Some(room) = room else { return fitted };
    let gives = |at: usize, width: u16| {
        let is_text = at > 0 && matches!(columns[at - 1].ty, Type::Text | Type::Bytes);
        is_text && width > CUT_MIN && usize::from(width) > names[at].chars().count()
    };
    let between = usize::from(BETWEEN) * widths.len().saturating_sub(1);
    let taken = widths.iter().map(|width| usize::from(*width)).sum::<usize>() + between;
    for _ in usize::from(room)..taken {
        let giving = (0..fitted.len()).filter(|at| gives(*at, fitted[*at]));
        let Some(widest) = giving.max_by_key(|at| fitted[*at]) else { break };
        fitted[widest] -= 1;
    }
    fitted
}

/// Rows from `start` on, laid out at least as wide as `widths`, which grow, as far as there is
/// room.
fn block(
    records: &Records,
    start: usize,
    with_header: bool,
    widths: &mut Vec<u16>,
    room: Option<u16>,
) -> String {
    let names = render::header(&records.schema);
    let mut table = filled(records, start, &names, room.is_some());
    let found = table.column_max_content_widths();
    widths.resize(found.len(), 0);
    for (known, width) in widths.iter_mut().zip(found) {
        *known = width.max(*known);
    }
    lay_out(&mut table, fitted(widths, &names, &records.schema.columns, room), records, room);
    let text = table.trim_fmt();
    let body = if with_header { &text[..] } else { text.split_once('\n').map_or("", |(_, b)| b) };
    format!("{body}\n")
}

/// Rows from `start` on under their names, each in one line where they are cut.
fn filled(records: &Records, start: usize, names: &[String], is_cut: bool) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    // Texts are cut anywhere, not between words, and what is cut off is gone.
    table.set_delimiter('\0').set_header(names);
    for row in start..records.rows().min(start + ROWS_MAX) {
        let mut fields = render::row(records, row);
        // An interval of many rows is named once.
        if row > start && records.starts[row] == records.starts[row - 1] {
            fields[0].clear();
        }
        for (field, column) in fields[1..].iter_mut().zip(&records.schema.columns) {
            *field = for_eyes(std::mem::take(field), column);
        }
        let mut fields = comfy_table::Row::from(fields);
        if is_cut {
            fields.max_height(1);
        }
        table.add_row(fields);
    }
    table
}

/// Gives columns their widths, and numbers their side.
fn lay_out(table: &mut comfy_table::Table, widths: Vec<u16>, records: &Records, room: Option<u16>) {
    let last = widths.len().saturating_sub(1);
    for (at, width) in widths.into_iter().enumerate() {
        let Some(column) = table.column_mut(at) else { continue };
        column.set_padding((0, if at == last { 0 } else { BETWEEN }));
        let pad = column.padding_width();
        let width = Width::Fixed(width.saturating_add(pad));
        column.set_constraint(match room {
            Some(_) => ColumnConstraint::Absolute(width),
            None => ColumnConstraint::LowerBoundary(width),
        });
        if at > 0 && Align::of(records.schema.columns[at - 1].ty) == Align::Right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A field as a reader takes it in at once: fractions short, and the thousands of amounts, the
/// numbers that have a unit, apart. Ports and the like are names, not amounts.
fn for_eyes(field: String, column: &Column) -> String {
    let field = match column.ty {
        _ if field.is_empty() => return "-".to_owned(),
        Type::Float => shortened(&field),
        _ => field,
    };
    let is_amount = Align::of(column.ty) == Align::Right && !column.unit.is_empty();
    match field.split_once('.') {
        _ if !is_amount => field,
        Some((whole, rest)) => format!("{}.{rest}", thousands(whole)),
        None => thousands(&field),
    }
}

/// A number with at most three decimals; what is no plain number stays as it is.
fn shortened(field: &str) -> String {
    match field.parse::<f64>() {
        Ok(x) if x.is_finite() && !field.contains('e') => {
            let text = format!("{x:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => field.to_owned(),
    }
}

/// A whole number with a comma between its thousands; anything else as it is.
pub fn thousands(digits: &str) -> String {
    if !digits.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) {
        return digits.to_owned();
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use como_core::record::{Schema, Value};
    use como_core::time::Span;
    use std::sync::Arc;

    fn top(second: u64, rows: &[(&str, u64)]) -> Records {
        let bytes = Column::new("bytes", Type::Uint).unit("bytes");
        let schema = Schema::new([Column::new("name", Type::Text), bytes]);
        let mut records = Records::empty(Arc::new(schema), Span::from_secs(5));
        for (name, bytes) in rows {
            records.push(Ts::new(second, 0), [Value::from(*name), Value::Uint(*bytes)]);
        }
        records
    }

    #[test]
    fn a_run_reads_as_one_table() {
        let mut table = Table::new(false);
        let blocks =
            [top(0, &[("a", 1_234_567), ("b", 5)]), top(5, &[]), top(5, &[("long name", 7)])];
        let text = blocks.map(|records| table.records("top", &records)).concat();
        let want = "\
ts                    name      bytes
1970-01-01T00:00:00Z  a     1,234,567
                      b             5
1970-01-01T00:00:05Z  long name          7
";
        assert_eq!(text, want);
    }

    #[test]
    fn long_texts_are_cut_where_the_terminal_is_narrow() {
        let records = top(0, &[("a name that is long", 1_234_567), ("short", 5)]);
        let shown = |room: fn() -> Option<u16>| {
            let mut table = Table { room, ..Table::new(false) };
            table.records("top", &records)
        };
        let want = "\
ts                    name             bytes
1970-01-01T00:00:00Z  a name tha…  1,234,567
                      short                5
";
        assert_eq!(shown(|| Some(44)), want);
        // Numbers stay, and of a text so much that it says something.
        assert_eq!(shown(|| Some(10)), shown(|| Some(41)));
        assert_eq!(
            shown(|| Some(10)).lines().nth(1),
            Some("1970-01-01T00:00:00Z  a name …  1,234,567")
        );
        // Where there is room, and in a pipe, all is shown.
        assert_eq!(shown(|| Some(52)), shown(|| None));
        assert!(shown(|| None).contains("a name that is long"), "{}", shown(|| None));
    }

    #[test]
    fn several_modules_are_told_apart() {
        let mut table = Table::new(true);
        let blocks = [("x", top(0, &[("a", 1)])), ("y", top(0, &[("b", 2)]))];
        let text = blocks.map(|(name, records)| table.records(name, &records)).concat();
        let want = "\
x
ts                    name  bytes
1970-01-01T00:00:00Z  a         1

y
ts                    name  bytes
1970-01-01T00:00:00Z  b         2
";
        assert_eq!(text, want);
        let gap = table.gap("y", Ts::new(5, 0), Ts::new(10, 0));
        assert!(gap.starts_with("-- y: no source from 1970-01-01T00:00:05Z"), "{gap}");
    }

    #[test]
    fn fields_are_for_eyes() {
        let check = |ty, unit: &str, field: &str, want| {
            let column = Column::new("x", ty).unit(unit);
            assert_eq!(for_eyes(field.to_owned(), &column), want);
        };
        check(Type::Uint, "", "44444", "44444");
        check(Type::Uint, "bytes", "44444", "44,444");
        check(Type::Int, "bytes", "-1000", "-1,000");
        check(Type::Float, "bytes", "1234.56789", "1,234.568");
        check(Type::Float, "", "2.0", "2");
        check(Type::Float, "", "NaN", "NaN");
        check(Type::Text, "", "", "-");
        check(Type::Text, "name", "1234", "1234");
    }
}
