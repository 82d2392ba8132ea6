//! The manual of filters holds: every example parses, every field is in its table.

use como_core::field::{Field, Kind};
use como_core::filter::parse;

const MANUAL: &str = include_str!("../../docs/filters.md");

#[test]
fn every_example_parses_without_a_warning() {
    let mut n_examples = 0;
    for block in MANUAL.split("```filter\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        for line in block.lines() {
            let text = line.split(" # ").next().unwrap_or(line);
            let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(parsed.warnings, [], "{text}");
            n_examples += 1;
        }
    }
    assert!(n_examples > 20, "where are the examples?");
}

#[test]
fn every_field_stands_in_the_table() {
    for field in Field::ALL {
        let kind = match field.kind() {
            Kind::Bool => "yes/no",
            Kind::Uint | Kind::Int | Kind::Big => "number",
            Kind::Addr => "address",
            Kind::Mac => "MAC",
            Kind::Code | Kind::CommunityId => "text",
            Kind::Bytes => "bytes",
        };
        let row = format!("| `{}` | {kind} | {} |", field.name(), field.doc());
        assert!(MANUAL.lines().any(|line| line == row), "docs/filters.md lacks the row\n{row}");
    }
}
