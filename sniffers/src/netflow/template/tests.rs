//! Templates as they are made ready, and records read by them.

use super::*;
use crate::netflow::made;

fn one(fields: &[made::Field], format: Format) -> Option<Template> {
    let bytes = made::template(256, fields);
    let mut set = &bytes[..];
    let template = next(&mut set, format, false, Ts(0)).ok()??;
    assert!(set.is_empty());
    Some(template.1)
}

/// What is read of a record, and how many bytes are left behind it.
type Seen<'a> = (&'a [(Element, &'a [u8])], usize);

#[track_caller]
fn check(fields: &[made::Field], record: &[u8], want: Option<Seen<'_>>) {
    let template = one(fields, Format::Ipfix).expect("a template");
    let (mut rest, mut seen) = (record, Vec::new());
    let got = template.read(&mut rest, |element, bytes| seen.push((element, bytes)));
    assert_eq!(got.map(|()| (&seen[..], rest.len())), want);
}

#[test]
fn what_means_nothing_is_skipped_together() {
    let fields = [(16, 2), (17, 2), (8, 4), (61, 1), (40_000, 0), (62, 9)];
    assert_eq!(one(&fields, Format::V9).map(|template| template.steps()), Some(3));
    let record = [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    check(&fields[..4], &record, Some((&[(Element::Src4, &[1, 2, 3, 4])], 10)));
}

#[test]
fn lengths_within_a_record_are_checked() {
    let fields = [(82, VARIABLE), (4, 1)];
    check(&fields, &[2, b'a', b'b', 17], Some((&[(Element::Proto, &[17])], 0)));
    check(&fields, &[255, 0, 1, b'a', 6, 0], Some((&[(Element::Proto, &[6])], 1)));
    check(&fields, &[3, b'a', b'b'], None);
    check(&fields, &[255, 0], None);
    check(&fields, &[0], None);
    check(&[(4, 1), (1, 4)], &[6, 0, 0, 0], None);
}

#[test]
fn numbers_of_odd_lengths_are_read_and_addresses_are_not() {
    let is_flow = |fields: &[made::Field]| one(fields, Format::V9).expect("a template").is_flow;
    assert!(is_flow(&[(8, 4), (1, 3)]) && is_flow(&[(28, 16), (2, 8)]));
    assert!(!is_flow(&[(8, 3), (1, 4)]) && !is_flow(&[(8, 4), (1, 20)]) && !is_flow(&[(8, 4)]));
}

#[test]
fn withdrawals_are_passed_over() {
    let bytes = [vec![1, 0, 0, 0], made::template(300, made::PLAIN)].concat();
    let mut set = &bytes[..];
    let (id, _) = next(&mut set, Format::Ipfix, false, Ts(0)).expect("no flaw").expect("one");
    assert_eq!(id, 300);
}
