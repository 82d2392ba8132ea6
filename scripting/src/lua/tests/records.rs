//! From tables and states to records and back.

use super::*;
use como_core::module::Setup;

#[test]
fn tables_are_read_row_by_row() {
    let text = r#"
key   = { addr = "ip.dst", port = "dport" }
value = { bytes = sum("len"), packets = count() }
function export(table, long)
  local rows = {}
  for row in table:all() do
    local each = row.bytes / row.packets
    if row.packets > 1 then rows[#rows + 1] = { addr = row.addr, each = each } end
  end
  local top = table:top("bytes", 2)
  assert(#top == 2 and top[1].bytes == 300 and top[3] == nil)
  assert(#table == 4 and table:find(addr("10.0.0.3"), 443).packets == 1)
  for row in table do assert(row.port) end
  return rows
end
"#;
    check(text, &[], &["addr=10.0.0.9 each=150"]);
}

#[test]
fn rows_of_a_closed_interval_are_refused() {
    let text = r#"
key   = { addr = "ip.dst" }
value = { bytes = sum("len") }
local kept
function export(table)
  if kept then return kept end
  kept = table:all()
end
"#;
    let mut running = start(text);
    running.feed(some());
    assert_eq!(running.rows(), [""; 0]);
    running.feed(some());
    running.rows();
    assert!(running.faults[0].to_string().contains("an interval that has closed"));
}

#[test]
fn long_tables_are_folded_and_asked_about() {
    let text = r#"
key   = { addr = "ip.dst" }
value = { bytes = sum("len") }
long  = { timeout = "10s" }
function export(table, long) long:fold(table) end
function action(row, now)
  if row.addr == addr("10.0.0.9") then return "store" end
  if row.bytes < 100 then return "discard" end
  return "keep"
end
"#;
    let mut running = start(text);
    running.feed(some());
    assert_eq!(running.rows(), ["addr=10.0.0.9 bytes=300"]);
    running.feed(some());
    assert_eq!(running.rows(), ["addr=10.0.0.9 bytes=300"]);
    running.faultless();
    let still = text.replace("return \"keep\"", "return \"store\"");
    let mut running =
        start(&still.replace("function export(table, long) long:fold(table) end", ""));
    running.feed(some());
    assert_eq!(running.rows(), ["addr=10.0.0.9 bytes=300", "addr=2001:db8::1 bytes=150"]);
}

#[test]
fn records_may_be_stored_shown_and_replayed_in_ways_of_its_own() {
    let text = r#"
key   = { src = "ip.src", dst = "ip.dst" }
value = { bytes = sum("len"), packets = count() }
schema = nil
function store(record) return string.pack("<I4", record.bytes) .. tostring(record.dst) end
function load(bytes)
  return { bytes = string.unpack("<I4", bytes), dst = addr(bytes:sub(5)) }
end
function print(record, format) return `{format} {record.dst} {record.bytes} at {record.ts}` end
function replay(record)
  local later = { ts = record.ts + 1, dst = record.dst, proto = 17, bytes = record.bytes }
  return { later, { ts = record.ts } }
end
"#;
    let mut running = start(text);
    running.feed(some().into_iter().take(1));
    let records = running.close(false);
    running.faultless();
    let [records] = &records[..] else { panic!("one block") };
    assert_eq!(shown(records), ["data=[100, 0, 0, 0, 49, 48, 46, 48, 46, 48, 46, 57]"]);
    let kind = load(text).expect("loads");
    let values = [records.value(0, 0)];
    let mut printer = kind.printer("plain", &Setup::default()).expect("has print");
    let shown = printer.print(Ts::new(7, 0), &records.schema, &values);
    assert_eq!(shown, Ok(Some("plain 10.0.0.9 100 at 7".into())));
    let mut replayer = kind.replayer(&Setup::default()).expect("has replay");
    let interval = Interval::holding(Ts::new(7, 0), running.started.interval);
    let packets = replayer.replay(interval, &records.schema, &values).expect("replays");
    assert_eq!(packets.iter().map(|p| p.ts).collect::<Vec<_>>(), [Ts::new(7, 0), Ts::new(8, 0)]);
    assert_eq!(
        (packets[1].said.proto, packets[1].weight.bytes, packets[1].weight.packets),
        (Some(17), 100, 1)
    );
}

#[test]
fn a_schema_types_records_of_the_scripts_own() {
    let text = r#"
schema = { share = "float", bytes = "uint bytes" }
function update(pkt, state) state.bytes = (state.bytes or 0) + pkt.len end
function export(state) return { bytes = state.bytes, share = 1 } end
"#;
    let mut running = start(text);
    assert!(running.started.schema.is_some());
    running.feed(some());
    assert_eq!(running.rows(), ["share=1 bytes=630"]);
}

#[test]
fn a_packet_that_is_kept_is_an_error_not_another_packet() {
    let text = r#"
function update(pkt, state) if not state.kept then state.kept = pkt end end
function export(state) return { len = state.kept.len } end
"#;
    let mut running = start(text);
    running.feed(some());
    running.rows();
    assert!(
        running.faults[0].to_string().contains("keep the fields you need"),
        "{:?}",
        running.faults
    );
}

#[test]
fn a_packet_kept_from_a_call_that_failed_is_gone_too() {
    for (kept, field) in [("pkt", "len"), ("pkt", "ip_src"), ("pkt.ip", "src"), ("pkt.ip", "ttl")] {
        let text = format!(
            "function update(pkt, state) local a = pkt.ip and pkt.ip.src state.kept = {kept} \
             error(\"no\") end\n\
             function export(state) return {{ n = state.kept.{field} }} end"
        );
        let mut running = start(&text);
        running.feed(some().into_iter().take(2));
        assert_eq!(running.faults.len(), 1, "{:?}", running.faults);
        assert_eq!(running.rows(), [""; 0], "{text}");
        let said = &running.faults[1].to_string();
        assert!(said.contains("keep the fields you need"), "{text}: {said}");
    }
}

#[test]
fn the_largest_of_a_scripts_own_table_are_found() {
    let text = r#"
function update(pkt, state)
  local dst = pkt.ip.dst
  if dst then
    state[dst] = state[dst] or { bytes = 0 }
    state[dst].bytes += pkt.len
  end
end
function export(state)
  local flat = { b = 2, a = 2, c = 1, d = 3 }
  local names = {}
  for _, entry in top(flat, 3) do table.insert(names, entry.key .. entry.value) end
  assert(table.concat(names, " ") == "d3 a2 b2" and #top(flat) == 4 and #top({}, 3) == 0)
  local rows = {}
  for _, entry in top(state, 2, "bytes") do
    table.insert(rows, { addr = entry.key, bytes = entry.value.bytes })
  end
  return rows
end
"#;
    check(text, &[], &["addr=10.0.0.9 bytes=300", "addr=2001:db8::1 bytes=150"]);
}
