//! One set of records in every format, and what hostile texts become.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::addr::{Addr, Mac};
use crate::module::{Fault, Limit, Severity};
use crate::record::{Column, Value};
use crate::time::Span;

fn records() -> Records {
    let columns = [
        Column::new("addr", Type::Addr),
        Column::new("bytes", Type::Uint),
        Column::new("name", Type::Text),
        Column::new("rate", Type::Float),
    ];
    let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(5));
    let addr = |text: &str| Value::Addr(text.parse().expect("an address"));
    let ts = Ts::new(1_700_000_000, 0);
    records.push(ts, [addr("10.0.0.1"), 1500u64.into(), "a,b".into(), 1.0.into()]);
    records.push(ts, [addr("fe80::1"), 7u64.into(), Value::Null, f64::NAN.into()]);
    let hostile = "=<b>\"x\"\u{1b}[2J\n'&\u{202e}ü";
    let later = Ts::new(1_700_000_005, 250_000_000);
    records.push(later, [Value::Null, u64::MAX.into(), hostile.into(), (-1e300).into()]);
    records
}

fn rendered(format: Format, outputs: &[Output]) -> String {
    let mut out = Vec::new();
    let mut renderer = format.renderer().expect("a format of the core");
    renderer.begin(None, &mut out).expect("a vector");
    for output in outputs {
        renderer.output(output, &mut out).expect("a vector");
    }
    renderer.end(&mut out).expect("a vector");
    String::from_utf8(out).expect("text")
}

fn outputs() -> [Output; 2] {
    let gap = Output::Gap { from: Ts::new(1_700_000_010, 0), to: Ts::new(1_700_000_020, 0) };
    [Output::Records(records()), gap]
}

#[test]
fn ndjson_is_an_object_a_line() {
    let want = concat!(
        r#"{"ts":"2023-11-14T22:13:20Z","addr":"10.0.0.1","bytes":1500,"name":"a,b","rate":1.0}"#,
        "\n",
        r#"{"ts":"2023-11-14T22:13:20Z","addr":"fe80::1","bytes":7,"name":null,"rate":null}"#,
        "\n",
        r#"{"ts":"2023-11-14T22:13:25.250Z","addr":null,"bytes":18446744073709551615,"#,
        r#""name":"=<b>\"x\"\u001b[2J\n'&\u202eü","rate":-1e300}"#,
        "\n",
        r#"{"ts":"2023-11-14T22:13:30Z","gap_until":"2023-11-14T22:13:40Z"}"#,
        "\n",
    );
    assert_eq!(rendered(Format::Ndjson, &outputs()), want);
}

#[test]
fn json_is_one_array_of_the_same_objects() {
    let array = rendered(Format::Json, &outputs());
    let objects: Vec<serde_json::Value> = serde_json::from_str(&array).expect("an array");
    let lines = rendered(Format::Ndjson, &outputs());
    let parsed = lines.lines().map(|line| serde_json::from_str(line).expect("an object"));
    assert_eq!(objects, parsed.collect::<Vec<serde_json::Value>>());
    assert_eq!(rendered(Format::Json, &[]), "[]\n");
    assert_eq!(rendered(Format::Ndjson, &[]), "");
}

#[test]
fn csv_has_its_header_once_and_no_formulas() {
    let want = concat!(
        "ts,addr,bytes,name,rate\r\n",
        "2023-11-14T22:13:20Z,10.0.0.1,1500,\"a,b\",1.0\r\n",
        "2023-11-14T22:13:20Z,fe80::1,7,,NaN\r\n",
        "2023-11-14T22:13:25.250Z,,18446744073709551615,",
        "\"'=<b>\"\"x\"\"\\u{1b}[2J\\n'&\\u{202e}ü\",-1e300\r\n",
    );
    assert_eq!(rendered(Format::Csv, &outputs()), want);
    let twice = [Output::Records(records()), Output::Records(records())];
    assert_eq!(rendered(Format::Csv, &twice).matches("ts,addr").count(), 1);
}

#[test]
fn plain_text_is_aligned_by_type() {
    let mut records = records().slice(0..2);
    records.cells[1].replace_last(Value::Null);
    let text = rendered(Format::Plain, &[Output::Records(records), outputs()[1].clone()]);
    let want = [
        "ts                    addr      bytes  name  rate",
        "2023-11-14T22:13:20Z  10.0.0.1   1500  a,b    1.0",
        "2023-11-14T22:13:20Z  fe80::1                 NaN",
        "-- no source from 2023-11-14T22:13:30Z to 2023-11-14T22:13:40Z --",
        "",
    ];
    assert_eq!(text, want.join("\n"));
}

#[test]
fn an_answer_that_breaks_off_says_so_last() {
    let broken = |format: Format| {
        let mut out = Vec::new();
        let mut renderer = format.renderer().expect("a format of the core");
        renderer.begin(None, &mut out).expect("a vector");
        renderer.output(&outputs()[1], &mut out).expect("a vector");
        renderer.broken("<disk> \"gone\"", &mut out).expect("a vector");
        String::from_utf8(out).expect("text")
    };
    let last = |format| broken(format).lines().last().map(str::to_owned);
    let error = r#"{"error":"<disk> \"gone\""}"#;
    assert_eq!(last(Format::Ndjson).as_deref(), Some(error));
    let array: Vec<serde_json::Value> =
        serde_json::from_str(&broken(Format::Json)).expect("an array");
    assert_eq!(array.last().map(ToString::to_string).as_deref(), Some(error));
    assert_eq!(last(Format::Csv).as_deref(), Some(r#""error: <disk> ""gone""""#));
    assert_eq!(last(Format::Plain).as_deref(), Some(r#"error: <disk> "gone""#));
    assert_eq!(broken(Format::Gnuplot), "exit error '<disk> \"gone\"'\n");
    let page = broken(Format::Html);
    assert!(page.contains("error: &lt;disk&gt;") && page.ends_with("</html>\n"), "{page}");
    // Before anything was written it is whole as well.
    for (format, begin) in [(Format::Html, "<!"), (Format::Json, "[\n{\"error\"")] {
        let (mut out, mut renderer) = (Vec::new(), format.renderer().expect("a format"));
        renderer.broken("gone", &mut out).expect("a vector");
        assert!(out.starts_with(begin.as_bytes()), "{format:?}");
    }
}

#[test]
fn alerts_stand_where_a_format_has_a_place_for_them() {
    let alert = Alert {
        ts: Ts::new(1_700_000_000, 0),
        severity: Severity::Warning,
        text: "many <b>\u{1b}[2J".to_owned(),
        fields: "{\"n\":7}".to_owned(),
    };
    let written = |format: Format| {
        let (mut out, mut renderer) = (Vec::new(), format.renderer().expect("of the core"));
        renderer.begin(None, &mut out).expect("a vector");
        renderer.alert(&alert, &mut out).expect("a vector");
        renderer.end(&mut out).expect("a vector");
        String::from_utf8(out).expect("text")
    };
    let text = r#""text":"many <b>\u001b[2J","fields":"{\"n\":7}""#;
    let object = format!(r#"{{"ts":"2023-11-14T22:13:20Z","alert":"warning",{text}}}"#);
    assert_eq!(written(Format::Ndjson), format!("{object}\n"));
    assert_eq!(written(Format::Json), format!("[\n{object}\n]\n"));
    assert_eq!(
        written(Format::Plain),
        "-- alert: 2023-11-14T22:13:20Z warning: many <b>\\u{1b}[2J {\"n\":7} --\n"
    );
    assert!(written(Format::Html).contains("warning: many &lt;b&gt;\\u{1b}[2J"));
    assert!(written(Format::Gnuplot).contains("# alert: 2023-11-14T22:13:20Z warning: many"));
    assert_eq!(written(Format::Csv), "");
}

#[test]
fn html_is_escaped() {
    let page = rendered(Format::Html, &outputs());
    assert!(page.contains(
        "<td></td><td class=\"n\">18446744073709551615</td>\
         <td>=&lt;b&gt;&quot;x&quot;\\u{1b}[2J\\n&#39;&amp;\\u{202e}ü</td>"
    ));
    assert!(page.contains("<td colspan=\"5\">no source from 2023-11-14T22:13:30Z"));
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(rendered(Format::Html, &[]).ends_with("</html>\n"));
}

#[test]
fn columns_that_change_get_a_header_of_their_own() {
    let mut other = Records::empty(Arc::new(Schema::new([Column::new("n", Type::Uint)])), Span(1));
    other.push(Ts(0), [Value::Uint(1)]);
    let both = [Output::Records(records().slice(0..1)), Output::Records(other)];
    let csv = rendered(Format::Csv, &both);
    assert!(csv.ends_with("1.0\r\nts,n\r\n1970-01-01T00:00:00Z,1\r\n"), "{csv}");
    assert!(rendered(Format::Ndjson, &both).ends_with(",\"n\":1}\n"));
    assert_eq!(rendered(Format::Html, &both).matches("<table>").count(), 2);
}

#[test]
fn rows_for_a_table_are_texts() {
    let records = records();
    assert_eq!(header(&records.schema), ["ts", "addr", "bytes", "name", "rate"]);
    assert_eq!(row(&records, 1), ["2023-11-14T22:13:20Z", "fe80::1", "7", "", "NaN"]);
}

#[test]
fn every_type_has_a_text() {
    let columns = Type::ALL.map(|ty| Column::new(ty.name(), ty));
    let mut records = Records::empty(Arc::new(Schema::new(columns)), Span(1));
    let values: [Value; 9] = [
        true.into(),
        1u64.into(),
        (-1i64).into(),
        0.5.into(),
        Addr::v4([1, 2, 3, 4]).into(),
        Mac::new([0, 0x1b, 0x21, 0xa, 0xb, 0xc]).into(),
        "x".into(),
        vec![0u8, 255].into(),
        Ts::new(1, 1_000).into(),
    ];
    records.push(Ts(0), values);
    records.push(Ts(0), []);
    let want = concat!(
        r#"{"ts":"1970-01-01T00:00:00Z","bool":true,"uint":1,"int":-1,"float":0.5,"#,
        r#""addr":"1.2.3.4","mac":"00:1b:21:0a:0b:0c","text":"x","bytes":"00ff","#,
        r#""time":"1970-01-01T00:00:01.000001Z"}"#,
        "\n",
        r#"{"ts":"1970-01-01T00:00:00Z","bool":null,"uint":null,"int":null,"float":null,"#,
        r#""addr":null,"mac":null,"text":null,"bytes":null,"time":null}"#,
        "\n",
    );
    assert_eq!(rendered(Format::Ndjson, &[Output::Records(records)]), want);
}

#[test]
fn an_unknown_format_names_the_nearest() {
    let message = |name| Format::named(name).map_err(|e| e.to_string());
    assert_eq!(message("csv"), Ok(Format::Csv));
    assert_eq!(message("jsn"), Err("unknown format `jsn`; did you mean `json`?".into()));
    assert_eq!(message("pcapn"), Err("unknown format `pcapn`; did you mean `pcap`?".into()));
    let all = "unknown format `yaml!`; write one of ndjson, typed, json, csv, plain, html, \
               gnuplot, arrow, parquet, or for packets of a trace pcapng, pcap";
    assert_eq!(message("yaml!"), Err(all.into()));
}

struct Own;

impl Print for Own {
    fn print(&mut self, _: Ts, _: &Schema, values: &[Value]) -> Result<Option<String>, Fault> {
        match &values[1] {
            Value::Uint(1500) => Ok(Some("big \u{1b}[2J\tone".into())),
            Value::Uint(7) => Ok(None),
            _ => Err(Fault::new("no")),
        }
    }
}

#[test]
fn a_modules_own_print_is_tamed_and_its_faults_are_told() {
    let mut out = Vec::new();
    let mut renderer = printed(Box::new(Own));
    renderer.records(&records(), &mut out).expect("a vector");
    assert_eq!(out, b"big \\u{1b}[2J\tone\n");
    assert!(renderer.end(&mut out).is_err());
}

/// Fails always, and counts how often it was asked.
struct Failing(Arc<AtomicU64>);

impl Print for Failing {
    fn print(&mut self, _: Ts, _: &Schema, _: &[Value]) -> Result<Option<String>, Fault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Fault { limit: Some(Limit::Cpu), ..Fault::new("too slow") })
    }
}

#[test]
fn a_print_that_keeps_failing_is_not_tried_for_ever_and_says_why() {
    let mut out = Vec::new();
    let asked = Arc::new(AtomicU64::new(0));
    let mut renderer = printed(Box::new(Failing(asked.clone())));
    let (records, times) = (records(), 50);
    for _ in 0..times {
        renderer.records(&records, &mut out).expect("a vector");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 10);
    let lost = renderer.end(&mut out).expect_err("nothing was printed").to_string();
    let want = format!("could not print {} of its records: too slow", times * records.starts.len());
    assert!(lost.contains(&want), "{lost}");
}

proptest! {
    #[test]
    fn instants_are_written_as_they_display(ns: u64) {
        for ts in [Ts(ns), Ts(ns / 1_000 * 1_000), Ts(ns / 1_000_000_000 * 1_000_000_000)] {
            let mut out = Vec::new();
            text::put_ts(&mut out, ts);
            prop_assert_eq!(String::from_utf8(out).expect("text"), ts.to_string());
        }
    }

    #[test]
    fn numbers_are_written_as_they_display(value: u64, bits in 0u32..64) {
        for value in [value >> bits, 10u64.pow(bits % 20), 10u64.pow(bits % 20) - 1] {
            let mut out = b"ahead ".to_vec();
            text::put_uint(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).expect("text"), format!("ahead {value}"));
        }
    }

    #[test]
    fn addresses_are_written_as_they_display(bits: u128, zeros: u8, shift in 0u32..128) {
        // Whole parts are zero as often as not, and the leading digits of others.
        let part = |at: u32| if zeros >> at & 1 == 0 { 0xffffu128 << (16 * at) } else { 0 };
        let mask = (0..8).fold(0, |mask, at| mask | part(at));
        let mapped = 0xffff << 32 | bits >> 96;
        for bits in [bits, bits & mask, bits & mask & mask >> (shift % 16), bits >> shift, mapped] {
            for addr in [Addr::from_bits(true, bits), Addr::from_bits(false, bits)] {
                let mut out = b"ahead ".to_vec();
                text::put_addr(&mut out, addr);
                prop_assert_eq!(String::from_utf8(out).expect("text"), format!("ahead {addr}"));
            }
        }
    }

    #[test]
    fn lines_of_numbers_and_addresses_are_the_objects_of_the_array(
        rows in prop::collection::vec(any::<(u64, u32, u128, bool)>(), 0..40),
        names in prop::collection::vec(".{0,40}", 2),
        times in 1usize..50,
    ) {
        let [a, b] = [Column::new(&names[0], Type::Uint), Column::new(&names[1], Type::Addr)];
        let mut records = Records::empty(Arc::new(Schema::new([a, b])), Span(1));
        for (ts, shift, bits, is_v6) in rows.iter().cycle().take(rows.len() * times) {
            let addr = Addr::from_bits(*is_v6, *bits);
            records.push(Ts(*ts), [Value::Uint(ts >> (shift % 64)), Value::Addr(addr)]);
        }
        let lines = rendered(Format::Ndjson, &[Output::Records(records.clone())]);
        let array = rendered(Format::Json, &[Output::Records(records)]);
        let joined = lines.trim_end().replace('\n', ",\n");
        let want = if joined.is_empty() { "[]\n".into() } else { format!("[\n{joined}\n]\n") };
        prop_assert!(array == want, "{array}\nis not\n{want}");
    }

    #[test]
    fn any_text_is_one_line_of_json_that_reads_back(text: String) {
        let schema = Arc::new(Schema::new([Column::new(text.clone(), Type::Text)]));
        let mut records = Records::empty(schema, Span(1));
        records.push(Ts(0), [Value::Text(text.clone())]);
        let line = rendered(Format::Ndjson, &[Output::Records(records)]);
        prop_assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).expect("an object");
        if text != "ts" {
            prop_assert_eq!(object[&text].as_str(), Some(&text[..]));
        }
    }
}
