//! Tables that addresses are looked up in: as filters, keys and in scripts, and where there is none.

use como_tests::Folder;

use crate::trace;

/// Who announces what in generated traffic, as far as anybody does.
const ASES: &str = "10.0.0.0/9,64512\n10.128.0.0/9,64513\n::/0,64514\n";

fn folder() -> Folder {
    let folder = trace::folder();
    folder.write("ases.txt", ASES);
    folder
}

#[test]
fn what_needs_a_table_is_refused_without_one() {
    let folder = folder();
    let how = "give one with --asn FILE, or as asn = \"FILE\" under [lookup] in como.toml";
    folder.como(["filter", "src.asn == 2529"]).refused(2, &["`src.asn` is looked up", how]);
    let run = ["run", "traffic", "-r", "a.pcap", "dst asn 2529"];
    folder.como(run).refused(1, &["module `traffic`: `dst.asn` is looked up", how]);
    folder.write("by.lua", "key = { asn = \"dst.asn or 0\" }\nvalue = { n = count() }\n");
    folder.como(["run", "by.lua", "-r", "a.pcap"]).refused(1, &["module `by`: `dst.asn`", how]);
    folder.como(["run", "by.lua", "-r", "a.pcap", "--asn", "none"]).refused(1, &["table `none`"]);
}

#[test]
fn ases_are_counted_the_same_by_filters_keys_and_scripts() {
    let folder = folder();
    let count = |filter: &str| {
        let args = ["filter", "--json", filter, "-r", "a.pcap", "--asn", "ases.txt"];
        folder.como(args).ok().ndjson()[0]["packets"].as_u64().expect("a number")
    };
    let low = count("ip and dst net 10.0.0.0/9");
    assert!(low > 0, "generated traffic has such addresses");
    assert_eq!(count("dst.asn == 64512"), low);
    assert_eq!(count("dst asn 64512"), low);
    let either = count("src.asn in {64512, 64513} or dst.asn in {64512, 64513}");
    assert_eq!(count("asn 64512 or 64513"), either);
    let key = "args = { interval = \"1d\" }\nkey = { asn = \"dst.asn or 0\" }\n\
               value = { n = count() }\n";
    folder.write("key.lua", key);
    folder.write("update.lua", LUA);
    folder.write("update.rhai", RHAI);
    for script in ["key.lua", "update.lua", "update.rhai"] {
        let ran = folder.como(["run", script, "-r", "a.pcap", "--asn", "ases.txt"]).ok();
        let records = ran.ndjson();
        let of = |asn: u64| -> u64 {
            let these = records.iter().filter(|record| record["asn"] == asn);
            these.filter_map(|record| record["n"].as_u64()).sum()
        };
        assert_eq!(of(64512), low, "{script}");
        assert_eq!((0..=64514).map(of).sum::<u64>(), 3000, "{script}");
    }
}

const LUA: &str = "\
args = { interval = \"1d\" }
function update(pkt, state)
  local asn = pkt.dst.asn or 0
  state[asn] = (state[asn] or 0) + pkt.packets
end
function export(state)
  local rows = {}
  for asn, n in state do table.insert(rows, { asn = asn, n = n }) end
  return rows
end
";

const RHAI: &str = "\
let args = #{ interval: \"1d\" };
fn init(args) { table() }
fn update(pkt, state) {
  let asn = pkt.dst.asn;
  if asn == () { asn = 0; }
  state.add(asn, pkt.packets);
}
fn export(state, long, args) {
  let rows = [];
  for row in state.top(9) { rows.push(#{ asn: row.key, n: row.value }); }
  rows
}
";
