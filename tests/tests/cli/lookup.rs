//! Tables that addresses are looked up in: as filters, keys and in scripts, and where there is
//! none.

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

/// Records of a script over `a.pcap` with a table of countries.
fn by_country(folder: &Folder, script: &str) -> Vec<serde_json::Value> {
    folder.como(["run", script, "-r", "a.pcap", "--country", "countries.txt"]).ok().ndjson()
}

#[test]
fn countries_are_text_in_filters_keys_and_scripts() {
    let folder = folder();
    folder.write("countries.txt", "10.0.0.0/9,DE\n10.128.0.0/9,FR\n");
    let count = |filter: &str| {
        let args = ["filter", "--json", filter, "-r", "a.pcap", "--country", "countries.txt"];
        folder.como(args).ok().ndjson()[0]["packets"].as_u64().expect("a number")
    };
    let low = count("ip and dst net 10.0.0.0/9");
    assert_eq!(count("dst.country == \"DE\""), low);
    assert_eq!(count("dst.country == de"), low);
    assert_eq!(count("dst.country in {DE, FR}"), count("ip and dst net 10.0.0.0/8"));
    assert_eq!(count("dst.country != DE"), count("ip and dst net 10.128.0.0/9"));
    let shown =
        folder.como(["filter", "--json", "src.country in {DE, FR}", "--country", "countries.txt"]);
    assert_eq!(shown.ok().ndjson()[0]["filter"], "src.country in {\"DE\", \"FR\"}");
    let key = "args = { interval = \"1d\" }\nkey = { c = \"dst.country or 0\" }\n\
               value = { n = count(), top = topk(\"src.country\", 2) }\n";
    folder.write("key.lua", key);
    folder
        .write("update.lua", LUA.replace("dst.asn or 0", "dst.country or ''").replace("asn", "c"));
    let rhai = RHAI.replace("dst.asn", "dst.country").replace("asn = 0", "asn = \"\"");
    folder.write("update.rhai", rhai.replace("#{ asn", "#{ c"));
    for script in ["key.lua", "update.lua", "update.rhai"] {
        let records = by_country(&folder, script);
        let of = |country: &str| -> u64 {
            let these = records.iter().filter(|record| record["c"] == country);
            these.filter_map(|record| record["n"].as_u64()).sum()
        };
        assert_eq!(of("DE"), low, "{script}");
        assert_eq!(["DE", "FR", ""].map(of).iter().sum::<u64>(), 3000, "{script}");
    }
}

#[test]
fn flows_are_known_by_their_community_id_everywhere() {
    let folder = folder();
    folder.write(
        "key.lua",
        "args = { interval = \"1d\" }\nkey = { id = \"flow.community_id\" \
        }\nvalue = { n = count() }\n",
    );
    folder.write(
        "update.lua",
        LUA.replace("dst.asn or 0", "flow.community_id or ''").replace("asn", "id"),
    );
    let rhai = RHAI.replace("dst.asn", "flow.community_id").replace("asn = 0", "asn = \"\"");
    folder.write("update.rhai", rhai.replace("#{ asn", "#{ id").replace("top(9)", "top(9999)"));
    let run = |script: &str| {
        let records = folder.como(["run", script, "-r", "a.pcap"]).ok().ndjson();
        let ids = records.iter().map(|r| {
            (r["id"].as_str().expect("text").to_owned(), r["n"].as_u64().expect("a number"))
        });
        ids.filter(|(id, _)| !id.is_empty()).collect::<std::collections::BTreeMap<_, _>>()
    };
    let keyed = run("key.lua");
    assert!(keyed.len() > 10 && keyed.keys().all(|id| id.starts_with("1:") && id.len() == 30));
    assert_eq!(keyed, run("update.lua"));
    assert_eq!(keyed, run("update.rhai"));
    let (id, n) = keyed.iter().max_by_key(|(_, n)| **n).expect("a flow");
    let filter = format!("flow.community_id == \"{id}\"");
    let counted = folder.como(["filter", "--json", &filter, "-r", "a.pcap"]).ok().ndjson();
    assert_eq!(counted[0]["packets"].as_u64(), Some(*n));
    assert_eq!(counted[0]["filter"], filter);
}
