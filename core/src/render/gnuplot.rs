//! A script that gnuplot draws: `como query traffic --format gnuplot | gnuplot -persist`.
//!
//! Time runs to the right. Each amount has a panel, each key a curve: those with
//! the largest sums, and of the others a word. What came from traffic stands in
//! quotes that gnuplot takes nothing out of: it would run what stands in
//! backquotes as a command.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use super::{Renderer, flush, text, told, unheard};
use crate::module::Alert;
use crate::record::{Column, Records, Schema, Type};
use crate::storage::scan::Damage;
use crate::time::{Span, Ts};

/// Curves in a panel.
const CURVES_MAX: usize = 12;

/// Panels in a plot.
const PANELS_MAX: usize = 4;

/// Points held, of all keys: more than any screen shows. With all that curves take beside them they
/// are some 50 MB, and twice that while there is room to grow.
const POINTS_MAX: usize = 1_000_000;

/// Curves held. When there are more, all but the largest go.
const HELD_MAX: usize = 8192;

/// Up to this long a plot has seconds under it.
const SHORT: Span = Span::from_secs(600);

/// Characters of a key that are shown.
const TITLE_CHARS: usize = 80;

#[derive(Default)]
pub(super) struct Gnuplot {
    // The columns of what is plotted, by their names: records of other columns have others.
    panels: Vec<Panel>,
    // How long the intervals are; the longest of several.
    len: Span,
    // By key.
    curves: HashMap<String, Curve>,
    // Of all curves.
    points: usize,
    // How many curves have gone.
    gone: usize,
    gaps: Vec<(Ts, Ts)>,
    remarks: Vec<String>,
}

/// One amount over time.
struct Panel {
    name: String,
    unit: String,
}

/// The amounts of one key.
#[derive(Default)]
struct Curve {
    // The sum of each panel's values.
    sums: Vec<f64>,
    // When, and a value for each panel; not a number where there is none.
    points: Vec<(Ts, [f64; PANELS_MAX])>,
}

/// Whether a column can be drawn at all.
fn is_number(column: &Column) -> bool {
    matches!(column.ty, Type::Uint | Type::Int | Type::Float)
}

/// Where the amounts stand, and the keys. Numbers without a unit beside numbers with one are names,
/// as ports are.
fn roles(schema: &Schema) -> (Vec<usize>, Vec<usize>) {
    let all = || schema.columns.iter().enumerate();
    let with_units = all().any(|(_, column)| is_number(column) && !column.unit.is_empty());
    let is_amount = |column: &Column| match column.ty {
        Type::Float => true,
        _ => is_number(column) && (!with_units || !column.unit.is_empty()),
    };
    let (amounts, keys): (Vec<_>, Vec<_>) = all().partition(|(_, column)| is_amount(column));
    let places = |columns: Vec<(usize, &Column)>| columns.into_iter().map(|(at, _)| at).collect();
    (places(amounts), places(keys))
}

impl Gnuplot {
    /// The panel of each amount, as far as there are panels.
    fn panels_of(&mut self, schema: &Schema, amounts: &[usize]) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        for &at in amounts {
            let column = &schema.columns[at];
            let known = self.panels.iter().position(|panel| panel.name == column.name);
            match known {
                Some(panel) => places.push((panel, at)),
                None if self.panels.len() < PANELS_MAX => {
                    places.push((self.panels.len(), at));
                    let (name, unit) = (column.name.clone(), column.unit.clone());
                    self.panels.push(Panel { name, unit });
                }
                None => self.remark(format!("{} is left out", column.name)),
            }
        }
        places
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < 100 && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Makes room: of each panel the largest curves stay.
    fn let_go(&mut self) -> io::Result<()> {
        let mut kept = HashSet::new();
        for panel in 0..self.panels.len() {
            let largest = self.ranked(panel).into_iter().take(HELD_MAX / 2 / PANELS_MAX);
            kept.extend(largest.map(|(key, _)| key.to_owned()));
        }
        let before = self.curves.len();
        self.curves.retain(|key, _| kept.contains(key));
        self.gone += before - self.curves.len();
        self.points = self.curves.values().map(|curve| curve.points.len()).sum();
        if self.points > POINTS_MAX / 2 {
            let what = format!("more than {POINTS_MAX} points are too many for a plot");
            return Err(io::Error::other(format!("{what}: ask for less time, or fewer rows")));
        }
        self.remark(
            "too many keys to hold: of those that were small the beginning is missing".into(),
        );
        Ok(())
    }

    /// The curves of a panel, those with the largest sums first.
    fn ranked(&self, panel: usize) -> Vec<(&str, &Curve)> {
        let sum = |curve: &Curve| curve.sums.get(panel).copied().unwrap_or(0.0);
        let mut all: Vec<(&str, &Curve)> = self
            .curves
            .iter()
            .filter(|(_, curve)| curve.points.iter().any(|(_, values)| values[panel].is_finite()))
            .map(|(key, curve)| (key.as_str(), curve))
            .collect();
        all.sort_by(|(a, x), (b, y)| sum(y).total_cmp(&sum(x)).then_with(|| a.cmp(b)));
        all
    }

    /// The curves drawn in a panel, the largest first, and how many there would be.
    fn shown(&self, panel: usize) -> (Vec<(&str, &Curve)>, usize) {
        let mut all = self.ranked(panel);
        let count = all.len() + self.gone;
        all.truncate(CURVES_MAX);
        (all, count)
    }

    /// The points of a curve in one panel. Where an interval is missing, the line is broken.
    fn data(&self, curve: &Curve, panel: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let mut last: Option<Ts> = None;
        for (ts, values) in &curve.points {
            let value = values[panel];
            if !value.is_finite() {
                continue;
            }
            let broken = last.is_some_and(|last| {
                let skipped = self.len.0 > 0 && (*ts - last).0 > self.len.0.saturating_mul(3) / 2;
                skipped || self.gaps.iter().any(|(from, to)| last < *to && *from < *ts)
            });
            if broken {
                out.push(b'\n');
            }
            let (secs, nanos) = ts.parts();
            write!(out, "{secs}")?;
            if nanos > 0 {
                write!(out, ".{nanos:09}")?;
            }
            writeln!(out, " {value}")?;
            last = Some(*ts);
        }
        Ok(())
    }
}

impl Renderer for Gnuplot {
    fn records(&mut self, records: &Records, _: &mut dyn Write) -> io::Result<()> {
        let (amounts, keys) = roles(&records.schema);
        let panels = self.panels_of(&records.schema, &amounts);
        self.len = self.len.max(records.len);
        let (mut key, mut cell) = (Vec::new(), Vec::new());
        for (row, ts) in records.starts.iter().enumerate() {
            key.clear();
            for at in &keys {
                cell.clear();
                text::put_cell(&mut cell, &records.cells[*at], row, text::put_escaped);
                if !key.is_empty() {
                    key.push(b' ');
                }
                key.extend_from_slice(if cell.is_empty() { b"-" } else { &cell });
            }
            let key = String::from_utf8_lossy(&key);
            let key: String = key.chars().take(TITLE_CHARS).collect();
            let curve = self.curves.entry(key).or_default();
            let mut values = [f64::NAN; PANELS_MAX];
            curve.sums.resize(PANELS_MAX, 0.0);
            for &(panel, at) in &panels {
                let value = records.value(row, at).as_float().filter(|value| value.is_finite());
                values[panel] = value.unwrap_or(f64::NAN);
                curve.sums[panel] += value.unwrap_or(0.0);
            }
            match curve.points.last_mut() {
                // Keys that differ behind what is shown of them.
                Some((last, sums)) if last == ts => {
                    for (sum, value) in sums.iter_mut().zip(values).filter(|(_, v)| !v.is_nan()) {
                        *sum = if sum.is_nan() { value } else { *sum + value };
                    }
                }
                _ => {
                    curve.points.push((*ts, values));
                    self.points += 1;
                }
            }
            if self.curves.len() > HELD_MAX || self.points > POINTS_MAX {
                self.let_go()?;
            }
        }
        Ok(())
    }

    fn gap(&mut self, from: Ts, to: Ts, _: &mut dyn Write) -> io::Result<()> {
        self.remark(unheard(from, to));
        if self.gaps.len() < 1000 {
            self.gaps.push((from, to));
        }
        Ok(())
    }

    fn damage(&mut self, damage: &Damage, _: &mut dyn Write) -> io::Result<()> {
        self.remark(format!("damaged: {damage}"));
        Ok(())
    }

    fn inexact(&mut self, why: &str, _: &mut dyn Write) -> io::Result<()> {
        self.remark(why.to_owned());
        Ok(())
    }

    fn places_alerts(&self) -> bool {
        true
    }

    fn alert(&mut self, alert: &Alert, _: &mut dyn Write) -> io::Result<()> {
        self.remark(format!("alert: {}", told(alert)));
        Ok(())
    }

    /// All of it is drawn or nothing.
    fn broken(&mut self, why: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "exit error {}", quoted(why))
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut script = Vec::new();
        writeln!(script, "# como: draw it with `gnuplot -persist FILE`, or into a file with")?;
        writeln!(
            script,
            "# gnuplot -e \"set terminal svg size 1000,700; set output 'plot.svg'\" FILE"
        )?;
        for remark in &self.remarks {
            writeln!(script, "# {}", text::shown(remark))?;
        }
        let panels: Vec<usize> =
            (0..self.panels.len()).filter(|panel| self.shown(*panel).1 > 0).collect();
        if panels.is_empty() {
            writeln!(script, "# there is nothing to draw: no records with numbers")?;
            return flush(&mut script, out);
        }
        script.extend_from_slice(SETTINGS);
        let times =
            || self.curves.values().flat_map(|curve| curve.points.iter().map(|(ts, _)| *ts));
        let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        let clock = if last - first > SHORT { "%H:%M" } else { "%H:%M:%S" };
        writeln!(script, "set format x \"{clock}\\n%m-%d\" timedate")?;
        writeln!(script, "set xlabel 'UTC, from {first}'")?;
        if panels.len() > 1 {
            writeln!(script, "set multiplot layout {},1", panels.len())?;
        }
        for panel in &panels {
            self.draw(*panel, &mut script)?;
            flush(&mut script, out)?;
        }
        if panels.len() > 1 {
            writeln!(script, "unset multiplot")?;
        }
        flush(&mut script, out)
    }
}

/// Times are seconds since 1970, and no text is taken for more than text.
const SETTINGS: &[u8] = b"set xdata time
set timefmt '%s'
set grid
set key outside right noenhanced
";

impl Gnuplot {
    /// One panel: its data, its title, its curves.
    fn draw(&self, at: usize, script: &mut Vec<u8>) -> io::Result<()> {
        let (curves, all) = self.shown(at);
        let panel = &self.panels[at];
        for (number, (_, curve)) in curves.iter().enumerate() {
            writeln!(script, "$p{at}c{number} << EOD")?;
            self.data(curve, at, script)?;
            writeln!(script, "EOD")?;
        }
        let mut title = panel.name.clone();
        if self.len.0 > 0 {
            title += &format!(" per {}", self.len);
        }
        if all > curves.len() {
            title += &format!(", the {} largest of {all}", curves.len());
        }
        writeln!(script, "set title {} noenhanced", quoted(&title))?;
        let unit = if panel.unit.is_empty() { &panel.name } else { &panel.unit };
        writeln!(script, "set ylabel {} noenhanced", quoted(unit))?;
        let is_negative = |curve: &Curve| curve.points.iter().any(|(_, values)| values[at] < 0.0);
        let low = if curves.iter().any(|(_, curve)| is_negative(curve)) { "*" } else { "0" };
        writeln!(script, "set yrange [{low}:*]")?;
        for (number, (key, _)) in curves.iter().enumerate() {
            let lead = if number == 0 { "plot" } else { ", \\\n    " };
            let title = match *key {
                "" => "notitle".to_owned(),
                key => format!("title {}", quoted(key)),
            };
            write!(
                script,
                "{lead} $p{at}c{number} using 1:2 with linespoints pointsize 0.4 {title}"
            )?;
        }
        writeln!(script)
    }
}

/// A text in single quotes, in which gnuplot replaces nothing.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text::shown(text).chars() {
        match c {
            '\'' => quoted.push_str("''"),
            // Safe in single quotes; but a script is copied, and edited.
            '`' => quoted.push('\u{2018}'),
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

#[cfg(test)]
mod tests;
