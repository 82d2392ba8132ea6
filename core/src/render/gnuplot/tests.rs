//! Plots: what becomes a curve, what a panel, and what hostile texts become.

use std::sync::Arc;

use super::*;
use crate::record::{Data, Output, Value};

fn columns(columns: &[(&str, Type, &str)]) -> Arc<Schema> {
    Arc::new(Schema::new(
        columns.iter().map(|(name, ty, unit)| Column::new(*name, *ty).unit(*unit)),
    ))
}

fn rows(schema: &Arc<Schema>, rows: &[(u64, &[Value])]) -> Output {
    let mut records = Records::empty(schema.clone(), Span::from_secs(5));
    for (secs, values) in rows {
        records.push(Ts::new(*secs, 0), values.iter().cloned());
    }
    Output::Records(records)
}

fn drawn(outputs: &[Output]) -> io::Result<String> {
    let (mut out, mut plot) = (Vec::new(), Gnuplot::default());
    plot.begin(None, &mut out)?;
    for output in outputs {
        plot.output(output, &mut out)?;
    }
    plot.end(&mut out)?;
    Ok(String::from_utf8(out).expect("text"))
}

#[track_caller]
fn check(outputs: &[Output], words: &[&str]) {
    let script = drawn(outputs).expect("a vector");
    for word in words {
        assert!(script.contains(word), "`{word}` is missing in:\n{script}");
    }
}

fn uint(value: u64) -> Value {
    Value::Uint(value)
}

#[test]
fn an_amount_is_a_panel_and_a_key_a_curve() {
    let schema = columns(&[("port", Type::Uint, ""), ("bytes", Type::Uint, "bytes")]);
    let records = rows(
        &schema,
        &[(100, &[uint(80), uint(7)]), (100, &[uint(443), uint(50)]), (105, &[uint(80), uint(9)])],
    );
    check(
        &[records],
        &[
            "$p0c0 << EOD\n100 50\nEOD\n$p0c1 << EOD\n100 7\n105 9\nEOD\n",
            "set format x \"%H:%M:%S\\n%m-%d\" timedate\nset xlabel 'UTC, from \
                1970-01-01T00:01:40Z'\n",
            "set title 'bytes per 5s' noenhanced\nset ylabel 'bytes' noenhanced\n",
            "plot $p0c0 using 1:2 with linespoints pointsize 0.4 title '443', \\\n     \
             $p0c1 using 1:2 with linespoints pointsize 0.4 title '80'\n",
        ],
    );
}

#[test]
fn without_units_every_number_is_an_amount() {
    let schema = columns(&[("packets", Type::Uint, ""), ("rate", Type::Float, "")]);
    let records = rows(&schema, &[(1, &[uint(1), Value::Float(-0.5)])]);
    check(
        &[records],
        &[
            "set multiplot layout 2,1\n",
            "set title 'packets per 5s'",
            "set yrange [*:*]",
            "with linespoints pointsize 0.4 notitle\n",
            "$p1c0 << EOD\n1 -0.5\nEOD\n",
            "unset multiplot\n",
        ],
    );
}

#[test]
fn a_line_is_broken_where_nothing_was_recorded() {
    let schema = columns(&[("n", Type::Uint, "")]);
    let records = rows(&schema, &[(0, &[uint(1)]), (5, &[uint(2)]), (20, &[uint(3)])]);
    check(&[records], &["0 1\n5 2\n\n20 3\n"]);
    let gap = Output::Gap { from: Ts::new(6, 0), to: Ts::new(9, 0) };
    let before = rows(&schema, &[(0, &[uint(1)]), (5, &[uint(2)])]);
    let after = rows(&schema, &[(10, &[uint(3)])]);
    check(
        &[before, gap, after],
        &["5 2\n\n10 3\n", "# no source from 1970-01-01T00:00:06Z to 1970-01-01T00:00:09Z\n"],
    );
}

#[test]
fn the_largest_keys_are_drawn_and_the_others_counted() {
    let schema = columns(&[("name", Type::Text, ""), ("n", Type::Uint, "packets")]);
    let named: Vec<[Value; 2]> = (0..50u64).map(|n| [format!("k{n}").into(), uint(n)]).collect();
    let listed: Vec<(u64, &[Value])> = named.iter().map(|row| (0, &row[..])).collect();
    let script = drawn(&[rows(&schema, &listed)]).expect("a vector");
    assert_eq!(script.matches(" << EOD").count(), CURVES_MAX);
    assert!(script.contains("title 'k49'") && !script.contains("title 'k37'"), "{script}");
    assert!(script.contains("set title 'n per 5s, the 12 largest of 50' noenhanced"), "{script}");
}

#[test]
fn what_traffic_says_is_no_command() {
    let schema = columns(&[("name", Type::Text, ""), ("n", Type::Uint, "it's")]);
    let hostile: Value = "'`id`\n!sh @x {/Bold a_1}\u{1b}\\".into();
    check(
        &[rows(&schema, &[(0, &[hostile, uint(1)])])],
        &["title '''\u{2018}id\u{2018}\\n!sh @x {/Bold a_1}\\u{1b}\\'\n", "set ylabel 'it''s'"],
    );
}

#[test]
fn nothing_to_draw_is_said() {
    check(&[], &["# there is nothing to draw"]);
    let schema = columns(&[("name", Type::Text, "")]);
    check(&[rows(&schema, &[(0, &["x".into()])])], &["# there is nothing to draw"]);
}

#[test]
fn of_more_curves_than_are_held_the_largest_are_drawn() {
    let schema = columns(&[("port", Type::Uint, ""), ("bytes", Type::Uint, "bytes")]);
    let mut plot = Gnuplot::default();
    let mut out = Vec::new();
    for port in 0..3 * HELD_MAX as u64 {
        let bytes = if port == 7 { 1_000_000 } else { port % 100 };
        let one = rows(&schema, &[(port, &[uint(port), uint(bytes)])]);
        plot.output(&one, &mut out).expect("a vector");
        assert!(plot.curves.len() <= HELD_MAX);
    }
    plot.end(&mut out).expect("a vector");
    let script = String::from_utf8(out).expect("text");
    for word in ["$p0c0 << EOD\n7 1000000\n", "# too many keys", "the 12 largest of 24576"] {
        assert!(script.contains(word), "`{word}` is missing");
    }
}

#[test]
fn more_records_than_a_plot_can_show_are_refused() {
    let schema = columns(&[("n", Type::Uint, "")]);
    let mut records = Records::empty(schema, Span(1));
    records.starts = (0..=POINTS_MAX as u64).map(Ts).collect();
    records.cells[0].data = Data::Uint(vec![1; POINTS_MAX + 1]);
    let error = drawn(&[Output::Records(records)]).expect_err("too many").to_string();
    assert!(error.contains("ask for less time"), "{error}");
}
